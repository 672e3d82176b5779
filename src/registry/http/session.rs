//! Requests to one endpoint about one repository, with whatever authentication it asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, InvalidHeaderValue, LOCATION, RANGE,
};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::Mutex;
use url::Url;

use super::challenge::{self, Challenge};
use super::failure::error_of;
use super::token::{self, TokenRequest, sensitive};
use super::{Fault, Http, Outgoing, Payload, RequestError, read_limited};
use crate::registry::credentials::{Credential, Credentials};
use crate::registry::endpoint::Endpoint;

/// More of an error's body than this is not read, in bytes.
const ERROR_MAX: u64 = 64 << 10;

/// One endpoint, one repository (or none, for `/v2/` itself), and what it knows about us.
pub struct Session {
    pub http: Arc<Http>,
    pub endpoint: Endpoint,
    /// The repository as this endpoint calls it; empty for a login.
    pub repository: String,
    credentials: Arc<Credentials>,
    /// What tokens must allow beside what the registry names; for a push, that is.
    scopes: Vec<String>,
    /// Set when an endpoint of which nobody said so turned out to speak TLS.
    speaks_tls: AtomicBool,
    auth: Mutex<Auth>,
}

/// What is shown with each request.
#[derive(Default)]
struct Auth {
    header: Option<HeaderValue>,
    expires: Option<Instant>,
    /// Whether credentials stand behind the header.
    known: bool,
    /// Looked up once, when first asked for.
    credential: Option<Option<Credential>>,
}

/// One request of a session.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a Method,
    /// What follows `/v2/<repository>/`, or `/v2/` where there is no repository.
    pub path: &'a str,
    /// The media types that are understood.
    pub accept: &'a [&'a str],
    /// The first byte that is wanted, if not all are.
    pub from: u64,
    /// For errors.
    pub what: &'a str,
}

/// A request of any kind.
pub struct Exchange<'a> {
    pub method: &'a Method,
    pub place: Place<'a>,
    pub headers: HeaderMap,
    pub payload: Payload,
    /// How long the answer may take, where that is not the usual time.
    pub patience: Option<Duration>,
    /// For errors.
    pub what: &'a str,
}

/// Where a request goes.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// To `/v2/<repository>/<path>?<query>`.
    Path { path: &'a str, query: Option<&'a str> },
    /// To where the registry said. If that is another host, it sees no credentials.
    At(&'a Url),
}

impl Exchange<'_> {
    fn outgoing(&self, url: Url, shown: Option<&HeaderValue>) -> Outgoing {
        let mut headers = self.headers.clone();
        if let Some(value) = shown {
            headers.insert(AUTHORIZATION, value.clone());
        }
        let (method, payload) = (self.method.clone(), self.payload.clone());
        Outgoing { method, url, headers, payload, patience: self.patience }
    }
}

impl Session {
    /// A session that has not asked anything yet.
    pub fn new(http: Arc<Http>, endpoint: Endpoint, repository: &str, credentials: Arc<Credentials>) -> Self {
        let repository = if repository.is_empty() { String::new() } else { endpoint.repository(repository) };
        let (speaks_tls, auth) = (AtomicBool::new(false), Mutex::default());
        Self { http, endpoint, repository, credentials, scopes: Vec::new(), speaks_tls, auth }
    }

