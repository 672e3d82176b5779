//! A file that is read while it grows: what a download has written so far, for whoever unpacks it, or what a compressor has
//! written, for whoever sends it.
//!
//! The file is the buffer between the two: a slow reader costs no memory and does not hold up the network,
//! and a continued download begins with what is there already.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The writer's side. Dropped without [`Growth::complete`], it makes the reader fail.
pub struct Growth(Arc<Shared>);

/// The reader's side: waits at the end until there is more, or no more to come.
pub struct Tail {
    file: File,
    position: u64,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    length: u64,
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    Complete,
    Abandoned,
}

/// Both sides of a file of which `length` bytes are written.
pub fn tail(file: File, length: u64) -> (Growth, Tail) {
    let shared = Arc::new(Shared { state: Mutex::new(State { length, end: None }), ..Shared::default() });
    (Growth(Arc::clone(&shared)), Tail { file, position: 0, shared })
}

impl Tail {
    /// Another reader of the same file, which begins at `position`.
    pub fn another(&self, position: u64) -> io::Result<Tail> {
        Ok(Tail { file: self.file.try_clone()?, position, shared: Arc::clone(&self.shared) })
    }
}

impl Growth {
    /// Another `bytes` are written.
    pub fn add(&self, bytes: u64) {
        self.0.lock().length += bytes;
        self.0.changed.notify_all();
    }

    /// No more will come, and all is well.
    pub fn complete(self) {
        self.0.end(End::Complete);
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        self.0.end(End::Abandoned);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first end counts.
    fn end(&self, end: End) {
        self.lock().end.get_or_insert(end);
        self.changed.notify_all();
    }
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.shared.lock();
        let available = loop {
            match (state.length.saturating_sub(self.position), state.end) {
                (_, Some(End::Abandoned)) => return Err(io::Error::other("what was to come was given up")),
                (0, Some(End::Complete)) => return Ok(0),
                (0, None) => {
                    state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                (available, _) => break available,
            }
        };
        drop(state);
        let wanted = buffer.len().min(usize::try_from(available).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..wanted], self.position)?;
        if read == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn reads_what_is_written_later() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"first ").unwrap();
        let (growth, mut reader) = tail(file.reopen().unwrap(), 6);
        let writer = std::thread::spawn(move || {
            for _ in 0..1000 {
                file.write_all(b"more ").unwrap();
                growth.add(5);
            }
            growth.complete();
        });
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        writer.join().unwrap();
        assert_eq!(text, format!("first {}", "more ".repeat(1000)));
    }

    #[test]
    fn fails_when_the_writer_gives_up() {
        let file = tempfile::tempfile().unwrap();
        let (growth, mut reader) = tail(file, 0);
        let reading = std::thread::spawn(move || reader.read(&mut [0; 10]).map_err(|e| e.to_string()));
        drop(growth);
        assert_eq!(reading.join().unwrap().unwrap_err(), "what was to come was given up");
    }

    #[test]
    fn a_file_that_shrank_is_an_error() {
        let (_growth, mut reader) = tail(tempfile::tempfile().unwrap(), 5);
        assert_eq!(reader.read(&mut [0; 10]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
