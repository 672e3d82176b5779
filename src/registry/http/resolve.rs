//! Host names to addresses, with an error that can be told from others.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A host name that has no address.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct ResolveError {
    /// What the system's resolver says.
    reason: String,
}

/// The system's resolver.
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str();
            match tokio::net::lookup_host((host, 0)).await {
                Ok(addresses) => Ok(Box::new(addresses.collect::<Vec<_>>().into_iter()) as Addrs),
                Err(error) => Err(ResolveError { reason: error.to_string() }.into()),
            }
        })
    }
}
