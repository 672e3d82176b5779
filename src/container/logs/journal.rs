//! The journal of systemd, by its native protocol: one datagram an entry
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>). The fields are those of Docker's driver.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use super::Stream;
use super::lines::MAX_PIECE;
use crate::container::error::Error;
use crate::container::record::Record;

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// How often an entry is tried while journald is started anew, and how long it is waited in between.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// syslog(3): LOG_ERR, LOG_INFO.
const PRIORITIES: [(Stream, &str); 2] = [(Stream::Stdout, "6"), (Stream::Stderr, "3")];

/// The way to the journal.
#[derive(Debug)]
pub struct Journal {
    socket: UnixDatagram,
    /// What is the same in every entry.
    fields: Vec<u8>,
    entry: Vec<u8>,
    lost: u64,
}

impl Journal {
    /// Begins to log for a container.
    ///
    /// # Errors
    /// [`Error::NoJournal`] where nobody listens.
    pub fn connect(record: &Record) -> Result<Journal, Error> {
        let socket = UnixDatagram::unbound().map_err(|e| Error::System("make a socket", e))?;
        socket.connect(SOCKET).map_err(|source| Error::NoJournal { socket: Path::new(SOCKET), source })?;
        let short = &record.id[..12.min(record.id.len())];
        let tag = record.options.log.tag.as_deref().unwrap_or(short);
        let mut fields = Vec::new();
        for (name, value) in [
            ("CONTAINER_ID", short),
            ("CONTAINER_ID_FULL", &record.id),
            ("CONTAINER_NAME", &record.name),
            ("CONTAINER_TAG", tag),
            ("SYSLOG_IDENTIFIER", tag),
            ("IMAGE_NAME", &record.image),
        ] {
            field(&mut fields, name, value.as_bytes());
        }
        Ok(Journal { socket, fields, entry: Vec::new(), lost: 0 })
    }

    /// Sends one entry; waits while the journal has no room.
    pub fn entry(&mut self, stream: Stream, piece: &[u8]) {
        if self.lost > 0 {
            let told = format!("lay: {} entries of this log were lost: the journal was not there", self.lost);
            if self.send(Stream::Stderr, told.as_bytes(), false).is_err() {
                self.lost += 1;
                return;
            }
            self.lost = 0;
        }
        let (text, whole) = match piece.split_last() {
            Some((b'\n', text)) => (text, true),
            _ => (piece, false),
        };
        // The rest of a long line follows.
        let partial = !whole && piece.len() + 3 >= MAX_PIECE;
        if self.send(stream, text, partial).is_err() {
            self.lost += 1;
        }
    }

    fn send(&mut self, stream: Stream, text: &[u8], partial: bool) -> io::Result<()> {
        self.entry.clear();
        self.entry.extend_from_slice(&self.fields);
        let priority = PRIORITIES.iter().find(|(of, _)| *of == stream).map_or("6", |(_, text)| text);
        field(&mut self.entry, "PRIORITY", priority.as_bytes());
        if partial {
            field(&mut self.entry, "CONTAINER_PARTIAL_MESSAGE", b"true");
        }
        field(&mut self.entry, "MESSAGE", text);
        let mut last = Ok(());
        for _ in 0..ATTEMPTS {
            last = self.socket.send(&self.entry).map(drop);
            match &last {
                Ok(()) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) if self.lost > 0 => break,
                Err(_) => std::thread::sleep(PAUSE),
            }
            let _ = self.socket.connect(SOCKET);
        }
        last
    }
}

/// `NAME=VALUE`, or with its length where the value holds a line's end.
fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_as_the_protocol_has_them() {
        let mut out = Vec::new();
        field(&mut out, "A", b"one");
        field(&mut out, "B", b"x\ny");
        assert_eq!(out, b"A=one\nB\n\x03\0\0\0\0\0\0\0x\ny\n");
    }
}
