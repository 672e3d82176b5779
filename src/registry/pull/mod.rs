//! Pulling: from a reference to an image in the store.

mod layer;
mod resolve;
mod source;
mod transfer;

use std::str::FromStr;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use lay_store::{Digest, LayerForm, Lease, PULLED_DIGEST, PULLED_FROM, Store};
use oci_spec::image::Descriptor;

use super::config::Registries;
use super::credentials::Credentials;
use super::endpoint::Endpoint;
use super::error::Error;
use super::http::{Http, Session, Timeouts};
use super::manifest::Target;
use super::platform::Platform;
use super::progress::{Event, Progress};
use super::reference::Reference;
use super::retry::RetryPolicy;

/// How registries are reached, and as whom.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The configuration of registries.
    pub registries: Registries,
    /// Where credentials are looked up.
    pub credentials: Credentials,
    /// How long the parts of a request may take.
    pub timeouts: Timeouts,
    /// How often what failed is tried again.
    pub retry: RetryPolicy,
}

/// What a pull may be told.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// How registries are reached.
    pub access: Access,
    /// The wanted platform, `os/architecture[/variant]`; this machine's if unset.
    pub platform: Option<String>,
    /// How many layers travel at once, at least 1.
    pub parallel: usize,
    /// What new layers are turned into.
    pub form: LayerForm,
}

/// An image that was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Its name in the store.
    pub name: String,
    /// The manifest of its platform, as `index.json` has it.
    pub manifest: Descriptor,
    /// What the reference pointed to: the manifest, or an index that names it.
    pub pulled_digest: Digest,
    /// Whether the store had all of it under this name already.
    pub up_to_date: bool,
}

/// Gets an image into the store and names it there.
///
/// Layers are verified and unpacked while they arrive. What was fetched before a failure stays, and the next
/// pull continues there; an image gets its name only when all of it is in the store. Threads are used inside,
/// and are gone when this returns.
pub fn pull(
    store: &Store,
    reference: &Reference,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Pulled, Error> {
    let wanted = match &options.platform {
        Some(text) => Platform::from_str(text)?,
        None => Platform::host(),
    };
    let (lease, sessions) = (store.lease()?, sessions(reference, &options.access)?);
    let pull = Pull { store, reference, options, progress, wanted, lease, sessions, whole: true };
    pull.run()
}

/// Gets manifest and configuration of an image into the store, without its layers and without naming it there: its manifest,
/// and the lease that keeps both.
///
/// # Errors
/// As [`pull`].
pub fn documents(
    store: &Store,
    reference: &Reference,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<(Descriptor, Lease), Error> {
    let wanted = match &options.platform {
        Some(text) => Platform::from_str(text)?,
        None => Platform::host(),
    };
    let (lease, sessions) = (store.lease()?, sessions(reference, &options.access)?);
    let pull = Pull { store, reference, options, progress, wanted, lease, sessions, whole: false };
    let pulled = pull.run()?;
    Ok((pulled.manifest, pull.lease))
}

/// Gets single layers of an image into the store, each by the descriptor of its blob and its diff id; gives those that could
/// not be had, and why. Threads are used inside, and are gone when this returns.
///
/// # Errors
/// When none can be tried.
pub fn layers(
    store: &Store,
    reference: &Reference,
    options: &PullOptions,
    wanted: &[(Descriptor, Digest)],
) -> Result<Vec<(Digest, Error)>, Error> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    let one = async |(blob, diff_id): &(Descriptor, Digest)| {
        let got = match Target::of(blob) {
            Ok(blob) => fetch_layer(store, reference, options, blob, *diff_id).await,
            Err(problem) => {
                let (registry, what) = (reference.registry().to_owned(), format!("layer {diff_id}"));
                Err(Error::Manifest { registry, what, problem })
            }
        };
        got.err().map(|error| (*diff_id, error))
    };
    runtime.block_on(async {
        let tried = stream::iter(wanted).map(one).buffer_unordered(options.parallel.max(1));
        Ok(tried.filter_map(async |failed| failed).collect().await)
    })
}

/// Gets one layer of an image that was pulled before: its blob, and its mountable form if that is not there.
pub(super) async fn fetch_layer(
    store: &Store,
    reference: &Reference,
    options: &PullOptions,
    blob: Target,
    diff_id: Digest,
) -> Result<(), Error> {
    let (lease, sessions) = (store.lease()?, sessions(reference, &options.access)?);
    lease.protect([blob.digest, diff_id])?;
    let wanted = Platform::host();
    let pull = Pull { store, reference, options, progress: &(), wanted, lease, sessions, whole: true };
    pull.ensure_layer(resolve::LayerPlan { blob, diff_id }, 0).await.map(drop)
}

fn sessions(reference: &Reference, access: &Access) -> Result<Vec<Session>, Error> {
    let http = Arc::new(Http::new(access.registries.clone(), access.timeouts));
    let credentials = Arc::new(access.credentials.clone());
    let endpoints = Endpoint::all(&access.registries, reference.registry())?.into_iter();
    let session = |endpoint| {
        Session::new(Arc::clone(&http), endpoint, reference.repository(), Arc::clone(&credentials))
    };
    Ok(endpoints.map(session).collect())
}

/// One pull under way.
struct Pull<'a> {
    store: &'a Store,
    reference: &'a Reference,
    options: &'a PullOptions,
    progress: &'a dyn Progress,
    wanted: Platform,
    /// Keeps `prune` away from everything that is named to it.
    lease: Lease,
    /// The mirrors and the registry, in the order in which they are asked.
    sessions: Vec<Session>,
    /// The layers come too, and the image gets its name when all of it is there.
    whole: bool,
}

