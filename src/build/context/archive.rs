//! A context on standard input: an archive, or a Containerfile alone.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::layer;

/// Where an archive's header says what it is (ustar, POSIX.1-1988).
const MAGIC_AT: usize = 257;

/// Reads standard input. An archive, compressed or not, is unpacked into `dir`; anything else is a Containerfile, which
/// is returned, and the context is empty.
pub fn receive(dir: &Path, room: u64) -> Result<Option<Vec<u8>>, String> {
    fs::create_dir_all(dir).map_err(|e| e.to_string())?;
    let mut stdin = io::stdin();
    let mut start = Vec::new();
    stdin.by_ref().take(512).read_to_end(&mut start).map_err(|e| e.to_string())?;
    let compressed = layer::Compression::of_magic(&start) != layer::Compression::Plain;
    if compressed || start.get(MAGIC_AT..MAGIC_AT + 5) == Some(b"ustar") {
        let whole = io::Cursor::new(start).chain(stdin);
        layer::extract(whole, room, dir).map_err(|e| crate::error::chain(&e))?;
        return Ok(None);
    }
    let most = crate::build::containerfile::MAX_FILE as u64;
    stdin.take(most).read_to_end(&mut start).map_err(|e| e.to_string())?;
    Ok(Some(start))
}
