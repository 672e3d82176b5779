//! What `cargo fuzz` runs (see `fuzz/`).

use std::io::{BufReader, Read};

use super::entry::FormWriter;
use super::{erofs, tar};

/// Reads an archive with all its data; tells how many entries there were before its end or its first error.
pub fn read_archive(data: &[u8]) -> usize {
    let mut reader = tar::Reader::new(BufReader::new(data));
    let mut entries = 0;
    while let Ok(Some(entry)) = reader.next_entry() {
        let mut content = Vec::new();
        let _ = reader.data().take(1 << 20).read_to_end(&mut content);
        assert!(content.len() as u64 <= entry.stored());
        entries += 1;
    }
    entries
}

/// Writes an archive as an EROFS image; none if it is refused.
pub fn write_erofs(data: &[u8]) -> Option<Vec<u8>> {
    let file = tempfile::NamedTempFile::new_in("/dev/shm").ok()?;
    let mut writer = erofs::Writer::new(file.path()).ok()?;
    let mut reader = tar::Reader::new(BufReader::new(data));
    while let Some(entry) = reader.next_entry().ok()? {
        // Large holes would only take time.
        if entry.size > 64 << 20 {
            return None;
        }
        writer.entry(&entry, &mut reader.data()).ok()?;
    }
    writer.finish().ok()?;
    std::fs::read(file.path()).ok()
}
