//! The HTTP side: clients, redirections, authentication, and bodies of bounded size.

mod body;
mod challenge;
mod failure;
mod payload;
mod resolve;
mod session;
mod token;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, LOCATION};
use reqwest::{Client, Method, Response, redirect};
use url::Url;

use super::config::{Registries, is_loopback_url};
pub(super) use body::{is_html, looks_like_html, read_json_body, read_limited};
pub(super) use failure::error_of;
pub use failure::{Cause, Fault, RequestError};
pub(super) use payload::{Content, Payload, Stream};
pub use resolve::ResolveError;
pub(super) use session::{Exchange, Place, Request, Session};

/// How long the parts of a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands, TLS included.
    pub connect: Duration,
    /// Until the answer begins.
    pub answer: Duration,
    /// Between two pieces of a body.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            answer: Duration::from_secs(60),
            stall: Duration::from_secs(30),
        }
    }
}

/// No real registry sends one on further than this.
const MAX_REDIRECTS: usize = 10;

/// One request, before it is known whether it needs credentials.
pub(super) struct Outgoing {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    /// What is sent with it.
    pub payload: Payload,
    /// How long the answer may take, where that is not the usual time.
    pub patience: Option<Duration>,
}

/// The HTTP clients of one pull. They are made when first needed: one that can speak TLS reads the system's
/// certificates, which takes 3 ms, and a local registry needs none.
pub(super) struct Http {
    registries: Registries,
    pub timeouts: Timeouts,
    clients: Mutex<HashMap<ClientKey, Client>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct ClientKey {
    tls: bool,
    loopback: bool,
    ca_file: Option<PathBuf>,
}

impl Http {
    pub fn new(registries: Registries, timeouts: Timeouts) -> Self {
        Self { registries, timeouts, clients: Mutex::default() }
    }

    /// Whether the configuration or the address allows speaking to the host of `url` without TLS.
    pub fn allows_plain(&self, url: &Url) -> bool {
        let entry = self.registries.get(url.authority());
        entry.and_then(|entry| entry.plain_http).unwrap_or_else(|| is_loopback_url(url))
    }

    /// Sends a request and follows redirections. `Authorization` goes to the first host only.
    pub async fn send(&self, mut out: Outgoing) -> Result<Response, Fault> {
        for _ in 0..MAX_REDIRECTS {
            let response = self.send_once(&out).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let next = self.redirection(&out.url, &response)?;
            if !out.payload.may_follow(response.status(), &out.url, &next) {
                return Err(Fault::Redirect(format!("'{next}'")));
            }
            if next.origin() != out.url.origin() {
                out.headers.remove(AUTHORIZATION);
            }
            out.url = next;
        }
        Err(Fault::Redirect(format!("more than {MAX_REDIRECTS} places")))
    }

    async fn send_once(&self, out: &Outgoing) -> Result<Response, Fault> {
        let client = self.client(&out.url)?;
        let request = client.request(out.method.clone(), out.url.clone()).headers(out.headers.clone());
        let request = out.payload.attach(request).map_err(Fault::Content)?;
        let patience = out.patience.unwrap_or(self.timeouts.answer);
        let sent = out.payload.watch(request.send(), patience, self.timeouts.stall).await?;
        sent.map_err(|error| Fault::of(error, self.timeouts.connect))
    }

    fn redirection(&self, from: &Url, response: &Response) -> Result<Url, Fault> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| Fault::Redirect("nowhere".to_owned()))?;
        let next = from.join(location).map_err(|_| Fault::Redirect(format!("'{location}'")))?;
        let safe = match next.scheme() {
            "https" => true,
            "http" => from.scheme() == "http" || self.allows_plain(&next),
            _ => false,
        };
        if safe { Ok(next) } else { Err(Fault::Redirect(format!("'{location}'"))) }
    }

    fn client(&self, url: &Url) -> Result<Client, Fault> {
        let tls = url.scheme() == "https";
        let entry = self.registries.get(url.authority());
        let ca_file = entry.filter(|_| tls).and_then(|entry| entry.ca_file.clone());
        let key = ClientKey { tls, loopback: is_loopback_url(url), ca_file };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = self.build(&key)?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn build(&self, key: &ClientKey) -> Result<Client, Fault> {
        install_provider();
        let mut builder = Client::builder()
            .user_agent(concat!("lay/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            // One connection a blob: several windows grow at once, and none waits for another.
            .http1_only()
            .retry(reqwest::retry::never())
            .connect_timeout(self.timeouts.connect)
            .dns_resolver(resolve::SystemResolver);
        if key.loopback {
            builder = builder.no_proxy();
        }
        if !key.tls && (key.loopback || !proxy_in_environment()) {
            builder = builder.tls_certs_only([]);
        }
        if let Some(path) = &key.ca_file {
            builder = builder.tls_certs_merge(certificates(path)?);
        }
        builder.build().map_err(|error| Fault::Tls(Cause::of(&error)))
    }
}

/// A proxy may itself be reached by TLS; then even a plain request needs the system's certificates.
fn proxy_in_environment() -> bool {
    ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].iter().any(|name| std::env::var_os(name).is_some())
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, Fault> {
    let refuse = |reason: String| Fault::CaFile { path: path.display().to_string(), reason };
    let pem = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| refuse(e.to_string()))?;
    if certificates.is_empty() { Err(refuse("it holds no certificate".to_owned())) } else { Ok(certificates) }
}

/// Names the cryptography that rustls uses; without it the first TLS client would panic.
fn install_provider() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Fails only where somebody else named one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
