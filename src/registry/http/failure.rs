//! What can go wrong between here and a registry, in words that say what to do.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use lay_store::Digest;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use super::body::is_html;
use super::resolve::ResolveError;
use crate::registry::credentials::CredentialError;
use crate::registry::retry::retry_after;

/// A request to a registry that failed.
#[derive(Debug, thiserror::Error)]
pub struct RequestError {
    /// The host and port that was asked.
    pub registry: String,
    /// What was asked for, such as `image library/centos:7` or `blob sha256:…`.
    pub what: String,
    /// What went wrong.
    #[source]
    pub fault: Fault,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault.is_about_connection() || self.what.is_empty() {
            true => write!(f, "registry {}", self.registry),
            false => write!(f, "registry {}, {}", self.registry, self.what),
        }
    }
}

/// What went wrong with a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody listens there.
    #[error("the connection was refused (is it running?)")]
    Refused,
    /// The name has no address.
    #[error("the host name cannot be resolved")]
    UnknownHost(#[source] ResolveError),
    /// No encrypted connection could be made.
    #[error("TLS failed: {0}")]
    Tls(Cause),
    /// Nothing came for that long.
    #[error("no answer for {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// The connection could not be made or broke.
    #[error("the connection broke: {0}")]
    Broken(Cause),
    /// The body ended early without an error.
    #[error("the data ended after {actual} of {expected} bytes")]
    Truncated {
        /// The size from the manifest, in bytes.
        expected: u64,
        /// What came, in bytes.
        actual: u64,
    },
    /// A body is or says it is of another size than the manifest says.
    #[error("{actual} bytes or more came where the manifest says {expected}")]
    WrongSize {
        /// The size from the manifest, in bytes.
        expected: u64,
        /// What came or was announced, in bytes.
        actual: u64,
    },
    /// The content is not what was asked for.
    #[error("the content has the digest {actual} and not {expected}")]
    WrongDigest {
        /// What was asked for.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// A document is larger than any real one.
    #[error("the answer is larger than {} MiB", limit >> 20)]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// HTTP 404.
    #[error("not found{}", Detail(.0))]
    NotFound(String),
    /// HTTP 401 or 403 without credentials. Docker Hub answers so for what does not exist, too.
    #[error("access denied: it does not exist or needs 'lay login'{}", Detail(.0))]
    LoginNeeded(String),
    /// HTTP 401 or 403 in spite of credentials.
    #[error("access denied to the user who is logged in{}", Detail(.0))]
    Denied(String),
    /// HTTP 429.
    #[error("too many requests{}{}", Wait(wait), Detail(detail))]
    TooManyRequests {
        /// What the registry asks to wait.
        wait: Option<Duration>,
        /// What the registry says about it.
        detail: String,
    },
    /// Any other answer than success.
    #[error("the registry answered {status}{}", Detail(detail))]
    Status {
        /// The HTTP status.
        status: StatusCode,
        /// The registry's code for it (distribution spec, "Error Codes"); may be empty.
        code: String,
        /// What the registry asks to wait.
        wait: Option<Duration>,
        /// What the registry says about it.
        detail: String,
    },
    /// HTTP 401 or 403 to a push without credentials.
    #[error(
        "it takes images only from users that it knows: log in with 'lay login {registry}'{}",
        Detail(detail)
    )]
    LoginToPush {
        /// The registry, as it is logged in to.
        registry: String,
        /// What the registry says about it.
        detail: String,
    },
    /// HTTP 401 or 403 to a push in spite of credentials.
    #[error("the user who is logged in may not push there{}", Detail(.0))]
    MayNotPush(String),
    /// HTTP 404 to the first step of a push.
    #[error("it has no such repository and makes none by itself{}", Detail(.0))]
    NoRepository(String),
    /// The tag is there and must stay what it is.
    #[error("the tag is there and may not be moved: push under another one{}", Detail(.0))]
    Immutable(String),
    /// The registry counts another digest than we do.
    #[error("what arrived there has another digest; 'lay check' tells whether the store is damaged{}", Detail(.0))]
    Arrived(String),
    /// What is to be sent cannot be read.
    #[error("what is to be sent cannot be read")]
    Content(#[source] io::Error),
    /// A web page came instead of data.
    #[error("a web page came instead of data (is this a registry? is there a login page in between?)")]
    Html,
    /// The answer is no JSON of the expected shape.
    #[error("the answer cannot be understood")]
    Json(#[source] serde_json::Error),
    /// A continuation began elsewhere than asked for.
    #[error("the continuation from byte {wanted} came with the range '{range}'")]
    Range {
        /// Where it should begin.
        wanted: u64,
        /// The header `Content-Range`.
        range: String,
    },
    /// What came cannot be written.
    #[error("the data cannot be written")]
    Disk(#[source] io::Error),
    /// A redirection that is not followed.
    #[error("redirected to {0}, which is not followed")]
    Redirect(String),
    /// The registry asks for credentials in no known way.
    #[error("it asks for authentication in no known way: {0}")]
    Challenge(String),
    /// The credentials for the registry cannot be had.
    #[error("its credentials cannot be had")]
    Credential(#[source] CredentialError),
    /// Certificates for this registry cannot be used.
    #[error("the certificates in {path} cannot be used: {reason}")]
    CaFile {
        /// The configured file.
        path: String,
        /// Why.
        reason: String,
    },
}

impl Fault {
    /// Whether the same request may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Broken(_) | Self::Truncated { .. } | Self::TooManyRequests { .. } => {
                true
            }
            Self::Status { status, .. } => matches!(status.as_u16(), 408 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Whether nobody could be reached at all: passing in the middle of a pull, final at its beginning.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Refused | Self::UnknownHost(_))
    }

    /// What the registry asks to wait before the next try.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests { wait, .. } | Self::Status { wait, .. } => *wait,
            _ => None,
        }
    }

    fn is_about_connection(&self) -> bool {
        self.is_unreachable() || matches!(self, Self::Tls(_) | Self::Timeout(_) | Self::CaFile { .. })
    }

    /// Reads what the HTTP client says. `patience` is what a timeout of its own means.
    pub(crate) fn of(error: reqwest::Error, patience: Duration) -> Self {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(this) = cause {
            if let Some(unknown) = this.downcast_ref::<ResolveError>() {
                return Self::UnknownHost(unknown.clone());
            }
            if let Some(io) = this.downcast_ref::<io::Error>() {
                if io.kind() == io::ErrorKind::ConnectionRefused {
                    return Self::Refused;
                }
                // An io::Error skips what it wraps in its own chain of sources.
                let wrapped = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
                if wrapped.is_some() {
                    return Self::Tls(Cause::of(&error));
                }
            }
            if this.is::<rustls::Error>() {
                return Self::Tls(Cause::of(&error));
            }
            cause = this.source();
        }
        if error.is_timeout() { Self::Timeout(patience) } else { Self::Broken(Cause::of(&error)) }
    }
}

