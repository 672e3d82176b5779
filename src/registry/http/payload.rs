//! What is sent with a request; some of it is too large for memory.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, RequestBuilder, StatusCode};
use tokio::sync::mpsc;
use url::Url;

use super::Fault;

/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;
/// How many of them wait to be sent.
const PIECES: usize = 4;
/// How often it is looked whether anything moves.
const TICK: Duration = Duration::from_millis(250);

/// What is sent with a request.
#[derive(Clone, Default)]
pub enum Payload {
    /// Nothing.
    #[default]
    None,
    /// Something small.
    Bytes(Bytes),
    /// A form that holds credentials: it is never sent on to another host.
    Secret(String),
    /// Something large.
    Stream(Stream),
}

/// Something large that can be read again, as when credentials were missing.
pub trait Content: Send + Sync {
    /// Reads it from its beginning.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
    /// Its size in bytes, where that is known.
    fn length(&self) -> Option<u64>;
}

/// A large body on its way.
#[derive(Clone)]
pub struct Stream {
    content: Arc<dyn Content>,
    moved: Arc<Moved>,
}

#[derive(Default)]
struct Moved {
    bytes: AtomicU64,
    all: AtomicBool,
}

impl Stream {
    /// Nothing of it was sent yet.
    pub fn new(content: Arc<dyn Content>) -> Self {
        Self { content, moved: Arc::default() }
    }

    /// How much was sent, in bytes.
    pub fn sent(&self) -> u64 {
        self.moved.bytes.load(Ordering::Relaxed)
    }

    fn body(&self) -> io::Result<Body> {
        self.moved.bytes.store(0, Ordering::Relaxed);
        self.moved.all.store(false, Ordering::Relaxed);
        let reader = self.content.open()?;
        let (pieces, arriving) = mpsc::channel(PIECES);
        tokio::task::spawn_blocking(move || feed(reader, &pieces));
        let moved = Arc::clone(&self.moved);
        let next = |(mut arriving, moved): (mpsc::Receiver<io::Result<Bytes>>, Arc<Moved>)| async move {
            let piece = arriving.recv().await;
            match &piece {
                Some(Ok(piece)) => drop(moved.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed)),
                _ => moved.all.store(true, Ordering::Relaxed),
            }
            piece.map(|piece| (piece, (arriving, moved)))
        };
        Ok(Body::wrap_stream(futures_util::stream::unfold((arriving, moved), next)))
    }
}

/// Reads until the end, or until nobody wants more.
fn feed(mut reader: Box<dyn Read + Send>, pieces: &mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let mut piece = vec![0; PIECE];
        let read = match reader.read(&mut piece) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return drop(pieces.blocking_send(Err(error))),
        };
        piece.truncate(read);
        if pieces.blocking_send(Ok(piece.into())).is_err() {
            return;
        }
    }
}

impl Payload {
    /// Whether this may be sent on to where a redirection leads: with the same method only (RFC 9110 section 15.4), and
    /// secrets to the same host only.
    pub fn may_follow(&self, status: StatusCode, from: &Url, to: &Url) -> bool {
        match self {
            Self::None => true,
            Self::Secret(_) => from.origin() == to.origin(),
            Self::Bytes(_) | Self::Stream(_) => matches!(status.as_u16(), 307 | 308),
        }
    }

    /// Puts it into a request.
    pub fn attach(&self, request: RequestBuilder) -> io::Result<RequestBuilder> {
        Ok(match self {
            Self::None => request,
            Self::Bytes(bytes) => request.header(CONTENT_LENGTH, bytes.len()).body(bytes.clone()),
            Self::Secret(form) => request.body(form.clone()),
            Self::Stream(stream) => {
                let length = stream.content.length();
                let request = length.into_iter().fold(request, |r, length| r.header(CONTENT_LENGTH, length));
                request.body(stream.body()?)
            }
        })
    }

    /// Waits for the answer: as long as something moves, and then for `patience`.
    pub async fn watch<T>(
        &self,
        answer: impl Future<Output = T>,
        patience: Duration,
        stall: Duration,
    ) -> Result<T, Fault> {
        let Self::Stream(stream) = self else {
            return tokio::time::timeout(patience, answer).await.map_err(|_| Fault::Timeout(patience));
        };
        let mut answer = std::pin::pin!(answer);
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            tokio::select! {
                done = &mut answer => return Ok(done),
                () = tokio::time::sleep(TICK) => {}
            }
            let sent = stream.sent();
            if sent != seen {
                (seen, since) = (sent, Instant::now());
            }
            let limit = if stream.moved.all.load(Ordering::Relaxed) { patience } else { stall };
            if since.elapsed() > limit {
                return Err(Fault::Timeout(limit));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_where_they_are_and_bodies_keep_their_method() {
        let url = |text: &str| Url::parse(text).unwrap();
        let (here, same, other) = (url("https://a/x"), url("https://a/y"), url("https://b/x"));
        let (found, kept) = (StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT);
        assert!(Payload::Secret(String::new()).may_follow(kept, &here, &same));
        assert!(!Payload::Secret(String::new()).may_follow(kept, &here, &other));
        assert!(Payload::Bytes(Bytes::new()).may_follow(kept, &here, &other));
        assert!(!Payload::Bytes(Bytes::new()).may_follow(found, &here, &same));
        assert!(Payload::None.may_follow(found, &here, &other));
    }
}
