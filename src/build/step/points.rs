//! Mount points of a command that the image does not have.
//!
//! They stand in a layer of their own below the one that the command writes to, so that they are not part of what it
//! leaves behind.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lay_store::{Digest, Layer, LayerForm};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::build::copy::{Node, Root, Tree, as_path};
use crate::build::error::StepError;
use crate::layer::entry::Kind;

/// What every container has mounted, and whether it is a directory.
const USUAL: [(&str, bool); 6] = [
    ("/proc", true),
    ("/sys", true),
    ("/dev", true),
    ("/etc/hosts", false),
    ("/etc/hostname", false),
    ("/etc/resolv.conf", false),
];

/// Makes a layer in `dir` of the mount points that `image` lacks; none if it has all.
///
/// # Errors
/// When one cannot be made there.
pub fn make(
    image: Option<&Root>,
    dir: &Path,
    more: &[(PathBuf, bool)],
    epoch: i64,
) -> Result<Option<Layer>, StepError> {
    let mut tree = Tree::new(image, epoch);
    let usual = USUAL.iter().map(|(path, directory)| (Path::new(*path), *directory));
    let more = more.iter().map(|(path, directory)| (path.as_path(), *directory));
    for (path, directory) in usual.chain(more) {
        // File systems that are mounted get theirs later.
        let inside = |root: &str| path != Path::new(root) && path.starts_with(root);
        if inside("/dev") || inside("/proc") || inside("/sys") {
            continue;
        }
        let at = tree.resolve(path.as_os_str().as_encoded_bytes())?;
        if tree.directory_at(&at)?.is_none() {
            let node = match directory {
                true => Node::directory(0o755, (0, 0), tree.time),
                false => Node::file(Arc::default(), 0o644, (0, 0), tree.time),
            };
            tree.put(&at, node)?;
        }
    }
    if image.is_some() && tree.is_empty() {
        return Ok(None);
    }
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(StepError::file("remove", dir))?;
    }
    tree.make_directory(b"")?;
    write(&tree, dir)?;
    Ok(Some(Layer { diff_id: Digest::of(b""), form: LayerForm::Directory, path: dir.to_path_buf() }))
}

fn write(tree: &Tree<'_>, dir: &Path) -> Result<(), StepError> {
    for (path, node) in &tree.nodes {
        let at = dir.join(as_path(path));
        let failed = |e| StepError::file("create", &at)(e);
        match node.kind {
            Kind::Directory => fs::create_dir(&at).map_err(failed)?,
            _ => drop(File::create_new(&at).map_err(failed)?),
        }
        chown(&at, Some(node.owner.0), Some(node.owner.1)).map_err(failed)?;
        fs::set_permissions(&at, Permissions::from_mode(node.mode)).map_err(failed)?;
    }
    // Last, because what is made in a directory changes its time.
    for (path, node) in tree.nodes.iter().rev() {
        let at = dir.join(as_path(path));
        let time = Timespec { tv_sec: node.mtime.secs, tv_nsec: node.mtime.nanos.into() };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, &at, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(StepError::errno("set the time of", &at))?;
    }
    Ok(())
}
