//! Files that appear whole or not at all.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Replaces a file in one step; what is on the way has a name of its own, so that two who write at once do not take each other's
/// half. Nothing is synced. A new file gets those bits of `mode` that umask(2) leaves.
///
/// # Errors
/// When the disk is full or refuses; the old file is as it was then.
pub fn replace(path: &Path, data: &[u8], mode: u32) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut new = tempfile::Builder::new();
    let mut file = new.prefix(".tmp-").permissions(Permissions::from_mode(mode)).tempfile_in(dir)?;
    file.write_all(data)?;
    file.persist(path).map(drop).map_err(|e| e.error)
}
