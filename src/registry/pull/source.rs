//! Where the bytes of a blob come from: an endpoint, or a URL that the manifest names.

use std::sync::Arc;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use crate::registry::http::{
    Fault, Http, Outgoing, Payload, Request, RequestError, Session, error_of, is_html,
};
use crate::registry::manifest::Target;

/// A place that may have a blob.
pub(super) enum Source<'a> {
    /// An endpoint of the image's registry.
    Session(&'a Session),
    /// A URL from the manifest. It belongs to somebody else and never sees our credentials
    /// (CVE-2020-15157).
    Foreign(Arc<Http>, Url),
}

/// An answer that is a blob or the rest of one.
pub(super) struct Opened {
    pub response: Response,
    /// How many bytes at its beginning are there already.
    pub skip: u64,
}

impl<'a> Source<'a> {
    /// The URLs of a blob that may be asked: those with TLS, or where plain HTTP is allowed.
    pub fn foreign(blob: &Target, http: &Arc<Http>) -> Vec<Source<'a>> {
        let urls = blob.urls.iter().filter_map(|text| Url::parse(text).ok());
        let urls =
            urls.filter(|url| url.scheme() == "https" || (url.scheme() == "http" && http.allows_plain(url)));
        urls.map(|url| Source::Foreign(Arc::clone(http), url)).collect()
    }

    /// The HTTP side of this source.
    pub fn http(&self) -> &Http {
        match self {
            Self::Session(session) => &session.http,
            Self::Foreign(http, _) => http,
        }
    }

    /// Names this source in an error.
    pub fn error(&self, blob: &Target, fault: Fault) -> RequestError {
        let what = format!("blob {}", blob.digest);
        match self {
            Self::Session(session) => session.error(&what, fault),
            Self::Foreign(_, url) => RequestError { registry: url.authority().to_owned(), what, fault },
        }
    }

    /// Asks for a blob from byte `from` on. A registry that knows no ranges gives all of it.
    pub async fn open(&self, blob: &Target, from: u64) -> Result<Opened, RequestError> {
        match self.open_at(blob, from, from).await {
            // The range is not to its liking, or it gave another one: then all of it.
            Err(error) if from > 0 && is_about_range(&error.fault) => self.open_at(blob, 0, from).await,
            opened => opened,
        }
    }

    async fn open_at(&self, blob: &Target, from: u64, have: u64) -> Result<Opened, RequestError> {
        let response = self.send(blob, from).await?;
        let fail = |fault| self.error(blob, fault);
        if is_html(response.headers()) {
            return Err(fail(Fault::Html));
        }
        let continued = response.status() == StatusCode::PARTIAL_CONTENT;
        if continued {
            check_range(response.headers(), from, blob.size).map_err(fail)?;
        }
        let begins = if continued { from } else { 0 };
        if let Some(announced) = response.content_length()
            && begins.saturating_add(announced) != blob.size
        {
            return Err(fail(Fault::WrongSize { expected: blob.size, actual: begins + announced }));
        }
        Ok(Opened { response, skip: have - begins })
    }

    async fn send(&self, blob: &Target, from: u64) -> Result<Response, RequestError> {
        match self {
            Self::Session(session) => {
                let (path, what) = (format!("blobs/{}", blob.digest), format!("blob {}", blob.digest));
                session
                    .send(Request { method: &Method::GET, path: &path, accept: &[], from, what: &what })
                    .await
            }
            Self::Foreign(http, url) => {
                let mut headers = HeaderMap::new();
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
                if from > 0 {
                    headers.extend(HeaderValue::from_str(&format!("bytes={from}-")).map(|v| (RANGE, v)));
                }
                let (method, url) = (Method::GET, url.clone());
                let out = Outgoing { method, url, headers, payload: Payload::None, patience: None };
                let response = http.send(out).await.map_err(|fault| self.error(blob, fault))?;
                match response.status().is_success() {
                    true => Ok(response),
                    false => {
                        Err(self.error(blob, error_of(response.status(), response.headers(), b"", false)))
                    }
                }
            }
        }
    }
}

fn is_about_range(fault: &Fault) -> bool {
    match fault {
        Fault::Range { .. } => true,
        Fault::Status { status, .. } => *status == StatusCode::RANGE_NOT_SATISFIABLE,
        _ => false,
    }
}

/// Checks that a continuation begins where it should and belongs to a blob of the right size
/// (RFC 9110 section 14.4).
fn check_range(headers: &HeaderMap, from: u64, size: u64) -> Result<(), Fault> {
    let text = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parsed = text.trim().strip_prefix("bytes ").and_then(|range| {
        let (span, total) = range.split_once('/')?;
        let (first, last) = span.split_once('-')?;
        let total = if total == "*" { Some(size) } else { total.parse().ok() };
        Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?, total?))
    });
    match parsed {
        Some((first, last, total)) if first == from && total == size && last.checked_add(1) == Some(size) => {
            Ok(())
        }
        _ => Err(Fault::Range { wanted: from, range: text.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continuation_must_fit_exactly() {
        let check = |range: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, range.parse().unwrap());
            check_range(&headers, 100, 1000).is_ok()
        };
        assert!(check("bytes 100-999/1000"));
        assert!(check("bytes 100-999/*"));
        for wrong in [
            "bytes 99-999/1000",
            "bytes 100-998/1000",
            "bytes 100-1099/1100",
            "bytes 0-999/1000",
            "bytes 100-999/",
            "bytes */1000",
            "items 100-999/1000",
            "bytes 100-18446744073709551615/1000",
            "",
        ] {
            assert!(!check(wrong), "{wrong}");
        }
        assert!(check_range(&HeaderMap::new(), 100, 1000).is_err());
    }
}
