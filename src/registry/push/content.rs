//! The bytes of blobs, for uploads.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::registry::http::Content;
use crate::registry::tail::Tail;

/// A part of a file.
pub(super) struct Span {
    pub file: Arc<File>,
    /// Where it begins, in bytes.
    pub from: u64,
    /// In bytes.
    pub length: u64,
}

impl Content for Span {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Reader { file: Arc::clone(&self.file), at: self.from, left: self.length }))
    }

    fn length(&self) -> Option<u64> {
        Some(self.length)
    }
}

struct Reader {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        if read == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// A file that is still being written.
pub(super) struct Growing(pub Tail);

impl Content for Growing {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.0.another(0)?))
    }

    fn length(&self) -> Option<u64> {
        None
    }
}
