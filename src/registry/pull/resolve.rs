//! From a reference to the manifest and the configuration of one image: asked, verified, understood.

use std::collections::HashMap;
use std::str::FromStr;

use lay_store::{Digest, PULLED_DIGEST};
use oci_spec::image::{Descriptor, MediaType};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, StatusCode};

use super::{Pull, Pulled};
use crate::registry::again::Again;
use crate::registry::error::Error;
use crate::registry::http::{Fault, Request, RequestError, Session, looks_like_html, read_limited};
use crate::registry::manifest::{ACCEPTED, Document, ImageConfig, ManifestError, Target, choose};

/// Larger documents are refused, in bytes (distribution spec, "Pushing Manifests").
const DOCUMENT_MAX: u64 = 4 << 20;
/// Indexes may lie in indexes, but not deeper than this.
const DEPTH_MAX: usize = 4;
/// How often a mirror that has others behind it is tried.
const MIRROR_TRIES: u32 = 2;
/// Where a registry says which digest it serves.
const DIGEST_HEADER: &str = "docker-content-digest";

/// What resolving came to.
pub(super) enum Found {
    /// The image that the store has under this name.
    Local,
    /// An image of which parts may be missing.
    Remote(Box<Image>),
}

/// An image that the store has, complete.
pub(super) struct Local {
    pub manifest: Descriptor,
    pub pulled: Digest,
}

/// An image as a registry has it, all but its layers.
pub(super) struct Image {
    /// The manifest of the wanted platform.
    pub descriptor: Target,
    pub manifest_bytes: Vec<u8>,
    pub config: Target,
    pub config_bytes: Vec<u8>,
    /// From the bottom to the top.
    pub layers: Vec<LayerPlan>,
    /// What the reference pointed to.
    pub pulled: Digest,
    /// Which session knows the image.
    pub session: usize,
}

/// A layer: the blob that a registry has, and what is inside.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct LayerPlan {
    pub blob: Target,
    pub diff_id: Digest,
}

/// A document, its digest verified.
struct Fetched {
    bytes: Vec<u8>,
    digest: Digest,
    content_type: Option<String>,
}

impl Local {
    pub fn as_pulled(&self, name: String) -> Pulled {
        Pulled { name, manifest: self.manifest.clone(), pulled_digest: self.pulled, up_to_date: true }
    }
}

impl Image {
    /// The descriptor of the manifest, as the store keeps it.
    pub fn descriptor(&self) -> Descriptor {
        let digest = oci_spec::image::Sha256Digest::from_str(&self.descriptor.digest.hex());
        let digest = digest.unwrap_or_else(|_| unreachable!("a sha256 digest is one"));
        Descriptor::new(MediaType::from(self.descriptor.media_type.as_str()), self.descriptor.size, digest)
    }

    /// The layers, each blob once: an image may hold the same layer at several places.
    pub fn distinct_layers(&self) -> Result<Vec<LayerPlan>, Error> {
        let mut seen: HashMap<Digest, Digest> = HashMap::new();
        let mut distinct = Vec::new();
        for layer in &self.layers {
            match seen.insert(layer.blob.digest, layer.diff_id) {
                None => distinct.push(layer.clone()),
                Some(diff_id) if diff_id == layer.diff_id => {}
                Some(_) => return Err(Error::OneBlobTwoLayers(layer.blob.digest)),
            }
        }
        Ok(distinct)
    }
}