impl Pull<'_> {
    fn run(&self) -> Result<Pulled, Error> {
        let name = self.reference.familiar();
        let local = self.local(&name)?;
        if let Some(local) = local.as_ref().filter(|local| self.reference.digest() == Some(local.pulled)) {
            // What a digest names never changes, so nobody needs to be asked.
            self.resolved(local.pulled, None);
            return Ok(local.as_pulled(name));
        }
        // Dropped at the end of the block, and with it every thread.
        let (found, fetched) = {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
            runtime.block_on(async {
                let found = self.resolve(local.as_ref()).await?;
                let fetched = match &found {
                    resolve::Found::Remote(image) if self.whole => self.fetch_layers(image).await?,
                    _ => false,
                };
                Ok::<_, Error>((found, fetched))
            })?
        };
        match (found, local) {
            (resolve::Found::Remote(image), local) => {
                let same = local.is_some_and(|local| {
                    local.manifest.digest().to_string() == image.descriptor.digest.to_string()
                });
                self.keep(name, &image, same && !fetched)
            }
            (resolve::Found::Local, Some(local)) => Ok(local.as_pulled(name)),
            (resolve::Found::Local, None) => unreachable!("only what is local is found to be local"),
        }
    }

    /// Fetches and unpacks what is missing, several layers at once; tells whether anything was.
    async fn fetch_layers(&self, image: &resolve::Image) -> Result<bool, Error> {
        let layers = stream::iter(image.distinct_layers()?);
        layers
            .map(|layer| self.ensure_layer(layer, image.session))
            .buffer_unordered(self.options.parallel.max(1))
            .try_fold(false, async |any, fetched| Ok(any | fetched))
            .await
    }

    /// Puts the documents of an image into the store, then names it.
    fn keep(&self, name: String, image: &resolve::Image, up_to_date: bool) -> Result<Pulled, Error> {
        self.store.put_blob(&image.config_bytes, &image.config.media_type)?;
        self.store.put_blob(&image.manifest_bytes, image.descriptor.media_type.as_ref())?;
        let mut manifest = image.descriptor();
        let annotations = [
            (PULLED_DIGEST.to_owned(), image.pulled.to_string()),
            (PULLED_FROM.to_owned(), self.reference.canonical()),
        ];
        manifest.set_annotations(Some(annotations.into()));
        if self.whole {
            self.store.tag(&name, manifest.clone())?;
        }
        Ok(Pulled { name, manifest, pulled_digest: image.pulled, up_to_date })
    }

    fn resolved(&self, digest: Digest, registry: Option<&str>) {
        let reference = self.reference.familiar();
        self.progress.event(Event::Resolved { reference: &reference, digest, registry });
    }
}
