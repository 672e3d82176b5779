//! Masked and read-only paths, and the read-only root.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, makedev};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags as Attr;

use super::attach::{empty, put};
use super::places::{directory, open};
use super::{Named, Outcome};
use crate::kernel::mount::{Change, clone_at, set_attributes};
use crate::runtime::plan::Plan;

/// Hides what is to be hidden and makes read-only what may only be read.
pub(super) fn restrict(plan: &Plan) -> Outcome<()> {
    for path in &plan.read_only {
        read_only(path)?;
    }
    let mut nothing = None;
    for path in &plan.masked {
        mask(path, &mut nothing)?;
    }
    if plan.read_only_root {
        let step = || "make the root read-only".to_string();
        let root = open(Path::new("/")).step(step)?;
        set_attributes(&root, &Change { set: Attr::MOUNT_ATTR_RDONLY, ..Change::default() }, false)
            .step(step)?;
    }
    Ok(())
}

/// What the kernel does not have needs no restriction.
fn existing(path: &Path) -> Outcome<Option<OwnedFd>> {
    match open(path) {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        result => result.map(Some).step(|| format!("open {}", path.display())),
    }
}

fn read_only(path: &Path) -> Outcome<()> {
    let step = || format!("make {} read-only", path.display());
    let Some(target) = existing(path)? else { return Ok(()) };
    let clone = clone_at(target.as_fd(), Path::new(""), true).step(step)?;
    let change = Change { set: Attr::MOUNT_ATTR_RDONLY, ..Change::default() };
    set_attributes(&clone, &change, true).step(step)?;
    put(&clone, &target).step(step)
}

/// Covers a directory with an empty one and a file with `/dev/null`. `nothing` is the empty directory's mount, of which
/// all later ones are clones.
fn mask(path: &Path, nothing: &mut Option<OwnedFd>) -> Outcome<()> {
    let step = || format!("mask {}", path.display());
    let Some(target) = existing(path)? else { return Ok(()) };
    if !directory(&target).step(step)? {
        let null = null().step(|| format!("mask {}: /dev/null is something else", path.display()))?;
        let clone = clone_at(null.as_fd(), Path::new(""), false).step(step)?;
        return put(&clone, &target).step(step);
    }
    match nothing {
        Some(mounted) => {
            let clone = clone_at(mounted.as_fd(), Path::new(""), false).step(step)?;
            put(&clone, &target).step(step)
        }
        None => {
            let mount = empty().step(step)?;
            put(&mount, &target).step(step)?;
            *nothing = Some(mount);
            Ok(())
        }
    }
}

/// `/dev/null`, and nothing that the container put in its place.
fn null() -> Result<OwnedFd, Errno> {
    let null = open(Path::new("/dev/null"))?;
    let stat = rustix::fs::statat(&null, "", AtFlags::EMPTY_PATH)?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    if is_device && stat.st_rdev == makedev(1, 3) { Ok(null) } else { Err(Errno::NODEV) }
}
