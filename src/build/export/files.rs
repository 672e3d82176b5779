//! An image's files, outside of any store.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use super::local;
use crate::build::error::{Error, StepError};
use crate::container::Environment;
use crate::image::Image;
use crate::layer::archive;
use crate::snapshot::{Files, Snapshot};

/// Writes an image's files as one archive, with their owners.
///
/// # Errors
/// When they cannot be read or the archive not be written.
pub fn write_tar(env: &Environment, image: &Image, out: &mut dyn Write) -> Result<(), Error> {
    match files(env, image)? {
        Some(files) => {
            let root = format!("/proc/self/fd/{}/.", files.as_fd().as_raw_fd());
            archive::tree(Path::new(&root), &mut *out).map_err(StepError::from)?;
        }
        None => {
            let empty = tar::Builder::new(&mut *out).into_inner().map(drop);
            empty.map_err(StepError::file("write", Path::new("the archive")))?;
        }
    }
    out.flush().map_err(StepError::file("write", Path::new("the archive")))?;
    Ok(())
}

/// Writes an image's files into a directory, which is made if it is missing. What is there already stays, unless the image
/// has something of that name; symlinks in it are not followed. All belongs to the user of this process.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write_local(env: &Environment, image: &Image, dir: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(dir).map_err(StepError::file("create", dir))?;
    match files(env, image)? {
        Some(files) => Ok(local::copy(files.as_fd(), dir)?),
        None => Ok(()),
    }
}

/// The files as they are seen; none without any layer.
fn files(env: &Environment, image: &Image) -> Result<Option<Files>, Error> {
    if image.layers.is_empty() {
        return Ok(None);
    }
    let layer = |diff_id: &lay_store::Digest| {
        let missing = || crate::container::Error::MissingLayer(*diff_id);
        env.store.layer(diff_id).ok_or_else(missing)
    };
    let layers = image.layers.iter().map(layer).collect::<Result<Vec<_>, _>>()?;
    let snapshot = Snapshot { layers, via: env.via, ..Snapshot::default() };
    Ok(Some(snapshot.peek().map_err(StepError::from)?))
}
