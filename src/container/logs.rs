//! A container's log: Docker's json-file format, one object a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::files::on;
use super::record::{Container, Status};

/// Longest piece of one line in one entry, in bytes; longer lines are split as Docker splits them.
const MAX_PIECE: usize = 16 * 1024;

/// How long a follower waits before it looks again.
const POLL: Duration = Duration::from_millis(50);

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

#[derive(Deserialize, Serialize)]
struct Entry<'a> {
    #[serde(borrow)]
    log: std::borrow::Cow<'a, str>,
    stream: Stream,
    #[serde(borrow)]
    time: std::borrow::Cow<'a, str>,
}

/// Writes what a container prints.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: PathBuf,
    pending: [Vec<u8>; 2],
    out: Vec<u8>,
}

impl Writer {
    /// Opens the container's log for appending.
    pub fn open(path: &Path) -> Result<Writer, Error> {
        let file = File::options().create(true).append(true).open(path).map_err(on("open", path))?;
        Ok(Writer { file, path: path.to_path_buf(), pending: [Vec::new(), Vec::new()], out: Vec::new() })
    }

    /// Takes what arrived on one stream; complete lines are written at once.
    pub fn write(&mut self, stream: Stream, mut data: &[u8]) -> Result<(), Error> {
        let time = Timestamp::now().to_string();
        let slot = stream as usize;
        while let Some(end) = data.iter().position(|b| *b == b'\n') {
            let (line, rest) = data.split_at(end + 1);
            self.pending[slot].extend_from_slice(line);
            self.take_pending(stream, &time)?;
            data = rest;
        }
        self.pending[slot].extend_from_slice(data);
        if self.pending[slot].len() >= MAX_PIECE {
            self.take_pending(stream, &time)?;
        }
        self.flush()
    }

    /// Writes what is left of unfinished lines.
    pub fn finish(&mut self) -> Result<(), Error> {
        let time = Timestamp::now().to_string();
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.pending[stream as usize].is_empty() {
                self.take_pending(stream, &time)?;
            }
        }
        self.flush()
    }

    fn take_pending(&mut self, stream: Stream, time: &str) -> Result<(), Error> {
        let line = std::mem::take(&mut self.pending[stream as usize]);
        for piece in line.chunks(MAX_PIECE) {
            let entry = Entry { log: String::from_utf8_lossy(piece), stream, time: time.into() };
            serde_json::to_writer(&mut self.out, &entry)
                .map_err(|source| Error::Record { path: self.path.clone(), source })?;
            self.out.push(b'\n');
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let result = self.file.write_all(&self.out).map_err(on("write", &self.path));
        self.out.clear();
        result
    }
}

/// What `lay logs` is asked for.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// Go on until the container ends.
    pub follow: bool,
    /// Only the last so many lines.
    pub tail: Option<usize>,
    /// Put the time before each line.
    pub timestamps: bool,
}

/// Copies a container's log to two writers, and goes on while it runs when asked to.
///
/// # Errors
/// When the log cannot be read or a writer fails.
pub fn follow(
    container: &Container,
    options: &LogOptions,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<(), Error> {
    let path = container.path("log.json");
    let mut file = match File::open(&path) {
        Ok(file) => BufReader::new(file),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(on("open", &path)(e)),
    };
    if let Some(lines) = options.tail {
        skip_to_tail(&mut file, lines).map_err(on("read", &path))?;
    }
    let mut line = Vec::new();
    loop {
        // Asked before reading, so that what was written before the end is still read.
        let running = options.follow && matches!(container.status()?, Status::Running(_));
        while read_line(&mut file, &mut line).map_err(on("read", &path))? {
            print(&line, options, stdout, stderr, &path)?;
            line.clear();
        }
        let _ = stdout.flush();
        if !running {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
}

/// Reads on to the line's end; false while the line is not complete yet.
fn read_line(file: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<bool> {
    file.read_until(b'\n', line)?;
    Ok(line.last() == Some(&b'\n'))
}

fn skip_to_tail(file: &mut BufReader<File>, lines: usize) -> io::Result<()> {
    use std::io::Seek;
    let mut starts = std::collections::VecDeque::with_capacity(lines + 1);
    let (mut position, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let read = file.read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        starts.push_back(position);
        if starts.len() > lines {
            starts.pop_front();
        }
        position += read as u64;
    }
    let start = starts.front().copied().unwrap_or(position);
    file.seek(io::SeekFrom::Start(start)).map(drop)
}

fn print<'a>(
    line: &[u8],
    options: &LogOptions,
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
    path: &Path,
) -> Result<(), Error> {
    let entry: Entry<'_> =
        serde_json::from_slice(line).map_err(|source| Error::Record { path: path.to_path_buf(), source })?;
    let out = if entry.stream == Stream::Stdout { stdout } else { stderr };
    let result = match options.timestamps {
        true => write!(out, "{} {}", entry.time, entry.log),
        false => out.write_all(entry.log.as_bytes()),
    };
    result.map_err(|e| Error::System("write the log", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_entries_and_long_ones_are_split() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("log.json");
        let mut writer = Writer::open(&path).unwrap();
        writer.write(Stream::Stdout, b"one\ntw").unwrap();
        writer.write(Stream::Stderr, b"err\n").unwrap();
        writer.write(Stream::Stdout, b"o\nno newline").unwrap();
        writer.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let logs: Vec<(String, Stream)> = text
            .lines()
            .map(|l| serde_json::from_str::<Entry<'_>>(l).map(|e| (e.log.into_owned(), e.stream)).unwrap())
            .collect();
        let expected = [
            ("one\n", Stream::Stdout),
            ("err\n", Stream::Stderr),
            ("two\n", Stream::Stdout),
            ("no newline", Stream::Stdout),
        ];
        assert_eq!(logs, expected.map(|(l, s)| (l.to_string(), s)));
    }
}
