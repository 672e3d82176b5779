//! What a container prints: taken in pieces, split into lines, and kept by a driver.

pub(super) mod chain;
mod config;
mod escape;
mod file;
mod journal;
mod journal_read;
mod lines;
mod read;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::record::Container;
pub use config::{LogConfig, LogDriver};
use file::LogFile;
use journal::Journal;
use lines::Lines;
pub use read::{LogOptions, follow};

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// Where lines go.
#[derive(Debug)]
enum Sink {
    File(LogFile),
    Journal(Journal),
}

/// Writes what a container prints. What cannot be written never ends the container: it is counted, and the log says so as
/// soon as it can.
#[derive(Debug)]
pub struct Writer {
    lines: [Lines; 2],
    sink: Sink,
}

impl Writer {
    /// Opens a container's log for appending; none with `--log-driver none`.
    ///
    /// # Errors
    /// When the file cannot be opened or the journal is not there.
    pub fn open(container: &Container) -> Result<Option<Writer>, Error> {
        let config = &container.record.options.log;
        let sink = match config.driver {
            LogDriver::None => return Ok(None),
            LogDriver::JsonFile => Sink::File(LogFile::open(&container.path(file::NAME), config)?),
            LogDriver::Journald => Sink::Journal(Journal::connect(&container.record)?),
        };
        Ok(Some(Writer { lines: <[Lines; 2]>::default(), sink }))
    }

    /// Takes what arrived on one stream; complete lines are written before this returns.
    pub fn write(&mut self, stream: Stream, data: &[u8]) {
        let lines = &mut self.lines[stream as usize];
        match &mut self.sink {
            Sink::File(file) => {
                file.begin(stream, &Timestamp::now().to_string());
                lines.take(data, &mut |piece| file.entry(piece));
                file.flush();
            }
            Sink::Journal(journal) => lines.take(data, &mut |piece| journal.entry(stream, piece)),
        }
    }

    /// Writes what is left of unfinished lines.
    pub fn finish(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let lines = &mut self.lines[stream as usize];
            match &mut self.sink {
                Sink::File(file) => {
                    file.begin(stream, &Timestamp::now().to_string());
                    lines.end(&mut |piece| file.entry(piece));
                    file.flush();
                }
                Sink::Journal(journal) => lines.end(&mut |piece| journal.entry(stream, piece)),
            }
        }
    }
}
