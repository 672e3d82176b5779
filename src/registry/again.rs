//! Trying again.

use std::time::Duration;

use lay_store::Digest;

use crate::error::chain;
use crate::registry::http::{Fault, RequestError};
use crate::registry::progress::{Event, Progress};
use crate::registry::retry::RetryPolicy;

/// When and how one request or one download is tried again.
#[derive(Clone, Copy)]
pub struct Again<'a> {
    pub policy: RetryPolicy,
    pub progress: &'a dyn Progress,
    /// The layer that is fetched, for the events.
    pub digest: Option<Digest>,
    /// Whether a host that cannot be reached may come back.
    pub unreachable_too: bool,
}

impl Again<'_> {
    /// Runs `attempt` until it succeeds, fails for good or has failed often enough.
    pub async fn run<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let mut failed = 0;
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => {
                    failed += 1;
                    self.pause_after(error, failed).await?;
                }
            }
        }
    }

    /// Pauses after the `failed`th try in a row, or gives the error back if there is to be no other.
    pub async fn pause_after(&self, error: RequestError, failed: u32) -> Result<(), RequestError> {
        let Some(pause) = self.pause(&error.fault, failed) else { return Err(error) };
        self.rest(&error, pause).await;
        Ok(())
    }

    /// Pauses after the `failed`th try in a row, whatever the reason, or gives the error back if there were enough.
    pub async fn pause_anyway(&self, error: RequestError, failed: u32) -> Result<(), RequestError> {
        if failed >= self.policy.tries {
            return Err(error);
        }
        self.rest(&error, self.policy.pause(failed)).await;
        Ok(())
    }

    async fn rest(&self, error: &RequestError, pause: Duration) {
        let reason = chain(&error.fault);
        let registry = error.registry.as_str();
        self.progress.event(Event::Retry { digest: self.digest, registry, reason: &reason, pause });
        tokio::time::sleep(pause).await;
    }

    fn pause(&self, fault: &Fault, failed: u32) -> Option<Duration> {
        let passing = fault.is_transient() || (self.unreachable_too && fault.is_unreachable());
        if !passing || failed >= self.policy.tries {
            return None;
        }
        let wait = fault.wait().unwrap_or_default();
        (wait <= self.policy.longest_wait).then(|| self.policy.pause(failed).max(wait))
    }
}