/// The innermost reason of an error of the HTTP client, whose outer layers say nothing to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause(String);

impl Cause {
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        let text = innermost.to_string();
        if text.contains("InvalidContentType") {
            return Self("it does not speak TLS (plain_http in the configuration allows that)".to_owned());
        }
        Self(text)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The body of a refusal (distribution spec, "Error Codes").
#[derive(Deserialize)]
struct Envelope {
    errors: Vec<Said>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    code: String,
    message: String,
    detail: Value,
}

impl Said {
    /// The first error of a refusal's body; an empty one if it has none.
    fn first(body: &[u8]) -> Self {
        let envelope = serde_json::from_slice::<Envelope>(body).ok();
        envelope.and_then(|envelope| envelope.errors.into_iter().next()).unwrap_or_default()
    }

    /// In words. Where the message says nothing, as when a disk is full, the detail may. Control characters do not get
    /// through to the terminal.
    fn words(&self) -> String {
        let mut text = if self.message.is_empty() { self.code.clone() } else { self.message.clone() };
        if self.code == "UNKNOWN" && !self.detail.is_null() {
            text = format!("{text}: {}", self.detail);
        }
        text.chars().filter(|c| !c.is_control()).take(300).collect()
    }
}

/// What a registry says about its refusal, else nothing.
pub(crate) fn detail(body: &[u8]) -> String {
    Said::first(body).words()
}

/// What an answer other than success means. `known` tells whether credentials were shown.
pub(crate) fn error_of(status: StatusCode, headers: &HeaderMap, body: &[u8], known: bool) -> Fault {
    let said = Said::first(body);
    let detail = said.words();
    let wait = retry_after(headers, SystemTime::now());
    match status.as_u16() {
        401 | 403 if known => Fault::Denied(detail),
        401 | 403 => Fault::LoginNeeded(detail),
        // A page for people says that this is no registry, or not this address of it.
        404 if is_html(headers) => Fault::Html,
        404 => Fault::NotFound(detail),
        429 => Fault::TooManyRequests { wait, detail },
        _ => Fault::Status { status, code: said.code, wait, detail },
    }
}

/// ` (what the registry said)`, or nothing.
struct Detail<'a>(&'a str);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " ({})", self.0) }
    }
}

/// `, try again in 5 s`, or nothing.
struct Wait<'a>(&'a Option<Duration>);

impl fmt::Display for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(wait) => write!(f, ", try again in {} s", wait.as_secs()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_the_registry_said() {
        let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown\u001b[2J"}]}"#;
        assert_eq!(detail(body), "manifest unknown[2J");
        assert_eq!(detail(br#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#), "NAME_UNKNOWN");
        let full = br#"{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"Err":28}}]}"#;
        assert_eq!(detail(full), r#"unknown error: {"Err":28}"#);
        assert_eq!(detail(br#"{"errors":[{"code":"OF_ITS_OWN","message":"no"}]}"#), "no");
        assert_eq!(detail(b"<html>"), "");
        assert_eq!(detail(br#"{"errors":[]}"#), "");
        assert_eq!(Fault::NotFound(detail(body)).to_string(), "not found (manifest unknown[2J)");
    }

    #[test]
    fn only_passing_faults_are_worth_a_second_try() {
        let status = |code| Fault::Status {
            status: StatusCode::from_u16(code).unwrap(),
            code: String::new(),
            wait: None,
            detail: String::new(),
        };
        for code in [408, 500, 502, 503, 504] {
            assert!(status(code).is_transient(), "{code}");
        }
        for code in [400, 405, 418, 501, 505] {
            assert!(!status(code).is_transient(), "{code}");
        }
        assert!(Fault::TooManyRequests { wait: None, detail: String::new() }.is_transient());
        assert!(!Fault::NotFound(String::new()).is_transient());
        assert!(!Fault::LoginNeeded(String::new()).is_transient());
        assert!(!Fault::Denied(String::new()).is_transient());
    }
}
