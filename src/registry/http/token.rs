//! Tokens for a registry (distribution, "Token Authentication" and "OAuth2 Token Authentication").

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

use super::failure::{detail, error_of};
use super::{Fault, Http, Outgoing, Payload, read_json_body, read_limited};
use crate::registry::credentials::Credential;

/// Larger than any token server's answer, in bytes.
const ANSWER_MAX: u64 = 1 << 20;
/// How long a token is good for where the answer does not say, in seconds, as the specification has it.
const DEFAULT_LIFE: u64 = 60;
/// The name under which tokens are asked for.
const CLIENT_ID: &str = "lay";

/// What a token is wanted for.
pub struct TokenRequest<'a> {
    pub realm: &'a Url,
    pub service: Option<&'a str>,
    pub scope: Option<&'a str>,
    pub credential: Option<&'a Credential>,
}

/// A token and for how long it is good.
pub struct Token {
    pub header: HeaderValue,
    pub expires: Instant,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Gets a token.
pub async fn fetch(http: &Http, wanted: &TokenRequest<'_>) -> Result<Token, Fault> {
    let out = match wanted.credential {
        Some(Credential::Identity(token)) => exchange(wanted, token.expose()),
        credential => ask(wanted, credential)?,
    };
    let begun = Instant::now();
    let response = http.send(out).await?;
    if !response.status().is_success() {
        return Err(refusal(http, wanted, response).await);
    }
    let answer: Answer = read_json_body(response, ANSWER_MAX, http.timeouts.stall).await?;
    let token = answer.token.filter(|token| !token.is_empty()).or(answer.access_token).unwrap_or_default();
    let header = sensitive(&format!("Bearer {token}"))?;
    let life = Duration::from_secs(answer.expires_in.unwrap_or(DEFAULT_LIFE).clamp(DEFAULT_LIFE, 86_400));
    // A little earlier, so that no request is under way when it runs out.
    Ok(Token { header, expires: begun + life * 9 / 10 })
}

/// The request with user and password, or with neither.
fn ask(wanted: &TokenRequest<'_>, credential: Option<&Credential>) -> Result<Outgoing, Fault> {
    let mut url = wanted.realm.clone();
    let mut headers = HeaderMap::new();
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(wanted.service.map(|service| ("service", service)));
        for scope in wanted.scope.into_iter().flat_map(str::split_whitespace) {
            query.append_pair("scope", scope);
        }
        if let Some(Credential::Basic { username, .. }) = credential {
            query.append_pair("account", username).append_pair("client_id", CLIENT_ID);
        }
    }
    if let Some(header) = credential.and_then(Credential::basic_header) {
        headers.insert(AUTHORIZATION, header);
    }
    Ok(Outgoing { method: Method::GET, url, headers, payload: Payload::None, patience: None })
}

/// The request with an identity token.
fn exchange(wanted: &TokenRequest<'_>, refresh_token: &str) -> Outgoing {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token").append_pair("client_id", CLIENT_ID);
    form.extend_pairs(wanted.service.map(|service| ("service", service)));
    form.extend_pairs(wanted.scope.map(|scope| ("scope", scope)));
    form.append_pair("refresh_token", refresh_token);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let (url, payload) = (wanted.realm.clone(), Payload::Secret(form.finish()));
    Outgoing { method: Method::POST, url, headers, payload, patience: None }
}

async fn refusal(http: &Http, wanted: &TokenRequest<'_>, response: reqwest::Response) -> Fault {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = read_limited(response, ANSWER_MAX, http.timeouts.stall).await.unwrap_or_default();
    // OAuth2 servers answer 400 to an identity token that is no longer good (RFC 6749 section 5.2).
    let denied = matches!(status.as_u16(), 401 | 403) || (status == 400 && wanted.credential.is_some());
    match (denied, wanted.credential) {
        (true, Some(_)) => Fault::Denied(detail(&body)),
        _ => error_of(status, &headers, &body, false),
    }
}

/// A header that is kept out of logs.
pub fn sensitive(text: &str) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Fault::Challenge("the token holds characters that no header can".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
