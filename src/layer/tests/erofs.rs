//! The EROFS form beside the directory form: whatever archive a test unpacks, both must be the same.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use lay_store::{Digest, Layer, LayerForm, Store};
use tempfile::TempDir;

use super::{list, unpack};
use crate::layer::Error;
use crate::layer::tests::archive::Archive;
use crate::snapshot::Snapshot;

/// Unpacks into an image and compares with what the directory form gave.
pub(super) fn same(blob: &[u8], diff_id: &Digest, directory: &Result<Layer, Error>) {
    let temp = TempDir::new().unwrap();
    let store = Store::open(temp.path()).unwrap();
    let image = unpack(&store, blob, diff_id, LayerForm::Erofs);
    match (directory, image) {
        (Ok(directory), Ok(image)) => {
            check(&image.path);
            // Two images of one archive are the same bytes.
            let again = Store::open(&temp.path().join("again")).unwrap();
            let again = unpack(&again, blob, diff_id, LayerForm::Erofs).unwrap();
            assert!(
                std::fs::read(&image.path).unwrap() == std::fs::read(&again.path).unwrap(),
                "not deterministic"
            );
            compare(directory, image);
        }
        (Err(directory), Err(image)) => assert_eq!(directory.to_string(), image.to_string()),
        // Without root a directory can't have other owners; an image can.
        (Err(Error::Write { .. }), Ok(_)) if super::skip() => {}
        (directory, image) => panic!("directory: {directory:?}, image: {image:?}"),
    }
}

/// Mounts the image and lists both.
fn compare(directory: &Layer, image: Layer) {
    if super::skip() {
        return;
    }
    let snapshot = Snapshot { layers: vec![image], ..Snapshot::default() };
    let mounted = match snapshot.peek() {
        Ok(mounted) => mounted,
        Err(e) if !Path::new("/sys/fs/erofs").exists() => {
            eprintln!("skipped: this kernel has no EROFS: {e}");
            return;
        }
        Err(e) => panic!("{e:?}"),
    };
    let root = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsFd::as_fd(&mounted).as_raw_fd()));
    let (expected, found) = (list(&directory.path), list(&root.join(".")));
    for (path, item) in &expected {
        assert_eq!(found.get(path), Some(item), "{path}");
    }
    assert_eq!(found.len(), expected.len());
}

/// The checker of erofs-utils has nothing to say.
fn check(image: &Path) {
    match Command::new("fsck.erofs").arg(image).output() {
        Ok(output) => {
            let text = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            let clean = output.status.success() && !text.contains("<E>") && !text.contains("<W>");
            assert!(clean, "fsck.erofs: {text}");
        }
        Err(e) => eprintln!("skipped: fsck.erofs: {e}"),
    }
}

#[test]
fn files_around_the_size_of_a_block() {
    let bench = super::Bench::new();
    let mut archive = Archive::new();
    for size in [0, 1, 4031, 4032, 4033, 4095, 4096, 4097, 8191, 8192, 12_345, 300_000] {
        let data: String = (0..size).map(|n| char::from(b'a' + (n % 23) as u8)).collect();
        archive = archive.file(format!("dir/file{size}"), &data);
    }
    bench.plain(archive).unwrap();
}

#[test]
fn a_directory_of_many_names() {
    let bench = super::Bench::new();
    let mut archive = Archive::new();
    for n in 0..5_000 {
        archive = archive.file(format!("many/{n:0width$}", width = 5 + n % 80), "");
    }
    bench.plain(archive).unwrap();
}

/// Against nothing but itself: as directories these would take minutes.
#[test]
fn a_hundred_thousand_names_and_a_file_over_four_gigabytes() {
    let temp = TempDir::new().unwrap();
    let store = Store::open(temp.path()).unwrap();
    let mut archive = Archive::new();
    for n in 0..100_000 {
        archive = archive.file(format!("many/{n:06}"), "");
    }
    // 5 GiB of which only the last three bytes are no hole (GNU.sparse, version 0.1).
    let size = (5u64 << 30).to_string();
    let map = format!("{},3", (5u64 << 30) - 3);
    archive = archive.pax(&[
        ("GNU.sparse.size", size.as_bytes()),
        ("GNU.sparse.numblocks", b"1"),
        ("GNU.sparse.map", map.as_bytes()),
    ]);
    let bytes = archive.file("huge", "end").bytes();
    let image = unpack(&store, bytes.as_slice(), &Digest::of(&bytes), LayerForm::Erofs).unwrap();
    check(&image.path);
    if super::skip() {
        return;
    }
    let mounted = Snapshot { layers: vec![image], ..Snapshot::default() }.peek().unwrap();
    let root = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsFd::as_fd(&mounted).as_raw_fd()));
    assert_eq!(std::fs::read_dir(root.join("many")).unwrap().count(), 100_000);
    assert!(root.join("many/077777").is_file() && !root.join("many/100000").exists());
    let mut huge = std::fs::File::open(root.join("huge")).unwrap();
    use std::io::{Read, Seek, SeekFrom};
    assert_eq!(huge.metadata().unwrap().len(), 5 << 30);
    huge.seek(SeekFrom::Start((5 << 30) - 5)).unwrap();
    let mut end = Vec::new();
    huge.read_to_end(&mut end).unwrap();
    assert_eq!(end, b"\0\0end");
}
