//! Docker's json-file format, one object a line, and its rotation: `log.json` is the newest, then `log.json.1` and so on.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Stream;
use super::chain::numbered;
use super::config::LogConfig;
use super::escape::escape;
use crate::container::error::Error;
use crate::container::files::on;

/// The newest file.
pub const NAME: &str = "log.json";

/// So many bytes are gathered before they are written, unless no more arrive.
const GATHER: usize = 128 * 1024;

/// A log that is being written.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    /// Bytes in it, all of whole entries.
    size: u64,
    limit: u64,
    keep: u32,
    out: Vec<u8>,
    /// Entries in `out`.
    gathered: u64,
    /// What follows the text of each entry.
    tail: Vec<u8>,
    /// Entries that could not be written, and why.
    lost: u64,
    reason: Option<io::Error>,
}

impl LogFile {
    /// Opens a log for appending.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path, config: &LogConfig) -> Result<LogFile, Error> {
        let (file, size) = open(path).map_err(on("open", path))?;
        Ok(LogFile {
            path: path.to_path_buf(),
            file,
            size,
            limit: config.max_size.unwrap_or(u64::MAX),
            keep: config.max_file.unwrap_or(1),
            out: Vec::new(),
            gathered: 0,
            tail: Vec::new(),
            lost: 0,
            reason: None,
        })
    }

    /// The entries that follow are of this stream and time (RFC 3339).
    pub fn begin(&mut self, stream: Stream, time: &str) {
        self.tail = format!("\",\"stream\":\"{}\",\"time\":\"{time}\"}}\n", stream.name()).into_bytes();
    }

    /// Takes one entry.
    pub fn entry(&mut self, piece: &[u8]) {
        if self.size.saturating_add(self.out.len() as u64) >= self.limit {
            self.flush();
            self.rotate();
        }
        self.out.extend_from_slice(b"{\"log\":\"");
        escape(&mut self.out, piece);
        self.out.extend_from_slice(&self.tail);
        self.gathered += 1;
        if self.out.len() >= GATHER {
            self.flush();
        }
    }

    /// Writes what was gathered.
    pub fn flush(&mut self) {
        if self.out.is_empty() {
            return;
        }
        if self.lost > 0 {
            self.tell_loss();
        }
        match self.file.write_all(&self.out) {
            Ok(()) => {
                self.size += self.out.len() as u64;
                self.lost = 0;
            }
            Err(error) => {
                // No half entry stays behind.
                let _ = self.file.set_len(self.size);
                self.lost += self.gathered;
                self.reason = Some(error);
            }
        }
        self.gathered = 0;
        self.out.clear();
    }

    /// Puts an entry before the gathered ones that says what is missing.
    fn tell_loss(&mut self) {
        let reason = self.reason.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut entry = b"{\"log\":\"".to_vec();
        escape(
            &mut entry,
            format!("lay: {} entries of this log were lost: {reason}\n", self.lost).as_bytes(),
        );
        entry.extend_from_slice(&self.tail);
        self.out.splice(..0, entry);
    }

    /// Begins a new file. Where that fails, the old one grows on.
    fn rotate(&mut self) {
        let renamed = (0..self.keep.saturating_sub(1)).rev().try_for_each(|number| {
            let (from, to) = (numbered(&self.path, number), numbered(&self.path, number + 1));
            match fs::rename(from, to) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
                result => result,
            }
        });
        let removed = match self.keep {
            0 | 1 => fs::remove_file(&self.path),
            _ => Ok(()),
        };
        match renamed.and(removed).and_then(|()| open(&self.path)) {
            Ok((file, size)) => (self.file, self.size) = (file, size),
            Err(error) => {
                tracing::warn!(%error, path = %self.path.display(), "log not rotated");
                // Not again before as much has been written once more.
                self.limit = self.limit.saturating_add(self.size);
            }
        }
    }
}

/// The file and its length. A half entry, which a kill or a power cut can leave, is ended.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = File::options().create(true).read(true).append(true).open(path)?;
    let size = file.metadata()?.len();
    let mut last = [0];
    if size == 0 || (file.read_at(&mut last, size - 1)? == 1 && last == *b"\n") {
        return Ok((file, size));
    }
    file.write_all(b"\n")?;
    Ok((file, size + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn rotation_keeps_the_newest() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join(NAME);
        let config = LogConfig { max_size: Some(100), max_file: Some(3), ..LogConfig::default() };
        let mut log = LogFile::open(&path, &config).unwrap();
        log.begin(Stream::Stdout, "2020-01-01T00:00:00Z");
        for number in 0..20 {
            log.entry(format!("{number}\n").as_bytes());
        }
        log.flush();
        assert_eq!(names(tmp.path()), ["log.json", "log.json.1", "log.json.2"]);
        let text = |number| fs::read_to_string(numbered(&path, number)).unwrap();
        assert!(text(0).contains("\"19\\n\"") && text(1).contains("\"17\\n\""), "{} {}", text(0), text(1));
        assert_eq!(text(1).lines().count(), 2, "the entry that reaches the bound is the last");
    }

    #[test]
    fn a_half_entry_spoils_no_other() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join(NAME);
        fs::write(&path, "{\"log\":\"cut").unwrap();
        let mut log = LogFile::open(&path, &LogConfig::default()).unwrap();
        log.begin(Stream::Stderr, "2020-01-01T00:00:00Z");
        log.entry(b"whole\n");
        log.flush();
        let expected = "{\"log\":\"cut\n{\"log\":\"whole\\n\",\"stream\":\"stderr\",\"time\":\"2020-01-01T00:00:00Z\"}\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn what_a_full_disk_took_is_told() {
        let tmp = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(&tmp.path().join(NAME), &LogConfig::default()).unwrap();
        let good = std::mem::replace(&mut log.file, File::options().write(true).open("/dev/full").unwrap());
        log.begin(Stream::Stdout, "2020-01-01T00:00:00Z");
        log.entry(b"one\n");
        log.flush();
        log.entry(b"two\n");
        log.flush();
        log.file = good;
        log.entry(b"three\n");
        log.flush();
        let text = fs::read_to_string(tmp.path().join(NAME)).unwrap();
        assert!(
            text.contains("lay: 2 entries of this log were lost: No space left") && text.contains("three"),
            "{text}"
        );
    }
}
