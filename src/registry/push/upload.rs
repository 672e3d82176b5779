//! Uploading one blob (distribution spec, "Pushing Blobs"): an upload is begun, the bytes follow in one or more pieces, and a
//! last request names the digest. After a break the registry tells what it has.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use lay_store::{Compressed, Digest};
use reqwest::Response;
use reqwest::header::RANGE;
use tokio::task::spawn_blocking;
use url::Url;
use url::form_urlencoded::Serializer;

use super::Push;
use super::compress::Job;
use super::content::Growing;
use super::explain::{explained, is_lost, is_too_much, is_unsupported};
use super::plan::Part;
use crate::registry::error::Error;
use crate::registry::http::{Fault, RequestError, Stream};
use crate::registry::manifest::Target;
use crate::registry::progress::Event;

/// After this much new data the count of failures begins anew, in bytes.
const PROGRESS: u64 = 1 << 20;
/// Blobs of up to this size go with the last request, in bytes.
const SMALL: u64 = 1 << 20;
/// Uploads of blobs larger than this are remembered, so that another process can go on with them, in bytes.
const REMEMBERED: u64 = 8 << 20;
/// What is sent at a time once the registry, or a proxy before it, has refused more, in bytes; then always a quarter.
const PIECE_MAX: u64 = 64 << 20;
/// Whoever refuses even this is given up, in bytes.
const PIECE_MIN: u64 = 1 << 20;
/// How often the progress is told.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// An upload that the registry knows.
#[derive(Debug)]
pub(super) struct Begun {
    pub location: Url,
    /// How much has arrived, in bytes; `None` if the registry has to be asked.
    pub at: Option<u64>,
}

impl Begun {
    /// An upload that an earlier push began.
    pub fn at(location: &str) -> Option<Self> {
        Some(Self { location: Url::parse(location).ok()?, at: None })
    }
}

/// How a blob is sent: as a whole as long as that is taken.
#[derive(Clone, Copy)]
struct Manner {
    /// Most bytes at a time.
    piece: u64,
    /// All with the last request.
    whole: bool,
}

/// One blob on its way out.
pub(super) struct Upload<'p, 'a> {
    pub push: &'p Push<'a>,
    /// The blob in events.
    shown: Digest,
    /// Layers are shown, configurations are not.
    is_layer: bool,
    /// Where the events say that we are, in bytes.
    told: u64,
}

impl<'p, 'a> Upload<'p, 'a> {
    /// Nothing was sent yet.
    pub fn new(push: &'p Push<'a>, part: &Part, shown: Digest) -> Self {
        Self { push, shown, is_layer: part.diff_id.is_some(), told: 0 }
    }

    /// Uploads a blob that is all there.
    pub async fn known(&mut self, blob: &Target, file: Arc<File>, begun: Option<Begun>) -> Result<(), Error> {
        let mut manner = Manner { piece: u64::MAX, whole: blob.size <= SMALL };
        let (mut begun, mut failed, mut best) = (begun, 0, 0);
        let again = self.push.again(Some(self.shown).filter(|_| self.is_layer));
        loop {
            let error = match self.attempt(blob, &file, &mut begun, manner).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let at = begun.as_ref().and_then(|begun| begun.at).unwrap_or(0);
            failed = if at >= best + PROGRESS { 1 } else { failed + 1 };
            best = best.max(at);
            if is_too_much(&error.fault) && blob.size.min(manner.piece) > PIECE_MIN {
                manner = Manner { piece: smaller(manner.piece, blob.size), whole: false };
            } else if is_unsupported(&error.fault) && !manner.whole {
                (begun, manner.whole) = (None, true);
                continue;
            } else if is_lost(&error.fault) && begun.is_some() {
                begun = None;
                again.pause_anyway(explained(error, false), failed).await?;
            } else if matches!(&error.fault, Fault::Arrived(_)) && self.told > 0 && failed == 1 && best > 0 {
                // Pieces of different tries may have come together wrongly.
                begun = None;
            } else {
                again.pause_after(error, failed).await?;
            }
            if let Some(begun) = &mut begun {
                begun.at = None;
            }
        }
    }

