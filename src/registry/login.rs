//! Logging in and out.

use std::sync::Arc;

use reqwest::Method;

use super::credentials::{Credential, Kept, Secret};
use super::endpoint::Endpoint;
use super::error::Error;
use super::http::{Http, Request, Session};
use super::pull::Access;

/// Shows user name and password to a registry, and keeps them if it takes them (distribution, "API Version Check").
/// Threads are used inside, and are gone when this returns.
///
/// # Errors
/// When the registry cannot be reached or refuses them, or they cannot be kept.
pub fn login(access: &Access, registry: &str, username: &str, password: &str) -> Result<Kept, Error> {
    let credential = Credential::Basic { username: username.to_owned(), password: Secret::new(password) };
    let mut shown = access.credentials.clone();
    shown.given = Some(credential.clone());
    let http = Arc::new(Http::new(access.registries.clone(), access.timeouts));
    let endpoint = Endpoint::registry(&access.registries, registry)?;
    let session = Session::new(http, endpoint, "", Arc::new(shown));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    let request = Request { method: &Method::GET, path: "", accept: &[], from: 0, what: "login" };
    runtime.block_on(session.send(request))?;
    Ok(access.credentials.keep(registry, &credential, username)?)
}

/// Forgets what was kept for a registry; tells whether there was anything.
///
/// # Errors
/// When the file cannot be changed or the credential helper fails.
pub fn logout(access: &Access, registry: &str) -> Result<bool, Error> {
    Ok(access.credentials.forget(registry)?)
}
