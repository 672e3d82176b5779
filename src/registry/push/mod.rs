//! Pushing: from an image in the store to a registry.

mod blob;
mod compress;
mod content;
mod document;
mod explain;
mod origins;
mod plan;
mod rewrite;
mod steps;
mod upload;

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};
use lay_store::{Compressed, Digest, LayerForm, Lease, PushRecords, Store};
use oci_spec::image::Descriptor;
use tokio::sync::Semaphore;

use super::endpoint::Endpoint;
use super::error::Error;
use super::http::{Http, Session};
use super::manifest::Target;
use super::platform::Platform;
use super::progress::Progress;
use super::pull::Access;
use super::reference::Reference;
use crate::layer::compress::Settings;
use origins::Origins;
use plan::Node;

/// What a push may be told.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// How registries are reached. Mirrors are for pulling: none of them is pushed to.
    pub access: Access,
    /// How many layers travel at once, at least 1.
    pub parallel: usize,
    /// How layers that are stored uncompressed are compressed; `None` pushes them as they are. Others go as they came.
    pub compression: Option<Settings>,
    /// Of an index, the image of this platform alone, `os/architecture[/variant]`.
    pub platform: Option<String>,
    /// What layers are turned into that have to be fetched first.
    pub form: LayerForm,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The manifest or index that the tag names now.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
}

/// Uploads an image, or an index and its images, and gives it the tag of `destination`.
///
/// What the registry has is not sent again; what another of its repositories has, it takes from there; a broken upload
/// continues where the registry says. The tag is set last. Threads are used inside, and are gone when this returns.
///
/// # Errors
/// When the image is not complete and cannot be completed, or the registry cannot be reached or refuses it. What was uploaded
/// stays there, and the next push finds it.
pub fn push(
    store: &Store,
    source: &Descriptor,
    destination: &Reference,
    options: &PushOptions,
    progress: &dyn Progress,
) -> Result<Pushed, Error> {
    let Some(tag) = destination.tag().filter(|_| destination.digest().is_none()) else {
        return Err(Error::DigestDestination);
    };
    let lease = store.lease()?;
    let wanted = options.platform.as_deref().map(Platform::from_str).transpose()?;
    let node = plan::read(store, &lease, source, wanted.as_ref())?;
    let push = Push::new(store, destination, options, progress, lease, &node)?;
    // Dropped at the end of the block, and with it every thread.
    let pushed = {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
        runtime.block_on(push.all(&node, tag))
    };
    push.remember();
    pushed
}

/// One push under way.
struct Push<'a> {
    store: &'a Store,
    options: &'a PushOptions,
    progress: &'a dyn Progress,
    /// Registry and repository, as the store's records name them.
    place: String,
    session: Session,
    /// Where blobs of the store came from.
    origins: Origins,
    records: PushRecords,
    /// Keeps `prune` away from everything that is pushed.
    _lease: Lease,
    /// Set when the registry has answered: whoever was there may come back.
    met: AtomicBool,
    /// One layer at a time is compressed, on all processors.
    turn: Arc<Semaphore>,
    done: Mutex<Done>,
}

/// What to remember of a push.
#[derive(Default)]
struct Done {
    blobs: Vec<Digest>,
    packed: Vec<(Digest, Compressed)>,
}

impl<'a> Push<'a> {
    fn new(
        store: &'a Store,
        destination: &Reference,
        options: &'a PushOptions,
        progress: &'a dyn Progress,
        lease: Lease,
        node: &Node,
    ) -> Result<Self, Error> {
        let registry = destination.registry();
        let place = format!("{registry}/{}", destination.repository());
        let blobs: Vec<Digest> = node.blobs().iter().map(|part| part.blob.digest).collect();
        let how = options.compression.map(|settings| settings.key()).unwrap_or_default();
        let records = store.push_records(&blobs, &how, &place).unwrap_or_else(|error| {
            tracing::warn!(%error, "pushing without what earlier pushes noted");
            PushRecords::default()
        });
        let origins = Origins::of(store)?;
        let http = Arc::new(Http::new(options.access.registries.clone(), options.access.timeouts));
        let endpoint = Endpoint::registry(&options.access.registries, registry)?;
        let credentials = Arc::new(options.access.credentials.clone());
        let session = Session::new(http, endpoint, destination.repository(), credentials);
        let mut push = Push {
            store,
            options,
            progress,
            place,
            session,
            origins,
            records,
            _lease: lease,
            met: AtomicBool::new(false),
            turn: Arc::new(Semaphore::new(1)),
            done: Mutex::default(),
        };
        let others = push.mountable(&blobs);
        push.session = push.session.for_push(others.iter().map(String::as_str));
        Ok(push)
    }

    /// Blobs first, then manifests, then indexes: nobody ever finds one that is not complete.
    async fn all(&self, node: &Node, tag: &str) -> Result<Pushed, Error> {
        let parts = stream::iter(node.blobs());
        let sent: HashMap<Digest, Target> = parts
            .map(|part| async move {
                let digest = part.blob.digest;
                self.ensure(part).await.map(|target| (digest, target))
            })
            .buffer_unordered(self.options.parallel.max(1))
            .try_collect()
            .await?;
        self.document(node, Some(tag), &sent).await
    }

    /// Tells the index what this push found out. That it fails loses nothing but time.
    fn remember(&self) {
        let done = std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner));
        if done.blobs.is_empty() {
            return;
        }
        let how = self.options.compression.map(|settings| settings.key()).unwrap_or_default();
        if let Err(error) = self.store.note_pushed(&self.place, &done.blobs, &how, &done.packed) {
            tracing::warn!(%error, "what was pushed is not noted");
        }
    }
}
