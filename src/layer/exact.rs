//! Files whose length was promised before they are read.

use std::fs::File;
use std::io::{self, Read};

/// Exactly so many bytes: a file that shrinks while it is read ends in zeros, one that grows ends where it ended.
#[derive(Debug)]
pub struct Exact {
    file: File,
    left: u64,
}

impl Exact {
    /// The next `left` bytes of a file.
    pub fn new(file: File, left: u64) -> Exact {
        Exact { file, left }
    }
}

impl Read for Exact {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = match self.file.read(&mut into[..most])? {
            0 => {
                into[..most].fill(0);
                most
            }
            read => read,
        };
        self.left -= read as u64;
        Ok(read)
    }
}
