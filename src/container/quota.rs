//! `--storage-opt size=…`: a bound on a container's writable layer.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::io::Errno;

use super::error::Error;
use super::files::on;
use super::launch::Environment;
use super::record::{Container, Record};
use super::resources::parse_bytes;
use super::rootfs::snapshot;
use crate::kernel::quota;

/// Reads the values of `--storage-opt`; the size in bytes.
///
/// # Errors
/// [`Error::Flag`] for another option than `size`, or a size that is none.
pub fn parse_storage(options: &[String]) -> Result<Option<u64>, Error> {
    let mut size = None;
    for option in options {
        let bad = |reason: &str| Error::Flag {
            flag: "--storage-opt",
            value: option.clone(),
            reason: reason.to_string(),
        };
        let Some(("size", value)) = option.split_once('=') else { return Err(bad("it is size=BYTES")) };
        let bytes = parse_bytes(value).ok().and_then(|bytes| u64::try_from(bytes).ok());
        size = Some(bytes.filter(|bytes| *bytes > 0).ok_or_else(|| bad("expected a size such as 1g"))?);
    }
    Ok(size)
}

/// Makes the writable layer at once where it is to be bounded, so that a file system that cannot do it refuses the container and
/// not its start.
pub(super) fn prepare(env: &Environment, container: &Container) -> Result<(), Error> {
    match container.record.options.storage_size {
        Some(_) => snapshot(env, container).map(drop),
        None => Ok(()),
    }
}

/// Makes the directory of a writable layer that is to be bounded, before anything is in it.
pub(super) fn bound(record: &Record, dir: &Path) -> Result<(), Error> {
    let Some(bytes) = record.options.storage_size else { return Ok(()) };
    DirBuilder::new().mode(0o700).create(dir).map_err(on("create", dir))?;
    let bounded = File::open(dir).map_err(on("open", dir)).and_then(|file| {
        let project = project(&file, &record.id).map_err(|e| refused(dir, e))?;
        quota::bound(&file, project, bytes).map_err(|e| refused(dir, e))
    });
    if bounded.is_err() {
        fs::remove_dir(dir).map_err(on("remove", dir))?;
    }
    bounded
}

/// Takes the bound away before the layer is removed, so that the file system forgets it.
pub(super) fn unbound(record: &Record, dir: &Path) {
    if record.options.storage_size.is_none() {
        return;
    }
    if let Ok(file) = File::open(dir)
        && let Err(error) = quota::unbound(&file)
    {
        tracing::warn!(%error, dir = %dir.display(), "quota stays");
    }
}

/// A free number for the project, out of the container's id: high ones, which people do not give by hand.
fn project(dir: &File, id: &str) -> Result<u32, Errno> {
    let digits = id.as_bytes().chunks_exact(8).filter_map(|chunk| std::str::from_utf8(chunk).ok());
    for number in digits.filter_map(|text| u32::from_str_radix(text, 16).ok()) {
        let project = 0x4000_0000 | (number & 0x3fff_ffff);
        if quota::is_free(dir, project)? {
            return Ok(project);
        }
    }
    Err(Errno::EXIST)
}

fn refused(dir: &Path, reason: Errno) -> Error {
    match reason {
        Errno::NOSYS | Errno::SRCH | Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL | Errno::PERM => {
            Error::NoQuota { path: dir.parent().unwrap_or(dir).to_path_buf(), reason }
        }
        other => on("bound", dir)(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let parse = |text: &str| parse_storage(&[text.to_string()]);
        assert_eq!(parse("size=1g").unwrap(), Some(1 << 30));
        for bad in ["size", "size=", "size=0", "size=-1", "colour=red"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
