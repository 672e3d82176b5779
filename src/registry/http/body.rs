//! Bodies that are read into memory, with a limit.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;

use super::Fault;

/// Reads a body of at most `limit` bytes; a longer one is refused before it is read whole.
pub async fn read_limited(response: Response, limit: u64, stall: Duration) -> Result<Vec<u8>, Fault> {
    let announced = response.content_length();
    if announced.is_some_and(|length| length > limit) {
        return Err(Fault::TooLarge { limit });
    }
    let mut body = Vec::with_capacity(announced.unwrap_or_default() as usize);
    let mut chunks = response.bytes_stream();
    loop {
        let next = tokio::time::timeout(stall, chunks.next()).await;
        match next.map_err(|_| Fault::Timeout(stall))? {
            None => return Ok(body),
            Some(Err(error)) => return Err(Fault::of(error, stall)),
            Some(Ok(chunk)) if (body.len() + chunk.len()) as u64 > limit => {
                return Err(Fault::TooLarge { limit });
            }
            Some(Ok(chunk)) => body.extend_from_slice(&chunk),
        }
    }
}

/// Reads a JSON body of at most `limit` bytes.
pub async fn read_json_body<T: DeserializeOwned>(
    response: Response,
    limit: u64,
    stall: Duration,
) -> Result<T, Fault> {
    let html = is_html(response.headers());
    let body = read_limited(response, limit, stall).await?;
    if html || looks_like_html(&body) {
        return Err(Fault::Html);
    }
    serde_json::from_slice(&body).map_err(Fault::Json)
}

/// Whether an answer says that it is a web page.
pub fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.starts_with("text/html")
}

/// Whether a body that should be JSON is a web page.
pub fn looks_like_html(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}
