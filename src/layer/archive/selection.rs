//! Archives of a part of a tree: what one tree has that another has not.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Archive, Change, failed};
use crate::layer::error::Error;

/// Archives the named entries of a tree, in the order of their paths, and whiteouts for those that are said to be gone; the
/// directories on the way come with them, since they would have other owners and modes else. No time is after `newest`.
///
/// # Errors
/// As [`super::changes`].
pub fn selection(
    root: &Path,
    entries: &BTreeMap<PathBuf, Change>,
    newest: i64,
    out: impl Write,
) -> Result<(), Error> {
    let mut all = BTreeMap::from([(PathBuf::new(), Change::Present)]);
    for (path, change) in entries {
        for parent in path.ancestors().skip(1) {
            all.entry(parent.to_path_buf()).or_insert(Change::Present);
        }
        all.insert(path.clone(), *change);
    }
    let mut archive = Archive { newest: Some(newest), ..Archive::new(out, false) };
    for (path, change) in &all {
        if *change == Change::Deleted {
            let mut hidden = b".wh.".to_vec();
            hidden.extend(path.file_name().unwrap_or_default().as_bytes());
            archive.marker(&path.with_file_name(OsStr::from_bytes(&hidden)))?;
            continue;
        }
        let at = root.join(path);
        let meta = fs::symlink_metadata(&at).map_err(failed("examine", path))?;
        let name = if path.as_os_str().is_empty() { Path::new("./") } else { path };
        archive.entry(&at, name, &meta)?;
    }
    archive.tar.finish().map_err(Error::Read)
}
