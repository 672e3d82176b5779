//! The way back: what was changed on top of a layer, archived and applied again, gives the same tree.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use lay_store::{Digest, Layer, LayerForm, Store};
use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
use tempfile::TempDir;

use super::{Listing, list, skip, unpack};
use crate::layer::archive;
use crate::snapshot::{Snapshot, create_upper};

/// Few names, so that changes meet.
const NAMES: [&str; 9] = ["a", "b", "c", "a/b", "a/c", "b/a", "a/b/c", "b/a/c", "c/c"];

/// One change; one that the file system refuses is none.
fn change(root: &Path, (what, name, other): (u8, usize, usize)) {
    let (path, to) = (root.join(NAMES[name]), root.join(NAMES[other]));
    let _ = match what {
        0 => fs::create_dir_all(&path),
        // A fifo would wait for somebody who reads.
        1 => File::options()
            .create(true)
            .write(true)
            .truncate(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path)
            .and_then(|mut file| file.write_all(format!("{name} {other}").as_bytes())),
        2 => fs::remove_dir_all(&path),
        3 => fs::remove_file(&path),
        4 => fs::rename(&path, &to),
        5 => symlink(NAMES[other], &path),
        6 => fs::hard_link(&path, &to),
        7 => fs::set_permissions(&path, fs::Permissions::from_mode([0o700, 0o4755, 0o640][other % 3])),
        8 => chown(&path, Some(other as u32 * 1_000_000), Some(7)),
        9 => setxattr(&path, "user.note", NAMES[other].as_bytes(), XattrFlags::empty()).map_err(Into::into),
        10 => mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).map_err(Into::into),
        _ => fs::remove_dir_all(&path).and_then(|()| fs::create_dir(&path)),
    };
}

fn layer_of(store: &Store, archive: &[u8], form: LayerForm) -> Layer {
    unpack(store, archive, &Digest::of(archive), form).unwrap()
}

fn root_of(mount: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/.", mount.as_raw_fd()))
}

/// A tree without the times of directories, which no archive of changes can hold for those that did not change, and
/// without inode numbers: overlayfs tells of a copied-up file now the lower one's, now its own.
fn view(root: &Path) -> Listing {
    let mut listing = list(root);
    listing.values_mut().for_each(|item| item.same_as.clear());
    for item in listing.values_mut().filter(|item| item.kind == "directory") {
        item.mtime = (0, 0);
        item.xattrs.retain(|name, _| !name.starts_with("trusted.overlay."));
    }
    listing
}

/// Names that stand for one file, by their first.
fn linked(root: &Path) -> BTreeMap<String, String> {
    let names = list(root).into_iter().filter(|(_, item)| item.links > 1 && item.kind != "character device");
    names.map(|(path, item)| (path, item.same_as)).collect()
}

fn there_and_back(base: Vec<(u8, usize, usize)>, changes: Vec<(u8, usize, usize)>, form: LayerForm) {
    let temp = TempDir::new().unwrap();
    let store = Store::open(&temp.path().join("store")).unwrap();
    let tree = temp.path().join("tree");
    fs::create_dir(&tree).unwrap();
    base.into_iter().for_each(|c| change(&tree, c));
    let mut bytes = Vec::new();
    archive::tree(&tree, &mut bytes).unwrap();
    let base = layer_of(&store, &bytes, form);
    let mut snapshot = Snapshot { layers: vec![base.clone()], ..Snapshot::default() };
    let dir = temp.path().join("rw");
    create_upper(&dir, &snapshot).unwrap();
    snapshot.upper = Some(dir.clone());
    let expected = {
        let mount = snapshot.mount(None).unwrap();
        changes.into_iter().for_each(|c| change(&root_of(&mount), c));
        view(&root_of(&mount))
    };
    let archived = || {
        let mut bytes = Vec::new();
        archive::changes(&dir.join("upper"), &mut bytes).unwrap();
        bytes
    };
    let bytes = archived();
    assert_eq!(bytes, archived(), "the same change gives the same archive");
    let top = layer_of(&store, &bytes, form);
    let other = Store::open(&temp.path().join("other")).unwrap();
    let layer_root = layer_of(&other, &bytes, LayerForm::Directory).path;
    let again = Snapshot { layers: vec![base, top], ..Snapshot::default() }.mount(None).unwrap();
    let found = view(&root_of(&again));
    for (path, item) in &expected {
        assert_eq!(found.get(path), Some(item), "{path}");
    }
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert_eq!(linked(&layer_root), linked(&dir.join("upper")), "names of the same file");
}

#[test]
fn a_layer_of_changes_gives_the_changed_tree_again() {
    if skip() {
        return;
    }
    let list = || prop::collection::vec((0u8..12, 0..NAMES.len(), 0..NAMES.len()), 1..20);
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(base in list(), changes in list(), directory in any::<bool>())| {
        there_and_back(base, changes, if directory { LayerForm::Directory } else { LayerForm::Erofs });
    });
}
