//! Archives that nobody thought of.

use proptest::prelude::*;
use tar::EntryType;

use super::super::entry::{Entry, Kind};
use super::super::tar::Reader;
use super::{Archive, Bench, Error, skip};

/// Few names, so that entries meet.
const NAMES: [&str; 10] = ["a", "b", "c", "a/b", "b/a", "a/b/c", "/b/c/", "./c/a/b", "c/c", "b/b/b/a"];
/// Inside, outside and in circles.
const TARGETS: [&str; 9] = ["a", "b/a", "c", "..", "../../..", "/", "/a/../../b", "../c", "a/b/c"];

/// One more entry.
fn add(archive: Archive, (kind, name, other): (u8, usize, usize)) -> Archive {
    let (name, target) = (NAMES[name], TARGETS[other]);
    let whiteout = || match name.trim_end_matches('/').rsplit_once('/') {
        Some((parent, name)) => format!("{parent}/.wh.{name}"),
        None => format!(".wh.{name}"),
    };
    match kind {
        0 | 1 => archive.dir(name),
        2 => archive.file(name.trim_end_matches('/'), "content"),
        3 | 4 => archive.symlink(name, target),
        5 => archive.link(name, NAMES[other]),
        6 => archive.file(whiteout(), ""),
        7 => archive.file(format!("{name}/.wh..wh..opq"), ""),
        _ => archive.add(name, EntryType::Fifo, "", b"", |_| ()),
    }
}

/// What every writer relies on.
fn check(entry: &Entry) {
    let parts = || entry.path.split(|b| *b == b'/');
    assert!(entry.path.is_empty() || parts().all(|part| !part.is_empty() && part != b"." && part != b".."));
    assert!(entry.path.len() <= 4095 && parts().all(|part| part.len() <= 255) && !entry.path.contains(&0));
    assert!(!entry.path.is_empty() || matches!(entry.kind, Kind::Directory | Kind::Opaque));
    assert!(entry.mode <= 0o7777 && entry.uid != u32::MAX && entry.gid != u32::MAX);
    assert!(entry.mtime.nanos < 1_000_000_000);
    assert!(entry.size == 0 || entry.kind == Kind::File);
    let mut end = 0;
    for segment in entry.sparse.iter().flatten() {
        assert!(segment.offset >= end && segment.length > 0);
        end = segment.offset + segment.length;
    }
    assert!(end <= entry.size);
}

/// In whatever order: nothing outside changes, and what fails does so for a reason that the archive gives.
#[test]
fn no_order_of_entries_leads_outside() {
    if skip() {
        return;
    }
    let entries = prop::collection::vec((0u8..9, 0..NAMES.len(), 0..TARGETS.len()), 1..25);
    proptest!(ProptestConfig { cases: 200, ..ProptestConfig::default() }, |(entries in entries)| {
        let result = Bench::new().plain(entries.into_iter().fold(Archive::new(), add));
        prop_assert!(matches!(result, Ok(_) | Err(Error::Entry { .. })), "{result:?}");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// The reader neither panics nor gives what it promises not to, whatever a header holds.
    #[test]
    fn no_header_confuses_the_reader(
        kind in prop::sample::select(b"\x000123456gxLKS7".to_vec()),
        changes in prop::collection::vec((0usize..1536, any::<u8>()), 0..12),
        size in 0u64..1100,
    ) {
        let body = b"20 path=a/b/c/d/e/f\n26 GNU.sparse.map=0,5,9,1\n";
        let bytes = Archive::new().add("a/b", EntryType::new(kind), "c/d", body, |h| h.set_size(size)).file("f", "x");
        let mut bytes = bytes.bytes();
        for (at, byte) in changes {
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
        }
        let sum: u32 = bytes[..148].iter().chain(&[b' '; 8]).chain(&bytes[156..512]).map(|b| u32::from(*b)).sum();
        bytes[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let mut reader = Reader::new(bytes.as_slice());
        while let Ok(Some(entry)) = reader.next_entry() {
            check(&entry);
        }
    }
}
