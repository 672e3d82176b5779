//! Maps of sparse files (GNU tar's manual, "Storing Sparse Files").

use tar::{EntryType, Header};

use super::{Archive, gives, refuses, run};

/// GNU tar ends a map with an empty segment at the end of the file, and without it the file with its data.
const UNENDED: &str = "it ends the file with the last segment";
/// What most of these are.
const HOLES: &str = "s=[1024 zeros 512 d 2560 zeros], z=2";
const BLOCK: [u8; 512] = [b'd'; 512];

/// GNU's old format: pairs in the header, `stored` bytes of data, blocks with more pairs before them.
fn old(pairs: &[(u64, u64)], size: u64, more: &[u8], data: &[u8]) -> Archive {
    let mut header = Header::new_gnu();
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[..1].copy_from_slice(b"s");
    for (place, (offset, length)) in gnu.sparse.iter_mut().zip(pairs) {
        place.offset.copy_from_slice(format!("{offset:011o}\0").as_bytes());
        place.numbytes.copy_from_slice(format!("{length:011o}\0").as_bytes());
    }
    gnu.realsize.copy_from_slice(format!("{size:011o}\0").as_bytes());
    gnu.isextended = [u8::from(!more.is_empty())];
    header.set_entry_type(EntryType::GNUSparse);
    header.set_mode(0o644);
    header.set_uid(1);
    header.set_gid(2);
    header.set_mtime(1000);
    header.set_size(data.len() as u64);
    header.set_cksum();
    let mut padded = data.to_vec();
    padded.resize(data.len().next_multiple_of(512), 0);
    Archive::new().raw(header.as_bytes()).raw(more).raw(&padded).file("z", "2")
}

/// One of the formats that travel in PAX headers.
fn pax(records: &[(&str, &str)], data: &[u8]) -> Archive {
    let records: Vec<_> = records.iter().map(|(key, value)| (*key, value.as_bytes())).collect();
    Archive::new().pax(&records).add("s", EntryType::Regular, "", data, |_| ()).file("z", "2")
}

fn version_0_1(size: &str, map: &str, data: &[u8]) -> Archive {
    pax(&[("GNU.sparse.size", size), ("GNU.sparse.map", map)], data)
}

fn version_1(size: &str, map: &str, data: &[u8]) -> Archive {
    let mut all = map.as_bytes().to_vec();
    all.resize(all.len().next_multiple_of(512), 0);
    all.extend(data);
    let major = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")];
    pax(&[&major[..], &[("GNU.sparse.name", "s"), ("GNU.sparse.realsize", size)]].concat(), &all)
}

#[test]
fn the_old_format() {
    run([
        gives("a hole, data, a hole", old(&[(1024, 512), (4096, 0)], 4096, b"", &BLOCK), HOLES)
            .umoci("it does not know the type"),
        gives("nothing but a hole", old(&[(700, 0)], 700, b"", b""), "s=[700 zeros], z=2")
            .umoci("it does not know the type"),
        gives("nothing", old(&[], 0, b"", b""), "s=, z=2").umoci("it does not know the type"),
        refuses(
            "overlapping",
            old(&[(0, 512), (511, 512)], 4096, b"", &[BLOCK, BLOCK].concat()),
            "layer entry \"s\": sparse map that is out of order or exceeds the file",
        )
        .tar("it writes each part where it says"),
        refuses(
            "not in order",
            old(&[(1024, 512), (0, 512)], 4096, b"", &[BLOCK, BLOCK].concat()),
            "layer entry \"s\": sparse map that is out of order or exceeds the file",
        )
        .tar("it writes each part where it says"),
        refuses(
            "beyond its size",
            old(&[(4096, 512)], 4096, b"", &BLOCK),
            "layer entry \"s\": sparse map that is out of order or exceeds the file",
        ),
        refuses(
            "more than there is data",
            old(&[(0, 1024)], 4096, b"", &BLOCK),
            "layer entry \"s\": sparse map that disagrees with the size",
        ),
        refuses(
            "less than there is data",
            old(&[(0, 100)], 4096, b"", &BLOCK),
            "layer entry \"s\": sparse map that disagrees with the size",
        )
        .tar("it skips the rest"),
        refuses(
            "more blocks of it than the archive has",
            old(&[(0, 512)], 600, &[b'1'; 512], b""),
            "malformed archive at byte 1536: malformed sparse map",
        )
        .tar("it warns"),
    ]);
}

