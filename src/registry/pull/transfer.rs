//! Moving the bytes of one blob, from whatever has them, through whatever goes wrong on the way.

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use tokio::sync::mpsc::Sender;

use super::source::{Opened, Source};
use crate::registry::again::Again;
use crate::registry::error::Error;
use crate::registry::http::{Fault, RequestError};
use crate::registry::manifest::Target;
use crate::registry::progress::Event;

/// After this much new data the count of failures begins anew, in bytes.
const PROGRESS: u64 = 1 << 20;

/// Why a transfer ended early.
pub(super) enum Stop {
    /// The network's side.
    Failed(Error),
    /// Nobody takes the bytes any more; who does knows why.
    Unwanted,
}

/// One blob on its way.
pub(super) struct Transfer<'a> {
    pub blob: &'a Target,
    pub again: Again<'a>,
    /// Takes the pieces in their order.
    pub sink: Sender<Bytes>,
    /// How much is there, in bytes.
    pub at: u64,
}

enum Broken {
    Request(RequestError),
    Unwanted,
}

impl From<RequestError> for Broken {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl Transfer<'_> {
    /// Gets the rest of the blob from the first source that can give it. The first one is trusted to come
    /// back if it cannot be reached: it was there a moment ago.
    pub async fn run(&mut self, sources: &[Source<'_>]) -> Result<(), Stop> {
        let mut failures: Vec<Error> = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            // A URL in the manifest is for what the registry does not have.
            if matches!(source, Source::Foreign(..)) && !failures.iter().all(Error::is_unknown_image) {
                break;
            }
            self.again.unreachable_too = index == 0;
            match self.from(source).await {
                Ok(()) => return Ok(()),
                Err(Broken::Unwanted) => return Err(Stop::Unwanted),
                Err(Broken::Request(error)) => failures.push(error.into()),
            }
        }
        match failures.len() {
            1 => Err(Stop::Failed(failures.remove(0))),
            _ => Err(Stop::Failed(Error::Everywhere(failures))),
        }
    }

    async fn from(&mut self, source: &Source<'_>) -> Result<(), Broken> {
        let mut failed = 0;
        while self.at < self.blob.size {
            let before = self.at;
            match self.once(source).await {
                Ok(()) => return Ok(()),
                Err(Broken::Unwanted) => return Err(Broken::Unwanted),
                Err(Broken::Request(error)) => {
                    failed = if self.at - before >= PROGRESS { 1 } else { failed + 1 };
                    self.again.pause_after(error, failed).await?;
                }
            }
        }
        Ok(())
    }

    /// One request, as far as it carries.
    async fn once(&mut self, source: &Source<'_>) -> Result<(), Broken> {
        let Opened { response, mut skip } = source.open(self.blob, self.at).await?;
        let stall = source.http().timeouts.stall;
        let fail = |fault| Broken::Request(source.error(self.blob, fault));
        let mut chunks = response.bytes_stream();
        loop {
            let next = tokio::time::timeout(stall, chunks.next()).await;
            let mut chunk = match next.map_err(|_| fail(Fault::Timeout(stall)))? {
                Some(chunk) => chunk.map_err(|error| fail(Fault::of(error, stall)))?,
                None => break,
            };
            let there = skip.min(chunk.len() as u64);
            chunk.advance(usize::try_from(there).unwrap_or(usize::MAX));
            skip -= there;
            if self.at + chunk.len() as u64 > self.blob.size {
                let actual = self.at + chunk.len() as u64;
                return Err(fail(Fault::WrongSize { expected: self.blob.size, actual }));
            }
            self.pass_on(chunk).await?;
        }
        match self.at == self.blob.size {
            true => Ok(()),
            false => Err(fail(Fault::Truncated { expected: self.blob.size, actual: self.at })),
        }
    }

    async fn pass_on(&mut self, chunk: Bytes) -> Result<(), Broken> {
        let delta = chunk.len() as u64;
        if delta == 0 {
            return Ok(());
        }
        self.sink.send(chunk).await.map_err(|_| Broken::Unwanted)?;
        self.at += delta;
        self.again.progress.event(Event::LayerBytes { digest: self.blob.digest, delta });
        Ok(())
    }
}
