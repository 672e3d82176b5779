//! Manifests and indexes: those that name what was sent as it is stored go up byte for byte, others are written anew.

use std::collections::HashMap;

use bytes::Bytes;
use lay_store::Digest;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::plan::{Below, Node};
use super::{Push, Pushed, rewrite};
use crate::registry::error::Error;
use crate::registry::http::{Exchange, Fault, Payload, Place, RequestError};
use crate::registry::manifest::Target;
use crate::registry::push::explain::explained;

/// Where a registry says which digest it took.
const DIGEST_HEADER: &str = "docker-content-digest";

impl Push<'_> {
    /// Uploads a document, those below it first; `tag` is for the topmost.
    pub(super) async fn document(
        &self,
        node: &Node,
        tag: Option<&str>,
        sent: &HashMap<Digest, Target>,
    ) -> Result<Pushed, Error> {
        let mut changes = HashMap::new();
        match &node.below {
            Below::Parts(parts) => {
                let digests = parts.iter().map(|part| part.blob.digest);
                changes.extend(digests.filter_map(|digest| Some((digest, sent.get(&digest)?.clone()))));
            }
            Below::Nodes(nodes) => {
                for below in nodes {
                    let pushed = Box::pin(self.document(below, None, sent)).await?;
                    changes.insert(below.target.digest, pushed.target());
                }
            }
        }
        changes.retain(|digest, target| *digest != target.digest);
        let stored = |source| Error::Stored { digest: node.target.digest, problem: source };
        let (media_type, bytes) = match changes.is_empty() {
            true => (node.target.media_type.clone(), node.bytes.clone()),
            false => rewrite::rewrite(node, &changes).map_err(stored)?,
        };
        let digest = Digest::of(&bytes);
        let pushed = Pushed { digest, size: bytes.len() as u64, media_type };
        let selector = tag.map_or_else(|| digest.to_string(), str::to_owned);
        self.put(&selector, &pushed, bytes.into()).await?;
        Ok(pushed)
    }

    async fn put(&self, selector: &str, document: &Pushed, bytes: Bytes) -> Result<(), RequestError> {
        let (path, what) = (format!("manifests/{selector}"), format!("manifest {selector}"));
        let fail = |fault| self.session.error(&what, fault);
        let kind = HeaderValue::from_str(&document.media_type);
        let kind = kind.map_err(|_| fail(Fault::Challenge(document.media_type.clone())))?;
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let (method, place) = (&Method::PUT, Place::Path { path: &path, query: None });
        let payload = Payload::Bytes(bytes);
        let request = Exchange { method, place, headers, payload, patience: None, what: &what };
        let answer = self.again(None).run(async || self.session.exchange(&request).await).await;
        let response = answer.map_err(|error| explained(error, false))?;
        let taken = response.headers().get(DIGEST_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
        match taken {
            Some(actual) if actual != document.digest => {
                Err(fail(Fault::WrongDigest { expected: document.digest, actual }))
            }
            _ => Ok(()),
        }
    }
}

impl Pushed {
    fn target(&self) -> Target {
        let media_type = self.media_type.clone();
        Target { media_type, digest: self.digest, size: self.size, urls: Vec::new() }
    }
}
