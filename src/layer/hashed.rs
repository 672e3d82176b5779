//! Streams whose digest is taken while they pass.

use std::io::{self, Read, Write};

use lay_store::Digest;
use sha2::{Digest as _, Sha256};

/// A reader or a writer that hashes and counts what goes through it.
#[derive(Debug)]
pub struct Hashed<T> {
    inner: T,
    hash: Sha256,
    passed: u64,
}

impl<T> Hashed<T> {
    /// One through which nothing has gone yet.
    pub fn new(inner: T) -> Hashed<T> {
        Hashed { inner, hash: Sha256::new(), passed: 0 }
    }

    /// Of what has gone through.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(self.hash.clone().finalize().into())
    }

    /// How much that was, in bytes.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// What it stood before.
    pub fn into_inner(self) -> T {
        self.inner
    }

    fn note(&mut self, data: &[u8]) {
        self.hash.update(data);
        self.passed += data.len() as u64;
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.note(&buffer[..read]);
        Ok(read)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(data)?;
        self.note(&data[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
