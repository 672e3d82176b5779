//! The same archives through GNU tar.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use lay_store::{Digest, LayerForm, Store};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, makedev, mknodat, setxattr};
use tempfile::TempDir;

use super::{list, skip, unpack};

/// Runs GNU tar.
fn tar(args: &[&str]) {
    let output = Command::new("tar").args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn skip_without_tar() -> bool {
    let version = Command::new("tar").arg("--version").output();
    let gnu = version.is_ok_and(|output| output.stdout.starts_with(b"tar (GNU tar)"));
    if !gnu {
        eprintln!("skipped: needs GNU tar");
    }
    !gnu || skip()
}

/// A tree with everything that archives can hold.
fn make_tree(at: &Path) {
    let long = at.join("long").join("n".repeat(200)).join("m".repeat(200));
    fs::create_dir_all(&long).unwrap();
    fs::write(long.join("file"), "x").unwrap();
    symlink("t".repeat(300), at.join("long link")).unwrap();
    for (n, mode) in [0o644, 0o4755, 0o2711, 0o1600, 0o0].into_iter().enumerate() {
        let path = at.join(format!("file{n}"));
        fs::write(&path, vec![b'a'; n * 700]).unwrap();
        let id = [0, 1000, 65_534, 3_000_000, 4_294_967_294][n];
        chown(&path, Some(id), Some(id / 2)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        fs::hard_link(&path, at.join(format!("hard{n}"))).unwrap();
    }
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    setxattr(at.join("file1"), "security.capability", &capability, XattrFlags::empty()).unwrap();
    setxattr(at.join("long"), "user.note", b"on a directory", XattrFlags::empty()).unwrap();
    let mut sparse = File::create(at.join("sparse")).unwrap();
    for offset in [1 << 20, 5 << 20, 9 << 20] {
        sparse.seek(std::io::SeekFrom::Start(offset)).unwrap();
        std::io::Write::write_all(&mut sparse, b"data").unwrap();
    }
    sparse.set_len(12 << 20).unwrap();
    let node = |name: &str, kind, device| mknodat(CWD, at.join(name), kind, Mode::RUSR, device).unwrap();
    node("null", FileType::CharacterDevice, makedev(1, 3));
    node("disk", FileType::BlockDevice, makedev(259, 70_000));
    node("pipe", FileType::Fifo, 0);
    fs::create_dir(at.join("empty")).unwrap();
    fs::set_permissions(at.join("empty"), fs::Permissions::from_mode(0o2770)).unwrap();
}

#[test]
fn archives_of_gnu_tar_give_what_gnu_tar_gives() {
    if skip_without_tar() {
        return;
    }
    let temp = TempDir::new().unwrap();
    let tree = temp.path().join("tree");
    fs::create_dir(&tree).unwrap();
    make_tree(&tree);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let formats: [&[&str]; 5] = [
        &["--format=posix", "--xattrs"],
        &["--format=posix", "--xattrs", "--sparse"],
        &["--format=posix", "--sparse", "--sparse-version=0.1"],
        &["--format=gnu", "--sparse"],
        &["--format=posix", "--sparse", "--sparse-version=0.0"],
    ];
    for (n, format) in formats.into_iter().enumerate() {
        let file = temp.path().join(format!("{n}.tar"));
        let (file_text, tree_text) = (text(&file), text(&tree));
        let create = ["--create", "--numeric-owner", "--file", &file_text, "--directory", &tree_text];
        tar(&[&create, format, &["."]].concat());
        compare(&file, &temp.path().join(n.to_string()));
    }
}

/// The blob that `LAY_TEST_LAYER` names: a real image's layer without whiteouts, compressed or not.
#[test]
fn a_real_layer_gives_what_gnu_tar_gives() {
    if skip_without_tar() {
        return;
    }
    let Some(blob) = std::env::var_os("LAY_TEST_LAYER") else {
        eprintln!("skipped: LAY_TEST_LAYER names no layer");
        return;
    };
    let temp = TempDir::new().unwrap();
    compare(&PathBuf::from(blob), temp.path());
}

/// Unpacks a blob here and with GNU tar, both below `at`.
fn compare(blob: &Path, at: &Path) {
    let theirs = at.join("theirs");
    fs::create_dir_all(&theirs).unwrap();
    let (blob_text, to) = (blob.to_str().unwrap(), theirs.to_str().unwrap());
    let extract = ["--extract", "--preserve-permissions", "--same-owner", "--numeric-owner"];
    // Else a symlink that it makes late changes the time of a directory that it has finished.
    let from = [
        "--delay-directory-restore",
        "--xattrs",
        "--xattrs-include=*",
        "--file",
        blob_text,
        "--directory",
        to,
    ];
    tar(&[&extract[..], &from].concat());

    let mut inflated = Vec::new();
    super::super::inflate(File::open(blob).unwrap()).unwrap().read_to_end(&mut inflated).unwrap();
    let store = Store::open(&at.join("store")).unwrap();
    let start = std::time::Instant::now();
    let layer =
        unpack(&store, File::open(blob).unwrap(), &Digest::of(&inflated), LayerForm::Directory).unwrap();
    eprintln!("unpacked in {:?}", start.elapsed());

    let (theirs, ours) = (list(&theirs), list(&layer.path));
    eprintln!("{} entries compared", theirs.len());
    let names = |listing: &super::Listing| listing.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&theirs), names(&ours));
    for (path, item) in &theirs {
        // Contents would flood the terminal.
        let mut ours = ours[path].clone();
        assert!(item.content == ours.content, "content of {path:?}");
        // Directories that the archive does not mention: GNU tar lets the clock decide.
        if ours.kind == "directory" && ours.mtime == (0, 0) {
            ours.mtime = item.mtime;
        }
        assert_eq!(*item, ours, "{path:?}");
    }
}
