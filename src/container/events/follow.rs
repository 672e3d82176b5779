//! Reading what happened, and waiting for more.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::{DIR, Event, NAME, write};
use crate::container::error::Error;
use crate::container::files::on;
use crate::container::logs::chain;
use crate::kernel::watch::Watch;

/// How long it is waited at most for the directory's next change.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which events are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// From then on; from now on without.
    pub since: Option<Timestamp>,
    /// Until then; for ever without.
    pub until: Option<Timestamp>,
}

/// Gives events in order to `take`, until it says no or the span is over.
///
/// # Errors
/// When the events cannot be read.
pub fn follow(store_root: &Path, span: Span, mut take: impl FnMut(&Event) -> bool) -> Result<(), Error> {
    let (dir, path) = (store_root.join(DIR), store_root.join(DIR).join(NAME));
    let since = span.since.unwrap_or_else(Timestamp::now);
    write::make(&dir).map_err(on("create", &dir))?;
    let watch = Watch::directory(&dir).map_err(|e| Error::System("watch the events", e.into()))?;
    let mut files = chain::open_all(&path).map_err(on("open", &path))?.into_iter().map(BufReader::new);
    let mut current: Option<BufReader<File>> = files.next();
    let mut line = Vec::new();
    loop {
        // Asked before reading, so that what was written in time is still read.
        let over = span.until.is_some_and(|until| Timestamp::now() > until);
        while let Some(file) = &mut current {
            loop {
                file.read_until(b'\n', &mut line).map_err(on("read", &path))?;
                if line.last() != Some(&b'\n') {
                    break;
                }
                let event: Option<Event> = serde_json::from_slice(&line).ok();
                line.clear();
                let wanted =
                    event.filter(|e| e.time >= since && span.until.is_none_or(|until| e.time <= until));
                if let Some(event) = wanted
                    && !take(&event)
                {
                    return Ok(());
                }
            }
            let next = match files.next() {
                Some(next) => Some(next),
                None => chain::next(file.get_ref(), &path).map_err(on("open", &path))?.map(BufReader::new),
            };
            match next {
                Some(next) => current = Some(next),
                None => break,
            }
        }
        if over {
            return Ok(());
        }
        wait(watch.as_ref(), span.until)?;
        if current.is_none() {
            current =
                chain::open_all(&path).map_err(on("open", &path))?.into_iter().next().map(BufReader::new);
        }
    }
}

fn wait(watch: Option<&Watch>, until: Option<Timestamp>) -> Result<(), Error> {
    let left =
        until.map(|until| until.duration_since(Timestamp::now()).unsigned_abs() + Duration::from_millis(1));
    let limit = left.map_or(PATIENCE, |left| left.min(PATIENCE));
    match watch {
        Some(watch) => watch.wait(limit).map_err(|e| Error::System("watch the events", e.into())),
        None => {
            std::thread::sleep(limit.min(Duration::from_millis(200)));
            Ok(())
        }
    }
}
