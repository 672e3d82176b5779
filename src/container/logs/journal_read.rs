//! A container's log back from the journal, by journalctl(1): its files are systemd's own.

use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::Stream;
use super::read::{LogOptions, Out, goes_on};
use crate::container::error::Error;
use crate::container::record::Container;

/// How long a follower waits before it asks again.
const POLL: Duration = Duration::from_millis(250);

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "MESSAGE", default)]
    message: Value,
    #[serde(rename = "PRIORITY", default)]
    priority: String,
    #[serde(rename = "CONTAINER_PARTIAL_MESSAGE", default)]
    partial: Option<String>,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    microseconds: String,
    #[serde(rename = "__CURSOR")]
    cursor: String,
}

/// As [`super::follow`].
pub fn follow(container: &Container, options: &LogOptions, out: &mut Out<'_>) -> Result<(), Error> {
    let mut cursor = None;
    loop {
        // Asked before reading, so that what was written before the end is still read.
        let goes_on = options.follow && goes_on(container)?;
        let more = read(container, options, &mut cursor, out)?;
        out.flush()?;
        if !more || !goes_on || options.until.is_some_and(|until| until < Timestamp::now()) {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
}

/// Prints what came after the cursor, and moves that on.
fn read(
    container: &Container,
    options: &LogOptions,
    cursor: &mut Option<String>,
    out: &mut Out<'_>,
) -> Result<bool, Error> {
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--no-pager", "--output=json", "--all"]);
    command.arg(format!("CONTAINER_ID_FULL={}", container.record.id));
    match (cursor.as_deref(), options.tail) {
        (Some(cursor), _) => drop(command.arg(format!("--after-cursor={cursor}"))),
        (None, Some(count)) => drop(command.arg(format!("--lines={count}"))),
        (None, None) => {}
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|e| Error::System("run journalctl, which reads the journal", e))?;
    let Some(stdout) = child.stdout.take() else { return Ok(true) };
    let mut more = Ok(true);
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.map_err(failed)?;
        let entry: Entry = serde_json::from_slice(&line).map_err(|e| failed(e.into()))?;
        more = print(&entry, out);
        if !matches!(more, Ok(true)) {
            // It may have much to say still.
            let _ = child.kill();
            break;
        }
        *cursor = Some(entry.cursor);
    }
    child.wait().map_err(failed)?;
    more
}

fn print(entry: &Entry, out: &mut Out<'_>) -> Result<bool, Error> {
    let mut text = match &entry.message {
        Value::String(text) => text.clone(),
        // What is no text is told byte by byte.
        Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes.iter().filter_map(|b| u8::try_from(b.as_u64()?).ok()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => String::new(),
    };
    if entry.partial.is_none() {
        text.push('\n');
    }
    let stream = if entry.priority == "3" { Stream::Stderr } else { Stream::Stdout };
    let at = entry.microseconds.parse().ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    out.entry(stream, &text, &at.unwrap_or_default().to_string())
}

fn failed(error: io::Error) -> Error {
    Error::System("read the journal", error)
}
