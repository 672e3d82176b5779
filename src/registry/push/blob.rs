//! One blob: found there, taken from a neighbour, or uploaded.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use lay_store::{Compressed, Digest};
use reqwest::{Method, StatusCode};

use super::Push;
use super::compress::{self, Job};
use super::explain::explained;
use super::plan::Part;
use super::upload::{Begun, Upload};
use crate::layer::Compression;
use crate::layer::compress::Settings;
use crate::registry::again::Again;
use crate::registry::error::Error;
use crate::registry::http::{Fault, Request, RequestError};
use crate::registry::manifest::{Target, is_foreign};
use crate::registry::progress::Event;
use crate::registry::pull::{PullOptions, fetch_layer};

/// What a registry has to say of a blob before it is uploaded.
enum Found {
    There,
    Mounted,
    /// It has to be uploaded; perhaps that was begun.
    Missing(Option<Begun>),
}

impl Push<'_> {
    /// Makes sure that the registry has a blob, or what it is compressed to; gives what the manifest is to name.
    pub(super) async fn ensure(&self, part: Part) -> Result<Target, Error> {
        if is_foreign(&part.blob.media_type) {
            // It is had from elsewhere, and may not be passed on.
            return Ok(part.blob);
        }
        let plain = Compression::of_media_type(&part.blob.media_type) == Some(Compression::Plain);
        let target = match self.options.compression {
            Some(settings) if plain => self.packed(&part, settings).await?,
            _ => {
                self.as_it_is(&part).await?;
                part.blob
            }
        };
        self.note(|done| done.blobs.push(target.digest));
        Ok(target)
    }

    async fn as_it_is(&self, part: &Part) -> Result<(), Error> {
        let shown = part.blob.digest;
        let Found::Missing(begun) = self.find(&part.blob, shown, part.diff_id.is_some()).await? else {
            return Ok(());
        };
        self.have(part).await?;
        let file = Arc::new(self.store.open_blob(&shown)?);
        let length = file.metadata().map_err(|source| Error::Blob { digest: shown, source })?.len();
        if length != part.blob.size {
            return Err(Error::Damaged(shown));
        }
        let mut upload = Upload::new(self, part, shown);
        upload.known(&part.blob, file, begun).await?;
        upload.done();
        Ok(())
    }

    /// What was compressed once is known by its digest, and compressed again only if the registry does not have it.
    async fn packed(&self, part: &Part, settings: Settings) -> Result<Target, Error> {
        let shown = part.blob.digest;
        let target = |to: Compressed| Target {
            media_type: compress::media_type(settings.method()).to_owned(),
            digest: to.digest,
            size: to.size,
            urls: Vec::new(),
        };
        let mut begun = None;
        let known = self.records.compressed.get(&shown).copied().map(target);
        if let Some(known) = &known {
            match self.find(known, shown, true).await? {
                Found::Missing(started) => begun = started,
                _ => return Ok(known.clone()),
            }
        }
        self.have(part).await?;
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let turn = turn.unwrap_or_else(|_| unreachable!("nobody closes it"));
        let job = Job::start(self.store, shown, settings, turn)?;
        let mut upload = Upload::new(self, part, shown);
        let to = match begun {
            None => upload.growing(job, target).await?,
            Some(begun) => {
                let file = Arc::clone(&job.file);
                let to = job.finish().await?;
                upload.known(&target(to), file, Some(begun)).await?;
                to
            }
        };
        upload.done();
        self.note(|done| done.packed.push((shown, to)));
        Ok(target(to))
    }

    /// Asks for a blob; where it is missing, asks the registry to take it from a repository that has it.
    async fn find(&self, blob: &Target, shown: Digest, is_layer: bool) -> Result<Found, Error> {
        let size = blob.size;
        if self.head(&blob.digest).await? {
            if is_layer {
                self.progress.event(Event::LayerExists { digest: shown, size });
            }
            return Ok(Found::There);
        }
        let mut begun = self.records.uploads.get(&blob.digest).and_then(|text| Begun::at(text));
        for from in self.neighbours(&blob.digest) {
            match self.mount(&blob.digest, &from).await {
                Ok(None) => {
                    if is_layer {
                        self.progress.event(Event::LayerMounted { digest: shown, size, from: &from });
                    }
                    return Ok(Found::Mounted);
                }
                // The registry began an upload instead, of which one is enough.
                Ok(Some(other)) if begun.is_none() => begun = Some(other),
                Ok(Some(other)) => self.cancel(other).await,
                Err(error) => tracing::debug!(%error, from, "not mounted"),
            }
        }
        Ok(Found::Missing(begun))
    }

    async fn head(&self, blob: &Digest) -> Result<bool, Error> {
        let (path, what) = (format!("blobs/{blob}"), format!("blob {blob}"));
        let request = Request { method: &Method::HEAD, path: &path, accept: &[], from: 0, what: &what };
        let asked = self.again(None).run(async || self.session.send(request).await).await;
        match asked.map_err(|error| explained(error, false)) {
            Ok(_) => {
                self.met.store(true, Ordering::Relaxed);
                Ok(true)
            }
            Err(RequestError { fault: Fault::NotFound(_), .. }) => {
                self.met.store(true, Ordering::Relaxed);
                Ok(false)
            }
            Err(RequestError {
                fault: Fault::Status { status: StatusCode::METHOD_NOT_ALLOWED, .. }, ..
            }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Fetches a blob that is not kept.
    async fn have(&self, part: &Part) -> Result<(), Error> {
        let digest = part.blob.digest;
        if self.store.has_blob(&digest) {
            return Ok(());
        }
        let mut failure = None;
        for image in self.origins.images(&digest) {
            let Some(diff_id) = part.diff_id else { break };
            let from = image.familiar();
            self.progress.event(Event::LayerFetch { digest, from: &from });
            let access = self.options.access.clone();
            let options = PullOptions { access, platform: None, parallel: 1, form: self.options.form };
            match fetch_layer(self.store, image, &options, part.blob.clone(), diff_id).await {
                Ok(()) => return Ok(()),
                Err(error) => failure = Some(Error::Refetch { digest, from, source: Box::new(error) }),
            }
        }
        Err(failure.unwrap_or(Error::NotKept { digest }))
    }

    /// Before the registry has answered, one that cannot be reached is not waited for.
    pub(super) fn again(&self, digest: Option<Digest>) -> Again<'_> {
        let (policy, progress) = (self.options.access.retry, self.progress);
        Again { policy, progress, digest, unreachable_too: self.met.load(Ordering::Relaxed) }
    }

    fn note(&self, change: impl FnOnce(&mut super::Done)) {
        change(&mut self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}
