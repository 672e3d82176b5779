//! Whole archives. What GNU tar and Go's archive/tar say of each is in the expectations.

use tar::{Builder, Header};

use super::*;
use crate::layer::entry::{Kind, Segment};

fn header(name: &[u8], kind: u8, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_mut_bytes()[156] = kind;
    header.set_mode(0o100_644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    header
}

/// Headers and data, each data padded; no end.
fn archive(members: &[(Header, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (header, data) in members {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes
}

/// Every entry with its data.
fn read(bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, String> {
    let mut reader = Reader::new(bytes);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry().map_err(|e| e.to_string())? {
        let mut data = Vec::new();
        reader.data().read_to_end(&mut data).map_err(|e| e.to_string())?;
        assert_eq!(data.len() as u64, entry.stored());
        entries.push((entry, data));
    }
    Ok(entries)
}

fn paths(bytes: &[u8]) -> Result<Vec<String>, String> {
    Ok(read(bytes)?.into_iter().map(|(entry, _)| String::from_utf8(entry.path).unwrap()).collect())
}

fn record(key: &str, value: &str) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    builder.append_pax_extensions([(key, value.as_bytes())]).unwrap();
    let bytes = builder.into_inner().unwrap();
    let length = usize::from_str_radix(std::str::from_utf8(&bytes[124..135]).unwrap(), 8).unwrap();
    bytes[512..512 + length].to_vec()
}

#[test]
fn the_end_is_two_blocks_of_zeros_or_that_of_the_stream() {
    let one = archive(&[(header(b"a", b'0', 3), b"abc")]);
    assert_eq!(paths(b"").unwrap(), [""; 0]);
    assert_eq!(paths(&one).unwrap(), ["a"]);
    let ended = [one.as_slice(), &[0; 1024], b"anything"].concat();
    let mut reader = Reader::new(ended.as_slice());
    while reader.next_entry().unwrap().is_some() {}
    assert_eq!(reader.into_inner(), b"anything");
    let lone = [one.as_slice(), &[0; 512], &one].concat();
    assert_eq!(paths(&lone).unwrap_err(), "malformed archive at byte 1024: a lone block of zeros");
    for cut in [1, 511, 513, 600] {
        assert!(read(&one[..one.len() - cut]).is_err(), "{cut} bytes less");
    }
}

#[test]
fn old_and_unknown_types() {
    let bytes = archive(&[
        (header(b"dir/", 0, 0), b""),
        (header(b"file", 0, 1), b"x"),
        (header(b"cont", b'7', 1), b"y"),
    ]);
    let kinds: Vec<Kind> = read(&bytes).unwrap().into_iter().map(|(entry, _)| entry.kind).collect();
    assert_eq!(kinds, [Kind::Directory, Kind::File, Kind::File]);
    assert_eq!(read(&bytes).unwrap()[1].0.mode, 0o644, "type bits are cut off");
    for kind in [b'V', b'M', b'D', b'Z'] {
        let bytes = archive(&[(header(b"a", kind, 0), b"")]);
        assert_eq!(paths(&bytes).unwrap_err(), "malformed archive at byte 0: unknown type of entry");
    }
}

#[test]
fn long_names_of_each_dialect() {
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let gnu = format!("{long}\0");
    let pax = record("path", &long);
    let short = || header(b"short", b'0', 0);
    let mut prefixed = header(b"name", b'0', 0);
    prefixed.as_ustar_mut().unwrap().prefix[..6].copy_from_slice(b"prefix");
    prefixed.set_cksum();
    let by_gnu = (header(b"././@LongLink", b'L', gnu.len() as u64), gnu.as_bytes());
    let by_pax = (header(b"pax", b'x', pax.len() as u64), pax.as_slice());
    let comment = record("comment", "0123456789abcdef");
    let global = (header(b"global", b'g', comment.len() as u64), comment.as_slice());
    assert_eq!(paths(&archive(&[by_gnu.clone(), (short(), b"")])).unwrap(), [long.as_str()]);
    assert_eq!(
        paths(&archive(&[by_pax.clone(), (short(), b""), (short(), b"")])).unwrap(),
        [long.as_str(), "short"]
    );
    assert_eq!(
        paths(&archive(&[global, (short(), b""), (prefixed, b"")])).unwrap(),
        ["short", "prefix/name"]
    );
    for (members, problem) in [
        (
            vec![by_gnu.clone(), by_gnu.clone(), (short(), &b""[..])],
            "two extended headers of one kind for one entry",
        ),
        (
            vec![by_pax.clone(), by_pax.clone(), (short(), b"")],
            "two extended headers of one kind for one entry",
        ),
        (vec![by_pax], "extended header without an entry"),
    ] {
        assert!(paths(&archive(&members)).unwrap_err().ends_with(problem), "{problem}");
    }
    let other = record("path", "other");
    let members = [by_gnu, (header(b"pax", b'x', other.len() as u64), &other), (short(), b"")];
    assert!(paths(&archive(&members)).unwrap_err().ends_with("extended headers that disagree on a name"));
}

#[test]
fn headers_are_limited_before_they_are_read() {
    for kind in [b'x', b'g', b'L', b'K'] {
        let bytes = archive(&[(header(b"a", kind, (1 << 20) + 1), b"")]);
        assert_eq!(paths(&bytes).unwrap_err(), "malformed archive at byte 0: extended header over 1 MiB");
    }
}

#[test]
fn a_sparse_map_may_fill_its_block() {
    // Format 1.0: one line each for the count, the offset and the length, here 512 bytes in all.
    let map = format!("1\n{:0>505}\n512\n", 1024);
    assert_eq!(map.len(), 512);
    let data = [map.as_bytes(), &[b'd'; 512]].concat();
    let pax = [
        record("GNU.sparse.major", "1"),
        record("GNU.sparse.minor", "0"),
        record("GNU.sparse.name", "real"),
        record("GNU.sparse.realsize", "4096"),
    ]
    .concat();
    let members =
        [(header(b"pax", b'x', pax.len() as u64), pax.as_slice()), (header(b"a", b'0', 1024), &data)];
    let entries = read(&archive(&members)).unwrap();
    let (entry, data) = &entries[0];
    assert_eq!((entry.path.as_slice(), entry.size), (&b"real"[..], 4096));
    assert_eq!(entry.sparse, Some(vec![Segment { offset: 1024, length: 512 }]));
    assert_eq!(data, &[b'd'; 512]);
}

#[test]
fn a_wrong_checksum_is_refused() {
    let mut bytes = archive(&[(header(b"a", b'0', 0), b"")]);
    bytes[0] = b'b';
    assert_eq!(paths(&bytes).unwrap_err(), "malformed archive at byte 0: wrong header checksum");
}

#[test]
fn content_of_a_whiteout_is_skipped() {
    let bytes = archive(&[
        (header(b"d/.wh.f", b'0', 7), b"content"),
        (header(b"d/.wh..wh..opq", b'0', 600), &[1; 600]),
        (header(b"g", b'0', 1), b"2"),
    ]);
    let entries = read(&bytes).unwrap();
    let kinds: Vec<_> = entries.iter().map(|(entry, _)| &entry.kind).collect();
    assert_eq!(kinds, [&Kind::Whiteout, &Kind::Opaque, &Kind::File]);
    assert_eq!(entries[2].1, b"2");
}
