//! Sizes that lie.

use tar::{EntryType, Header};

use super::{Archive, gives, refuses, run};

fn sized(kind: EntryType, size: [u8; 12]) -> Archive {
    let change = |h: &mut Header| h.as_ustar_mut().unwrap().size = size;
    Archive::new().add("f", kind, "", b"", change).file("g", "2")
}

/// A number in GNU's base-256.
fn binary(number: i64) -> [u8; 12] {
    let mut size = [if number < 0 { 0xff } else { 0 }; 12];
    size[4..].copy_from_slice(&number.to_be_bytes());
    size[0] |= 0x80;
    size
}

#[test]
fn sizes() {
    const END: &str = "cannot read the layer: the archive ends in the middle of an entry";
    const MALFORMED: &str = "malformed archive at byte 0: malformed size";
    run([
        refuses("minus one", sized(EntryType::Regular, binary(-1)), MALFORMED),
        refuses("the least of all", sized(EntryType::Regular, binary(i64::MIN)), MALFORMED),
        refuses("more than 64 bits", sized(EntryType::Regular, [0xbf; 12]), MALFORMED),
        refuses("larger than the archive", sized(EntryType::Regular, *b"00000010000\0"), END),
        refuses("8 GiB", sized(EntryType::Regular, *b"77777777777\0"), END),
        refuses("2^62", sized(EntryType::Regular, binary(1 << 62)), "layer entry \"f\": a file over 16 TiB"),
        refuses(
            "2^63 - 1",
            sized(EntryType::Regular, binary(i64::MAX)),
            "layer entry \"f\": a file over 16 TiB",
        ),
        gives("a small one in binary", sized(EntryType::Regular, binary(0)), "f=, g=2"),
        gives("blanks", sized(EntryType::Regular, [b' '; 12]), "f=, g=2").tar("it wants digits"),
        gives("NULs", sized(EntryType::Regular, [0; 12]), "f=, g=2"),
        refuses("no octal digits", sized(EntryType::Regular, *b"00000000009\0"), MALFORMED),
        refuses("a blank between digits", sized(EntryType::Regular, *b"0000 000000\0"), MALFORMED)
            .tar("it stops at the blank"),
        refuses(
            "of a directory",
            sized(EntryType::Directory, *b"00000001000\0"),
            "malformed archive at byte 0: data after what has none",
        )
        .both("they ignore it: who does not sees other entries"),
        refuses(
            "of a symlink",
            sized(EntryType::Symlink, *b"00000001000\0"),
            "malformed archive at byte 0: data after what has none",
        ),
        refuses(
            "of a pipe",
            sized(EntryType::Fifo, *b"00000001000\0"),
            "malformed archive at byte 0: data after what has none",
        )
        .both("they ignore it: who does not sees other entries"),
        refuses(
            "of a device",
            sized(EntryType::Char, *b"00000001000\0"),
            "malformed archive at byte 0: data after what has none",
        )
        .both("they ignore it: who does not sees other entries"),
        refuses("negative, of an extended header", sized(EntryType::XHeader, binary(-1)), MALFORMED),
        refuses(
            "of a long name, larger than the archive",
            sized(EntryType::new(b'L'), *b"00000010000\0"),
            "cannot read the layer: the archive ends in the middle of an entry",
        ),
        refuses(
            "of a long name over 1 MiB",
            sized(EntryType::new(b'L'), *b"00004000001\0"),
            "malformed archive at byte 0: extended header over 1 MiB",
        ),
        gives(
            "PAX over the header",
            Archive::new()
                .pax(&[("size", b"3")])
                .add("f", EntryType::Regular, "", b"abc", |h| h.set_size(0))
                .file("g", "2"),
            "f=abc, g=2",
        ),
        gives(
            "PAX of nothing over a header of something",
            Archive::new()
                .pax(&[("size", b"0")])
                .add("f", EntryType::Regular, "", b"", |h| h.set_size(512))
                .file("g", "2"),
            "f=, g=2",
        ),
        refuses(
            "PAX larger than the archive",
            Archive::new().pax(&[("size", b"4611686018427387904")]).file("f", "1"),
            "layer entry \"f\": a file over 16 TiB",
        ),
    ]);
}
