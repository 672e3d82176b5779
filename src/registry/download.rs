//! Files of any web server.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{CONTENT_DISPOSITION, HeaderMap, LAST_MODIFIED};
use reqwest::{Method, Response};
use url::Url;

use super::http::{Fault, Http, Outgoing, Payload};
use super::pull::Access;

/// What a server says of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Downloaded {
    /// The name that it gives the file (RFC 6266).
    pub name: Option<String>,
    /// When it changed last, in seconds since 1970.
    pub modified: Option<i64>,
}

/// Gets the file at an address, and writes it to `file`. Threads are used inside, and are gone when this returns.
///
/// # Errors
/// When the server cannot be reached, answers with anything but the file, or the file cannot be written.
pub fn download(access: &Access, address: &str, file: &mut File) -> Result<Downloaded, String> {
    let url = Url::parse(address).map_err(|e| e.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| e.to_string())?;
    runtime.block_on(fetch(access, url, file))
}

async fn fetch(access: &Access, url: Url, file: &mut File) -> Result<Downloaded, String> {
    let failed = |fault: Fault| crate::error::chain(&fault);
    let http = Http::new(access.registries.clone(), access.timeouts);
    let outgoing = Outgoing {
        method: Method::GET,
        url,
        headers: HeaderMap::new(),
        payload: Payload::None,
        patience: None,
    };
    let response = http.send(outgoing).await.map_err(failed)?;
    // Any server may stand there: what a registry would mean by it says nothing.
    if !response.status().is_success() {
        return Err(format!("the server answered {}", response.status()));
    }
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let modified = text(LAST_MODIFIED).and_then(|text| httpdate::parse_http_date(text).ok());
    let modified = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let downloaded = Downloaded {
        name: text(CONTENT_DISPOSITION).and_then(file_name),
        modified: modified.and_then(|time| i64::try_from(time.as_secs()).ok()),
    };
    keep(response, file, http.timeouts.stall).await.map_err(failed)?;
    Ok(downloaded)
}

/// Writes what comes to `file`.
async fn keep(response: Response, file: &mut File, stall: Duration) -> Result<(), Fault> {
    let (expected, mut actual) = (response.content_length(), 0);
    let mut chunks = response.bytes_stream();
    while let Some(chunk) =
        tokio::time::timeout(stall, chunks.next()).await.map_err(|_| Fault::Timeout(stall))?
    {
        let chunk = chunk.map_err(|error| Fault::of(error, stall))?;
        actual += chunk.len() as u64;
        file.write_all(&chunk).map_err(Fault::Disk)?;
    }
    match expected {
        Some(expected) if actual < expected => Err(Fault::Truncated { expected, actual }),
        _ => Ok(()),
    }
}

/// The name in `attachment; filename="x.tar"`, without directories.
fn file_name(disposition: &str) -> Option<String> {
    let value = disposition.split(';').map(str::trim).find_map(|part| part.strip_prefix("filename="))?;
    let name = value.trim_matches('"').rsplit('/').next()?;
    (!matches!(name, "" | "." | "..")).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_no_directories() {
        assert_eq!(file_name("attachment; filename=\"a b.tar\""), Some("a b.tar".into()));
        assert_eq!(file_name("attachment; filename=../../x"), Some("x".into()));
        for nothing in ["inline", "attachment; filename=\"..\"", "attachment; filename="] {
            assert_eq!(file_name(nothing), None, "{nothing}");
        }
    }
}
