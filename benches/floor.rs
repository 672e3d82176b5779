//! The least that pulling a layer can cost on one processor: inflate it, hash both sides, write the result once.
//!
//! usage: floor BLOB... ; prints nothing, so that whoever calls it can time it.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use sha2::{Digest, Sha256};

/// Hashes what passes.
struct Hashed<T>(T, Sha256);

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.update(&buffer[..read]);
        Ok(read)
    }
}

fn main() -> io::Result<()> {
    for path in std::env::args_os().skip(1) {
        let blob = Hashed(File::open(&path)?, Sha256::new());
        let mut inflated = flate2::read::MultiGzDecoder::new(BufReader::with_capacity(1 << 20, blob));
        let mut out = tempfile::tempfile_in(std::env::current_dir()?)?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            match inflated.read(&mut buffer)? {
                0 => break,
                read => {
                    hash.update(&buffer[..read]);
                    out.write_all(&buffer[..read])?;
                }
            }
        }
        std::hint::black_box((hash.finalize(), inflated.into_inner().into_inner().1.finalize()));
        out.sync_all()?;
    }
    Ok(())
}
