//! The bytes of regular files.

use std::fs::File;
use std::io::{BufRead, ErrorKind, Seek, SeekFrom, Write};

use rustix::io::Errno;

use crate::layer::entry::Entry;
use crate::layer::error::Error;

/// Writes a file's data, from the reader's buffer without a copy in between, and leaves holes where the archive has them.
pub(super) fn write(file: &mut File, entry: &Entry, data: &mut dyn BufRead) -> Result<(), Error> {
    let Some(map) = &entry.sparse else { return copy(file, entry, data, entry.size) };
    for segment in map {
        file.seek(SeekFrom::Start(segment.offset)).map_err(|e| failed(entry, &e))?;
        copy(file, entry, data, segment.length)?;
    }
    file.set_len(entry.size).map_err(|e| failed(entry, &e))
}

fn copy(file: &mut File, entry: &Entry, data: &mut dyn BufRead, length: u64) -> Result<(), Error> {
    let mut left = length;
    while left > 0 {
        let buffer = match data.fill_buf() {
            Ok([]) => return Err(Error::Read(ErrorKind::UnexpectedEof.into())),
            Ok(buffer) => buffer,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(Error::Read(e)),
        };
        let n = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        file.write_all(&buffer[..n]).map_err(|e| failed(entry, &e))?;
        data.consume(n);
        left -= n as u64;
    }
    Ok(())
}

fn failed(entry: &Entry, e: &std::io::Error) -> Error {
    Error::write("write", &entry.path)(Errno::from_io_error(e).unwrap_or(Errno::IO))
}
