//! One layer: fetched, verified and unpacked in one go, or whatever part of that is still to do.

use std::time::Duration;

use bytes::Bytes;
use lay_store::{Digest, Ingest};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::Pull;
use super::resolve::LayerPlan;
use super::source::Source;
use super::transfer::{Stop, Transfer};
use crate::layer;
use crate::registry::again::Again;
use crate::registry::error::Error;
use crate::registry::http::Fault;
use crate::registry::progress::Event;
use crate::registry::tail::{Growth, tail};

/// How many pieces may wait to be written, each a few hundred kilobytes at most.
const PIECES: usize = 16;
/// How often it is looked whether another process is done.
const POLL: Duration = Duration::from_millis(50);

/// How one try to get a layer can fail.
enum Failure {
    /// Whatever was wrong, what arrived has another digest than it should.
    WrongDigest(Digest),
    /// Anything else.
    Other(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl Pull<'_> {
    /// Makes sure that the blob and its unpacked form are in the store; tells whether anything was done.
    /// `first` is the session that knows the image.
    pub(super) async fn ensure_layer(&self, plan: LayerPlan, first: usize) -> Result<bool, Error> {
        let (digest, size) = (plan.blob.digest, plan.blob.size);
        let mut waited = false;
        loop {
            match (self.store.has_blob_of(&digest, size), self.store.layer(&plan.diff_id).is_some()) {
                (true, true) => {
                    let event = match waited {
                        true => Event::LayerDone { digest },
                        false => Event::LayerExists { digest, size },
                    };
                    self.progress.event(event);
                    return Ok(waited);
                }
                (true, false) => self.unpack_stored(&plan).await?,
                (false, _) => match self.ingest(&plan).await {
                    Ok(_) if self.store.has_blob_of(&digest, size) => continue,
                    Ok(ingest) => self.download(&plan, ingest, first).await?,
                    Err(lay_store::Error::Busy { .. }) => {
                        if !waited {
                            self.progress.event(Event::LayerWaiting { digest, size });
                        }
                        waited = true;
                        tokio::time::sleep(POLL).await;
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                },
            }
            self.progress.event(Event::LayerDone { digest });
            return Ok(true);
        }
    }

    /// Opens the half-arrived blob, which means reading and hashing what is there of it.
    async fn ingest(&self, plan: &LayerPlan) -> Result<Ingest, lay_store::Error> {
        let (store, digest, size) = (self.store.clone(), plan.blob.digest, plan.blob.size);
        joined(spawn_blocking(move || store.ingest(&digest, Some(size)))).await
    }

    async fn unpack_stored(&self, plan: &LayerPlan) -> Result<(), Error> {
        let (store, diff_id, form) = (self.store.clone(), plan.diff_id, self.options.form);
        let digest = plan.blob.digest;
        joined(spawn_blocking(move || {
            let blob = std::fs::File::open(store.blob_path(&digest));
            let blob = blob.map_err(|source| Error::Blob { digest, source })?;
            layer::unpack(&store, blob, &diff_id, form)
                .map_err(|source| Error::Unpack { digest, source })
                .map(drop)
        }))
        .await
    }

    /// Tries the sources that there are. Data that turns out wrong is fetched once more from the beginning if
    /// its beginning was from an earlier pull, which a power cut may have damaged; then from the next source.
    async fn download(&self, plan: &LayerPlan, mut ingest: Ingest, first: usize) -> Result<(), Error> {
        let sessions = self.sessions[first..].iter().chain(&self.sessions[..first]);
        let mut sources: Vec<Source<'_>> = sessions.map(Source::Session).collect();
        sources.extend(Source::foreign(&plan.blob, &self.sessions[first].http));
        let mut failures: Vec<Error> = Vec::new();
        let mut from = 0;
        loop {
            let resumed = ingest.offset();
            let actual = match self.fetch(plan, ingest, &sources[from..]).await {
                Ok(()) => return Ok(()),
                Err(Failure::Other(error)) => {
                    failures.push(error);
                    break;
                }
                Err(Failure::WrongDigest(actual)) => actual,
            };
            if resumed == 0 {
                let fault = Fault::WrongDigest { expected: plan.blob.digest, actual };
                failures.push(sources[from].error(&plan.blob, fault).into());
                from += 1;
            }
            if from == sources.len() {
                break;
            }
            ingest = self.ingest(plan).await?;
            ingest.restart()?;
        }
        match failures.len() {
            1 => Err(failures.remove(0)),
            _ => Err(Error::Everywhere(failures)),
        }
    }

    /// One try: three hands work at once, the network's (here), one that hashes and writes, one that unpacks
    /// what is written. The layer comes to light before its blob, so that whoever waits for the blob finds
    /// both.
    async fn fetch(&self, plan: &LayerPlan, ingest: Ingest, sources: &[Source<'_>]) -> Result<(), Failure> {
        let (digest, size, resumed) = (plan.blob.digest, plan.blob.size, ingest.offset());
        self.progress.event(Event::LayerStart { digest, size, resumed });
        let (growth, reader) = tail(ingest.reader()?, resumed);
        let unpacking = self.store.layer(&plan.diff_id).is_none().then(|| {
            let (store, diff_id, form) = (self.store.clone(), plan.diff_id, self.options.form);
            spawn_blocking(move || layer::unpack(&store, reader, &diff_id, form))
        });
        let (sink, pieces) = mpsc::channel(PIECES);
        let writing = spawn_blocking(move || write(ingest, pieces, growth));
        let again = Again {
            policy: self.options.access.retry,
            progress: self.progress,
            digest: Some(digest),
            unreachable_too: true,
        };
        let mut transfer = Transfer { blob: &plan.blob, again, sink, at: resumed };
        let moved = transfer.run(sources).await;
        drop(transfer);
        let written = joined(writing).await;
        if let Err(Stop::Failed(error)) = moved {
            // The unpacker must let go of its file before anybody else tries.
            drop(written);
            if let Some(unpacking) = unpacking {
                let _ = joined(unpacking).await;
            }
            return Err(Failure::Other(error));
        }
        let (ingest, growth) = written?;
        growth.complete();
        let unpacked = match unpacking {
            Some(unpacking) => joined(unpacking).await.map(drop),
            None => Ok(()),
        };
        let media_type = plan.blob.media_type.clone();
        match joined(spawn_blocking(move || ingest.finish(&media_type))).await {
            Err(lay_store::Error::Digest { actual, .. }) => return Err(Failure::WrongDigest(actual)),
            finished => finished?,
        };
        unpacked.map_err(|source| Failure::Other(Error::Unpack { digest, source }))
    }
}

/// Hashes and writes pieces as they come, and tells the unpacker.
fn write(
    mut ingest: Ingest,
    mut pieces: mpsc::Receiver<Bytes>,
    growth: Growth,
) -> Result<(Ingest, Growth), lay_store::Error> {
    while let Some(piece) = pieces.blocking_recv() {
        ingest.write(&piece)?;
        growth.add(piece.len() as u64);
    }
    Ok((ingest, growth))
}

/// Waits for a thread; its panic is ours.
async fn joined<T>(thread: JoinHandle<T>) -> T {
    match thread.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => unreachable!("nobody cancels these threads"),
        },
    }
}