    /// Uploads what is still being compressed, in one go and without a length. If that breaks, the rest is sent as a blob that
    /// is known.
    pub async fn growing(
        &mut self,
        job: Job,
        target: impl FnOnce(Compressed) -> Target,
    ) -> Result<Compressed, Error> {
        self.start(0, 0);
        let again = self.push.again(Some(self.shown));
        let mut begun = again.run(async || self.push.begin().await).await?;
        let tail = job.tail.another(0).map_err(|source| Error::Compress { digest: self.shown, source })?;
        let stream = Stream::new(Arc::new(Growing(tail)));
        let sent = self.push.patch(&begun.location, None, &stream);
        match self.telling(&stream, sent).await {
            Ok(response) => begun = self.push.after(&response, stream.sent())?,
            Err(error) if error.fault.is_transient() => tracing::debug!(%error, "sent again"),
            Err(error) => tracing::debug!(%error, "not taken without a length"),
        }
        let file = Arc::clone(&job.file);
        let to = job.finish().await?;
        self.known(&target(to), file, Some(begun)).await?;
        Ok(to)
    }

    /// Goes on from wherever the upload stands, as far as that carries.
    async fn attempt(
        &mut self,
        blob: &Target,
        file: &Arc<File>,
        begun: &mut Option<Begun>,
        manner: Manner,
    ) -> Result<(), RequestError> {
        let mut upload = match begun.take() {
            Some(Begun { location, at: None }) => self.push.status(&location).await?,
            Some(upload) => upload,
            None => self.begin(blob).await?,
        };
        if upload.at.is_none_or(|at| at > blob.size) {
            self.push.cancel(upload).await;
            upload = self.begin(blob).await?;
        }
        let mut at = upload.at.unwrap_or(0);
        *begun = Some(Begun { location: upload.location.clone(), at: Some(at) });
        self.start(blob.size, at);
        while at < blob.size && !manner.whole {
            let length = (blob.size - at).min(manner.piece);
            let stream = self.push.stream(file, at, length);
            let sent = self.push.patch(&upload.location, Some((at, length)), &stream);
            let response = self.telling(&stream, sent).await?;
            upload = self.push.after(&response, at + length)?;
            at = upload.at.unwrap_or(at + length);
            *begun = Some(Begun { location: upload.location.clone(), at: Some(at) });
        }
        let rest = (at < blob.size).then(|| self.push.stream(file, at, blob.size - at));
        let none = self.push.stream(file, 0, 0);
        let last = self.push.finish(&upload.location, &blob.digest, rest.as_ref());
        self.telling(rest.as_ref().unwrap_or(&none), last).await.map(drop)
    }

    async fn begin(&self, blob: &Target) -> Result<Begun, RequestError> {
        let begun = self.push.begin().await?;
        if blob.size > REMEMBERED {
            let (store, place, digest) = (self.push.store.clone(), self.push.place.clone(), blob.digest);
            let location = begun.location.to_string();
            let noted = spawn_blocking(move || store.note_upload(&digest, &place, &location)).await;
            if let Ok(Err(error)) = noted {
                tracing::warn!(%error, "an upload is not noted");
            }
        }
        Ok(begun)
    }

    /// Waits for an answer and tells meanwhile what was sent.
    async fn telling<T>(&mut self, stream: &Stream, answer: impl Future<Output = T>) -> T {
        let mut answer = std::pin::pin!(answer);
        let mut told = 0;
        loop {
            let done = tokio::select! {
                done = &mut answer => Some(done),
                () = tokio::time::sleep(TICK) => None,
            };
            let sent = stream.sent();
            self.add(sent.saturating_sub(told));
            told = sent;
            if let Some(done) = done {
                return done;
            }
        }
    }

    fn start(&mut self, size: u64, at: u64) {
        if self.is_layer && (self.told != at || at == 0) {
            self.push.progress.event(Event::LayerStart { digest: self.shown, size, resumed: at });
        }
        self.told = at;
    }

    fn add(&mut self, delta: u64) {
        self.told += delta;
        if self.is_layer && delta > 0 {
            self.push.progress.event(Event::LayerBytes { digest: self.shown, delta });
        }
    }

    /// Tells that all is there.
    pub fn done(&self) {
        if self.is_layer {
            self.push.progress.event(Event::LayerDone { digest: self.shown });
        }
    }
}

fn smaller(piece: u64, size: u64) -> u64 {
    if piece > PIECE_MAX { (size / 2).clamp(PIECE_MIN, PIECE_MAX) } else { (piece / 4).max(PIECE_MIN) }
}

/// How much has arrived: `0-9` means ten bytes, and `0-0` none, as registries write it.
pub(super) fn arrived(response: &Response) -> Option<u64> {
    let text = response.headers().get(RANGE)?.to_str().ok()?;
    let (_, last) = text.trim().trim_start_matches("bytes").trim_start_matches(['=', ' ']).split_once('-')?;
    let last: u64 = last.trim().parse().ok()?;
    Some(if last == 0 { 0 } else { last.saturating_add(1) })
}

/// The query of a request, escaped.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}