impl Pull<'_> {
    /// The image that the store has under this name, if it is complete, of the wanted platform and pulled.
    pub(super) fn local(&self, name: &str) -> Result<Option<Local>, Error> {
        let manifest = match self.store.find(name) {
            Ok(Some(manifest)) => manifest,
            // What is pulled takes the place of a damaged entry.
            Ok(None) | Err(lay_store::Error::Entry { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let annotations = manifest.annotations().as_ref();
        let pulled = annotations.and_then(|all| all.get(PULLED_DIGEST)).and_then(|text| text.parse().ok());
        let Some(pulled) = pulled else { return Ok(None) };
        let complete = self.is_complete(&manifest).unwrap_or_default();
        Ok(complete.then_some(Local { manifest, pulled }))
    }

    /// Whether all of an image is there; `None` if it cannot be read.
    fn is_complete(&self, manifest: &Descriptor) -> Option<bool> {
        let digest = manifest.digest().to_string().parse().ok()?;
        self.lease.protect([digest]).ok()?;
        let bytes = self.store.read_blob(&digest, DOCUMENT_MAX).ok()?;
        let document = Document::parse(&bytes, Some(manifest.media_type().as_ref())).ok()?;
        let Document::Manifest { config, layers, .. } = document else { return None };
        self.lease.protect(layers.iter().map(|layer| layer.digest).chain([config.digest])).ok()?;
        let bytes = self.store.read_blob(&config.digest, DOCUMENT_MAX).ok()?;
        let config = ImageConfig::parse(&bytes).ok()?;
        config.check(&self.wanted, layers.len()).ok()?;
        self.lease.protect(config.diff_ids.iter().copied()).ok()?;
        let blobs_there = layers.iter().all(|blob| self.store.has_blob_of(&blob.digest, blob.size));
        Some(blobs_there && config.diff_ids.iter().all(|diff_id| self.store.layer(diff_id).is_some()))
    }

    /// Asks the mirrors and the registry in turn until one knows the image.
    pub(super) async fn resolve(&self, local: Option<&super::resolve::Local>) -> Result<Found, Error> {
        let mut failures = Vec::new();
        for index in 0..self.sessions.len() {
            match self.resolve_at(index, local).await {
                Ok(found) => return Ok(found),
                Err(error) => failures.push(error),
            }
        }
        match failures.len() {
            1 => Err(failures.remove(0)),
            _ => Err(Error::Everywhere(failures)),
        }
    }

    async fn resolve_at(&self, index: usize, local: Option<&Local>) -> Result<Found, Error> {
        let session = &self.sessions[index];
        if let Some(local) = local
            && self.head(index).await? == Some(local.pulled)
        {
            self.resolved(local.pulled, Some(&session.endpoint.name));
            return Ok(Found::Local);
        }
        let top = self.document(index, self.reference.selector(), self.reference.digest()).await?;
        self.resolved(top.digest, Some(&session.endpoint.name));
        let pulled = top.digest;
        let (descriptor, manifest_bytes, config, layers) = self.manifest(index, top).await?;
        let config_bytes = self.config(index, &config).await?;
        let problem =
            |problem| self.problem(index, &format!("image configuration {}", config.digest), problem);
        let read = ImageConfig::parse(&config_bytes).map_err(problem)?;
        read.check(&self.wanted, layers.len()).map_err(problem)?;
        let layers = layers.into_iter().zip(read.diff_ids);
        let layers: Vec<_> = layers.map(|(blob, diff_id)| LayerPlan { blob, diff_id }).collect();
        self.lease.protect([descriptor.digest, config.digest])?;
        self.lease.protect(layers.iter().flat_map(|layer| [layer.blob.digest, layer.diff_id]))?;
        let image =
            Image { descriptor, manifest_bytes, config, config_bytes, layers, pulled, session: index };
        Ok(Found::Remote(Box::new(image)))
    }

    /// Goes from an index to the manifest of the wanted platform, if `fetched` is an index.
    async fn manifest(
        &self,
        index: usize,
        mut fetched: Fetched,
    ) -> Result<(Target, Vec<u8>, Target, Vec<Target>), Error> {
        let mut what = self.what();
        let mut announced = fetched.content_type.take();
        for _ in 0..DEPTH_MAX {
            let problem = |problem| self.problem(index, &what, problem);
            match Document::parse(&fetched.bytes, announced.as_deref()).map_err(problem)? {
                Document::Manifest { media_type, config, layers } => {
                    let size = fetched.bytes.len() as u64;
                    let target = Target { media_type, digest: fetched.digest, size, urls: Vec::new() };
                    return Ok((target, fetched.bytes, config, layers));
                }
                Document::Index(entries) => {
                    let target = choose(&entries, &self.wanted).map_err(problem)?;
                    fetched = self.entry(index, target).await?;
                    announced = Some(target.media_type.clone());
                    what = format!("manifest {}", target.digest);
                }
            }
        }
        Err(self.problem(index, &what, ManifestError::TooDeep(DEPTH_MAX)))
    }

    /// A document that an index names; from the store if it is there.
    async fn entry(&self, index: usize, target: &Target) -> Result<Fetched, Error> {
        self.check_size(index, &format!("manifest {}", target.digest), target)?;
        self.lease.protect([target.digest])?;
        if let Ok(bytes) = self.store.read_blob(&target.digest, DOCUMENT_MAX) {
            return Ok(Fetched { bytes, digest: target.digest, content_type: None });
        }
        let selector = target.digest.to_string();
        let fetched = self.document(index, &selector, Some(target.digest)).await?;
        self.same_size(index, &format!("manifest {selector}"), target, fetched.bytes.len())?;
        Ok(fetched)
    }

    /// The configuration; from the store if it is there.
    async fn config(&self, index: usize, target: &Target) -> Result<Vec<u8>, Error> {
        let what = format!("image configuration {}", target.digest);
        self.check_size(index, &what, target)?;
        self.lease.protect([target.digest])?;
        if let Ok(bytes) = self.store.read_blob(&target.digest, DOCUMENT_MAX) {
            return Ok(bytes);
        }
        let path = format!("blobs/{}", target.digest);
        let request = Request { method: &Method::GET, path: &path, accept: &[], from: 0, what: &what };
        let get = async || self.get(index, request, Some(target.digest)).await;
        let bytes = self.again(index).run(get).await?.bytes;
        self.same_size(index, &what, target, bytes.len())?;
        Ok(bytes)
    }

    /// Fetches a manifest or an index by tag or digest.
    async fn document(
        &self,
        index: usize,
        selector: &str,
        expected: Option<Digest>,
    ) -> Result<Fetched, Error> {
        let (path, what) = (format!("manifests/{selector}"), self.what());
        let request = Request { method: &Method::GET, path: &path, accept: &ACCEPTED, from: 0, what: &what };
        Ok(self.again(index).run(async || self.get(index, request, expected).await).await?)
    }

    async fn get(
        &self,
        index: usize,
        request: Request<'_>,
        expected: Option<Digest>,
    ) -> Result<Fetched, RequestError> {
        let session = &self.sessions[index];
        let response = session.send(request).await?;
        let fail = |fault| session.error(request.what, fault);
        let headers = response.headers().clone();
        let bytes = read_limited(response, DOCUMENT_MAX, session.http.timeouts.stall).await.map_err(fail)?;
        if looks_like_html(&bytes) {
            return Err(fail(Fault::Html));
        }
        let digest = Digest::of(&bytes);
        // What was asked for by tag is what the registry says it is.
        if let Some(expected) = expected.or(digest_header(&headers))
            && expected != digest
        {
            return Err(fail(Fault::WrongDigest { expected, actual: digest }));
        }
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Fetched { bytes, digest, content_type })
    }

    /// Which digest a tag points to, without fetching anything; `None` if the registry does not say so.
    async fn head(&self, index: usize) -> Result<Option<Digest>, Error> {
        let session: &Session = &self.sessions[index];
        let (path, what) = (format!("manifests/{}", self.reference.selector()), self.what());
        let request = Request { method: &Method::HEAD, path: &path, accept: &ACCEPTED, from: 0, what: &what };
        match self.again(index).run(async || session.send(request).await).await {
            Ok(response) => Ok(digest_header(response.headers())),
            // Some registries do not know HEAD.
            Err(error) => match error.fault {
                Fault::Status { status: StatusCode::METHOD_NOT_ALLOWED, .. } => Ok(None),
                _ => Err(error.into()),
            },
        }
    }

    /// Mirrors that have others behind them are not tried long, and nobody who cannot be reached.
    fn again(&self, index: usize) -> Again<'_> {
        let mut policy = self.options.access.retry;
        if index + 1 < self.sessions.len() {
            policy.tries = policy.tries.min(MIRROR_TRIES);
        }
        Again { policy, progress: self.progress, digest: None, unreachable_too: false }
    }

    fn check_size(&self, index: usize, what: &str, target: &Target) -> Result<(), Error> {
        match target.size > DOCUMENT_MAX {
            true => Err(self.sessions[index].error(what, Fault::TooLarge { limit: DOCUMENT_MAX }).into()),
            false => Ok(()),
        }
    }

    fn same_size(&self, index: usize, what: &str, target: &Target, actual: usize) -> Result<(), Error> {
        let (expected, actual) = (target.size, actual as u64);
        match expected == actual {
            true => Ok(()),
            false => Err(self.sessions[index].error(what, Fault::WrongSize { expected, actual }).into()),
        }
    }

    fn problem(&self, index: usize, what: &str, problem: ManifestError) -> Error {
        let registry = self.sessions[index].endpoint.name.clone();
        Error::Manifest { registry, what: what.to_owned(), problem }
    }

    /// The image in errors.
    fn what(&self) -> String {
        let separator = if self.reference.digest().is_some() { '@' } else { ':' };
        format!("image {}{separator}{}", self.reference.repository(), self.reference.selector())
    }
}

fn digest_header(headers: &HeaderMap) -> Option<Digest> {
    headers.get(DIGEST_HEADER)?.to_str().ok()?.parse().ok()
}