    /// The same session, whose tokens allow pushing to its repository and pulling from others of the same registry
    /// (distribution, "Token Scope Documentation").
    pub fn for_push<'a>(mut self, others: impl IntoIterator<Item = &'a str>) -> Self {
        self.scopes.push(format!("repository:{}:pull,push", self.repository));
        self.scopes.extend(others.into_iter().map(|name| format!("repository:{name}:pull")));
        self
    }

    /// Names this endpoint in an error.
    pub fn error(&self, what: &str, fault: Fault) -> RequestError {
        RequestError { registry: self.endpoint.name.clone(), what: what.to_owned(), fault }
    }

    /// Sends a request without a body; any answer but success is an error.
    pub async fn send(&self, request: Request<'_>) -> Result<Response, RequestError> {
        let Request { method, path, what, .. } = request;
        let headers = headers(request).map_err(|_| self.error(what, Fault::Challenge(path.to_owned())))?;
        let place = Place::Path { path, query: None };
        self.exchange(&Exchange { method, place, headers, payload: Payload::None, patience: None, what })
            .await
    }

    /// Sends a request of any kind; any answer but success is an error.
    pub async fn exchange(&self, request: &Exchange<'_>) -> Result<Response, RequestError> {
        match self.send_by(request, self.base()).await {
            Err(error)
                if self.should_try_tls(&error.fault) && matches!(request.place, Place::Path { .. }) =>
            {
                let mut base = self.endpoint.base.clone();
                // A URL with a host takes any scheme of the web.
                let _ = base.set_scheme("https");
                let Ok(response) = self.send_by(request, base).await else { return Err(error) };
                self.speaks_tls.store(true, Ordering::Relaxed);
                Ok(response)
            }
            result => result,
        }
    }

    fn base(&self) -> Url {
        let mut base = self.endpoint.base.clone();
        if self.speaks_tls.load(Ordering::Relaxed) {
            let _ = base.set_scheme("https");
        }
        base
    }

    /// Servers that speak TLS answer a plain request with 400 and a hint, or break the connection.
    fn should_try_tls(&self, fault: &Fault) -> bool {
        let hint = match fault {
            Fault::Status { status, .. } => *status == StatusCode::BAD_REQUEST,
            Fault::Broken(_) => true,
            _ => false,
        };
        hint && self.endpoint.may_speak_tls && !self.speaks_tls.load(Ordering::Relaxed)
    }

    async fn send_by(&self, request: &Exchange<'_>, base: Url) -> Result<Response, RequestError> {
        let fail = |fault| self.error(request.what, fault);
        let url = self.url(request.place, &base);
        // What the registry sends to another host is none of that host's business.
        let own = url.origin() == base.origin();
        let mut shown = self.current().await.filter(|_| own);
        for attempt in 0.. {
            let out = request.outgoing(url.clone(), shown.as_ref());
            let response = self.http.send(out).await.map_err(fail)?;
            if response.status().is_success() {
                return Ok(response);
            }
            let own = response.url().origin() == base.origin();
            if response.status() == StatusCode::UNAUTHORIZED && own && attempt == 0 {
                let challenge = challenge::parse(response.headers());
                let refusal = self.refusal(response, own, shown.is_some()).await;
                let Ok(challenge) = challenge else { return Err(fail(refusal)) };
                shown = self.answer(&challenge, shown, &base, refusal, request.what).await?;
                continue;
            }
            let known = shown.is_some() && self.auth.lock().await.known;
            return Err(fail(self.refusal(response, own, known).await));
        }
        unreachable!("the second attempt returns")
    }

    /// What is to be shown now; nothing if it has run out.
    async fn current(&self) -> Option<HeaderValue> {
        let auth = self.auth.lock().await;
        let good = auth.expires.is_none_or(|expires| Instant::now() < expires);
        auth.header.clone().filter(|_| good)
    }

    /// Whether requests can go out as things stand. A large body is sent only then: a refusal would come in its middle.
    pub async fn is_admitted(&self) -> bool {
        let auth = self.auth.lock().await;
        auth.expires.is_none_or(|expires| Instant::now() < expires)
    }

    fn url(&self, place: Place<'_>, base: &Url) -> Url {
        let (path, query) = match place {
            Place::At(url) => return url.clone(),
            Place::Path { path, query } => (path, query),
        };
        let mut url = base.clone();
        match self.repository.is_empty() {
            true => url.set_path(&format!("/v2/{path}")),
            false => url.set_path(&format!("/v2/{}/{path}", self.repository)),
        }
        url.set_query(query);
        url
    }

    /// The address that a registry gives in `Location`, and which may be relative. A registry behind a proxy does not always
    /// know that it speaks TLS: its own address keeps the scheme by which it was reached.
    pub fn location(&self, response: &Response) -> Result<Url, Fault> {
        let (from, base) = (response.url(), self.base());
        let header = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let text = header.ok_or_else(|| Fault::Redirect("nowhere".to_owned()))?;
        let mut url = from.join(text).map_err(|_| Fault::Redirect(format!("'{text}'")))?;
        if url.host() == base.host() && url.scheme() == "http" && base.scheme() == "https" {
            let port = url.port().or(base.port());
            let _ = url.set_scheme("https");
            let _ = url.set_port(port);
        }
        let safe = match url.scheme() {
            "https" => true,
            "http" => base.scheme() == "http" || self.http.allows_plain(&url),
            _ => false,
        };
        if safe { Ok(url) } else { Err(Fault::Redirect(format!("'{text}'"))) }
    }

    async fn refusal(&self, response: Response, own: bool, known: bool) -> Fault {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_limited(response, ERROR_MAX, self.http.timeouts.stall).await.unwrap_or_default();
        match error_of(status, &headers, &body, known) {
            // Another host's refusal says nothing about who is logged in here.
            Fault::Denied(detail) | Fault::LoginNeeded(detail) if !own => {
                Fault::Status { status, code: String::new(), wait: None, detail }
            }
            fault => fault,
        }
    }

    /// Finds out what answers `challenge`. `rejected` is what was shown before, if anything was;
    /// `refusal` what the registry said to it.
    async fn answer(
        &self,
        challenge: &Challenge,
        rejected: Option<HeaderValue>,
        base: &Url,
        refusal: Fault,
        what: &str,
    ) -> Result<Option<HeaderValue>, RequestError> {
        let mut auth = self.auth.lock().await;
        if auth.header.is_some() && auth.header != rejected {
            // Another request of this session was faster.
            return Ok(auth.header.clone());
        }
        let fail = |fault| self.error(what, fault);
        let credential = self.credential(&mut auth).await.map_err(fail)?;
        match (challenge, credential) {
            (_, Some(Credential::Registry(token))) => {
                auth.header = Some(sensitive(&format!("Bearer {}", token.expose())).map_err(fail)?);
                auth.known = true;
            }
            (Challenge::Basic, credential) => {
                let header = credential.as_ref().and_then(Credential::basic_header);
                auth.header = Some(header.ok_or_else(|| fail(refusal))?);
                auth.known = true;
            }
            (Challenge::Bearer { realm, service, scope }, credential) => {
                let realm = self.realm(realm, base).map_err(fail)?;
                let scope = self.scope(scope.as_deref());
                let wanted = TokenRequest {
                    realm: &realm,
                    service: service.as_deref(),
                    scope: scope.as_deref(),
                    credential: credential.as_ref(),
                };
                let token = token::fetch(&self.http, &wanted).await;
                let token = token.map_err(|fault| self.token_error(&realm, what, fault))?;
                auth.known = credential.is_some();
                (auth.header, auth.expires) = (Some(token.header), Some(token.expires));
            }
        }
        Ok(auth.header.clone())
    }

    /// What a token must allow: what the registry names, or reading this repository; for a push, what that takes and
    /// whatever else the registry names.
    fn scope(&self, named: Option<&str>) -> Option<String> {
        if self.scopes.is_empty() {
            let own =
                || (!self.repository.is_empty()).then(|| format!("repository:{}:pull", self.repository));
            return named.map(str::to_owned).or_else(own);
        }
        let resource = |scope: &str| scope.rsplit_once(':').map(|(resource, _)| resource.to_owned());
        let known = |scope: &&str| self.scopes.iter().any(|own| resource(own) == resource(scope));
        let others = named.into_iter().flat_map(str::split_whitespace).filter(|scope| !known(scope));
        Some(self.scopes.iter().map(String::as_str).chain(others).collect::<Vec<_>>().join(" "))
    }

    /// Faults of access are the registry's, all others those of the token server.
    fn token_error(&self, realm: &Url, what: &str, fault: Fault) -> RequestError {
        match fault {
            Fault::Denied(_) | Fault::LoginNeeded(_) => self.error(what, fault),
            fault => RequestError {
                registry: realm.authority().to_owned(),
                what: format!("a token for {what}"),
                fault,
            },
        }
    }

    async fn credential(&self, auth: &mut Auth) -> Result<Option<Credential>, Fault> {
        if auth.credential.is_none() {
            let (credentials, name) = (Arc::clone(&self.credentials), self.endpoint.name.clone());
            let repository = self.repository.clone();
            // A credential helper may take its time.
            let found = tokio::task::spawn_blocking(move || credentials.find(&name, &repository)).await;
            let found = found.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
            auth.credential = Some(found.map_err(Fault::Credential)?);
        }
        Ok(auth.credential.clone().flatten())
    }

    /// The token server's address. Credentials for a registry that speaks TLS go nowhere without it.
    fn realm(&self, realm: &str, base: &Url) -> Result<Url, Fault> {
        let url = base.join(realm).map_err(|_| Fault::Challenge(format!("realm '{realm}'")))?;
        let safe = match url.scheme() {
            "https" => true,
            "http" => base.scheme() == "http" || self.http.allows_plain(&url),
            _ => false,
        };
        if safe { Ok(url) } else { Err(Fault::Challenge(format!("realm '{realm}' without TLS"))) }
    }
}

fn headers(request: Request<'_>) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut headers = HeaderMap::new();
    if !request.accept.is_empty() {
        headers.insert(ACCEPT, HeaderValue::from_str(&request.accept.join(", "))?);
    }
    // What arrives is hashed, so it must arrive as it was pushed.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if request.from > 0 {
        headers.insert(RANGE, HeaderValue::from_str(&format!("bytes={}-", request.from))?);
    }
    Ok(headers)
}
