//! Entries as files of a directory.

use std::path::Path;

use crate::build::copy::{Digests, Tree, write};
use crate::build::error::StepError;
use crate::layer;

/// Writes a tree into an empty directory.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write_directory(tree: &Tree<'_>, digests: &mut Digests, dir: &Path) -> Result<(), StepError> {
    let failed = StepError::file("write in", dir);
    let mut file = tempfile::tempfile().map_err(failed)?;
    write(tree, digests, &mut file)?;
    std::io::Seek::rewind(&mut file).map_err(StepError::file("read in", dir))?;
    Ok(layer::extract(file, u64::MAX, dir)?)
}