#[test]
fn formats_of_pax() {
    let offset = |numbers: &[(&'static str, &'static str)]| {
        pax(&[&[("GNU.sparse.size", "4096"), ("GNU.sparse.numblocks", "1")], numbers].concat(), &BLOCK)
    };
    let (at, bytes) = (("GNU.sparse.offset", "1024"), ("GNU.sparse.numbytes", "512"));
    run([
        gives("0.0", offset(&[at, bytes]), HOLES).tar(UNENDED),
        refuses(
            "0.0 without a length",
            offset(&[at]),
            "malformed archive at byte 1024: sparse map that disagrees with its count",
        ),
        refuses(
            "0.0 with the length first",
            offset(&[bytes, at]),
            "malformed archive at byte 0: sparse map out of order",
        ),
        refuses(
            "0.0 with two offsets",
            offset(&[at, at, bytes]),
            "malformed archive at byte 0: sparse map out of order",
        )
        .tar("it takes the last"),
        gives("0.1", offset(&[("GNU.sparse.map", "1024,512")]), HOLES).tar(UNENDED),
        refuses(
            "0.1 with half a pair",
            offset(&[("GNU.sparse.map", "1024,512,9")]),
            "layer entry \"s\": sparse map with half an entry",
        ),
        refuses(
            "0.1 with letters",
            offset(&[("GNU.sparse.map", "1024,x")]),
            "malformed archive at byte 0: malformed sparse map",
        ),
        refuses(
            "0.1 with another number of pairs",
            offset(&[("GNU.sparse.map", "0,256,1024,256")]),
            "malformed archive at byte 1024: sparse map that disagrees with its count",
        ),
        refuses(
            "overlapping",
            version_0_1("4096", "0,512,511,512", &[BLOCK, BLOCK].concat()),
            "layer entry \"s\": sparse map that is out of order or exceeds the file",
        ),
        refuses(
            "not in order",
            version_0_1("4096", "1024,512,0,512", &[BLOCK, BLOCK].concat()),
            "layer entry \"s\": sparse map that is out of order or exceeds the file",
        ),
        refuses(
            "beyond its size",
            version_0_1("4096", "4000,512", &BLOCK),
            "layer entry \"s\": sparse map that is out of order or exceeds the file",
        ),
        refuses(
            "that wraps",
            version_0_1("4096", "18446744073709551615,2", &BLOCK),
            "layer entry \"s\": sparse map that is out of order or exceeds the file",
        ),
        refuses(
            "more than there is data",
            version_0_1("4096", "0,1024", &BLOCK),
            "layer entry \"s\": sparse map that disagrees with the size",
        ),
        refuses(
            "over 16 TiB, of nothing",
            version_0_1("4611686018427387904", "", b""),
            "malformed archive at byte 1024: sparse file of an unknown format",
        )
        .umoci("Go takes an empty map for none"),
        gives("1.0", version_1("4096", "2\n1024\n512\n4096\n0\n", &BLOCK), HOLES),
        refuses(
            "1.0 with letters",
            version_1("4096", "1\nx\n512\n", &BLOCK),
            "malformed archive at byte 2048: malformed sparse map",
        ),
        refuses(
            "1.0 with fewer numbers than it says",
            version_1("4096", "2\n1024\n512\n", &BLOCK),
            "malformed archive at byte 2560: malformed sparse map",
        ),
        refuses(
            "1.0 with a count that wraps",
            version_1("4096", "9223372036854775808\n0\n", &BLOCK),
            "malformed archive at byte 2048: malformed sparse map",
        ),
        refuses(
            "1.0 without a map",
            pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "9")], b""),
            "malformed archive at byte 1536: malformed sparse map",
        ),
        refuses(
            "2.0",
            pax(&[("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "9")], b""),
            "malformed archive at byte 1024: sparse file of an unknown format",
        )
        .umoci("Go takes it for a file without holes"),
        refuses(
            "without a size",
            pax(&[("GNU.sparse.map", "0,512")], &BLOCK),
            "malformed archive at byte 1024: sparse file without size",
        ),
        refuses(
            "upwards by its own name",
            pax(
                &[
                    ("GNU.sparse.major", "1"),
                    ("GNU.sparse.minor", "0"),
                    ("GNU.sparse.realsize", "0"),
                    ("GNU.sparse.name", "../s"),
                ],
                b"0\n",
            ),
            "malformed archive at byte 1536: malformed sparse map",
        ),
        refuses(
            "of a symlink",
            Archive::new().pax(&[("GNU.sparse.size", b"9"), ("GNU.sparse.map", b"")]).symlink("s", "t"),
            "malformed archive at byte 1024: sparse file of an unknown format",
        )
        .umoci("Go ignores it"),
    ]);
}
