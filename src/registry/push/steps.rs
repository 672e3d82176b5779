//! The requests of which uploads are made.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lay_store::Digest;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::Push;
use super::content::Span;
use super::explain::explained;
use super::upload::{Begun, arrived, query};
use crate::registry::http::{Exchange, Payload, Place, RequestError, Stream};

/// A registry may move a large blob, or hash it, before it answers to the last request.
const LONG: Duration = Duration::from_secs(900);
/// What is said of any bytes.
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
const WHAT: &str = "upload";

impl Push<'_> {
    /// Begins an upload.
    pub(super) async fn begin(&self) -> Result<Begun, RequestError> {
        let response = self.post(None).await.map_err(|error| explained(error, true))?;
        self.after(&response, 0)
    }

    /// Asks the registry to take a blob from another of its repositories; gives the upload that it began if it does not.
    pub(super) async fn mount(&self, blob: &Digest, from: &str) -> Result<Option<Begun>, RequestError> {
        let query = query(&[("mount", &blob.to_string()), ("from", from)]);
        let response = self.post(Some(&query)).await?;
        if response.status() == StatusCode::CREATED { Ok(None) } else { self.after(&response, 0).map(Some) }
    }

    async fn post(&self, query: Option<&str>) -> Result<Response, RequestError> {
        let place = Place::Path { path: "blobs/uploads/", query };
        let payload = Payload::Bytes(Bytes::new());
        let (method, headers) = (&Method::POST, HeaderMap::new());
        let request = Exchange { method, place, headers, payload, patience: None, what: WHAT };
        self.session.exchange(&request).await
    }

    /// Sends a piece: which bytes it is, or all that come where that is not known.
    pub(super) async fn patch(
        &self,
        location: &Url,
        span: Option<(u64, u64)>,
        stream: &Stream,
    ) -> Result<Response, RequestError> {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, BYTES)]);
        if let Some((at, length)) = span {
            // Not as in RFC 9110: the specification of registries wants it without unit and size.
            let range = HeaderValue::from_str(&format!("{at}-{}", at + length - 1));
            headers.extend(range.map(|range| (CONTENT_RANGE, range)));
        }
        self.admitted(location).await?;
        let (method, place) = (&Method::PATCH, Place::At(location));
        let payload = Payload::Stream(stream.clone());
        let request = Exchange { method, place, headers, payload, patience: None, what: WHAT };
        self.session.exchange(&request).await.map_err(|error| explained(error, false))
    }

    /// Ends an upload with the digest of all, and with the rest of the bytes if there are any.
    pub(super) async fn finish(
        &self,
        location: &Url,
        digest: &Digest,
        rest: Option<&Stream>,
    ) -> Result<Response, RequestError> {
        let mut location = location.clone();
        location.query_pairs_mut().append_pair("digest", &digest.to_string());
        if rest.is_some() {
            self.admitted(&location).await?;
        }
        let payload = match rest {
            Some(stream) => Payload::Stream(stream.clone()),
            None => Payload::Bytes(Bytes::new()),
        };
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, BYTES)]);
        let (method, place, patience) = (&Method::PUT, Place::At(&location), Some(LONG));
        let what = format!("blob {digest}");
        let request = Exchange { method, place, headers, payload, patience, what: &what };
        self.session.exchange(&request).await.map_err(|error| explained(error, false))
    }

    /// Asks how far an upload has come.
    pub(super) async fn status(&self, location: &Url) -> Result<Begun, RequestError> {
        let (method, place) = (&Method::GET, Place::At(location));
        let (headers, payload) = (HeaderMap::new(), Payload::None);
        let request = Exchange { method, place, headers, payload, patience: None, what: WHAT };
        let response = self.session.exchange(&request).await.map_err(|error| explained(error, false))?;
        // Not every registry gives the address again.
        let location = self.session.location(&response).unwrap_or_else(|_| location.clone());
        Ok(Begun { location, at: Some(arrived(&response).unwrap_or(0)) })
    }

    /// Ends an upload that nobody needs; the registry does that by itself in time.
    pub(super) async fn cancel(&self, upload: Begun) {
        let (method, place) = (&Method::DELETE, Place::At(&upload.location));
        let (headers, payload) = (HeaderMap::new(), Payload::None);
        let request = Exchange { method, place, headers, payload, patience: None, what: WHAT };
        if let Err(error) = self.session.exchange(&request).await {
            tracing::debug!(%error, "an upload is not cancelled");
        }
    }

    /// Where an upload goes on after an answer; `sent` is what has arrived if the registry does not say.
    pub(super) fn after(&self, response: &Response, sent: u64) -> Result<Begun, RequestError> {
        let location = self.session.location(response).map_err(|fault| self.session.error(WHAT, fault))?;
        Ok(Begun { location, at: Some(arrived(response).unwrap_or(sent)) })
    }

    /// A part of a file.
    pub(super) fn stream(&self, file: &Arc<File>, from: u64, length: u64) -> Stream {
        Stream::new(Arc::new(Span { file: Arc::clone(file), from, length }))
    }

    /// Gets a new token, where the old one has run out, by a request without a body.
    async fn admitted(&self, location: &Url) -> Result<(), RequestError> {
        if !self.session.is_admitted().await {
            self.status(location).await?;
        }
        Ok(())
    }
}
