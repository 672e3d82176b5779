//! Names and types.

use super::{Archive, gives, refuses, run};

fn new() -> Archive {
    Archive::new()
}

/// A file with something in the fields that GNU tar has for times and ustar for a prefix.
fn old_gnu(times: &[u8]) -> Archive {
    new().add("x", tar::EntryType::Regular, "", b"1", |h| {
        let h = h.as_ustar_mut().unwrap();
        (h.magic, h.version) = (*b"ustar ", *b" \0");
        h.prefix[..times.len()].copy_from_slice(times);
    })
}

#[test]
fn names_of_any_bytes() {
    run([
        gives("not UTF-8", new().file(b"\xff\xfe", "1"), "\u{fffd}\u{fffd}=1"),
        gives("not UTF-8, in a PAX header", new().pax(&[("path", b"\xff")]).file("x", "1"), "\u{fffd}=1"),
        gives("control characters", new().file("a\nb\x1b[2J\t", "1"), "a\nb\u{1b}[2J\t=1"),
        gives("backslashes and blanks", new().file("a\\..\\b", "1").file(" ", "2"), " =2, a\\..\\b=1"),
        gives("three dots", new().file(".../x", "1"), ".../, .../x=1"),
        gives(
            "a hundred bytes without an end",
            new().file("n".repeat(100), ""),
            format!("{}=", "n".repeat(100)),
        ),
        gives(
            "the longest prefix",
            new().add("x", tar::EntryType::Regular, "", b"", |h| {
                h.as_ustar_mut().unwrap().prefix[..155].fill(b'p');
            }),
            format!("{0}/, {0}/x=", "p".repeat(155)),
        ),
        gives("times of old GNU tar are no prefix", old_gnu(b"00000000001\0"), "x=1"),
        refuses(
            "a prefix where old GNU tar has times",
            old_gnu(b"abc"),
            "malformed archive at byte 0: a prefix where GNU tar has times",
        )
        .both("Go, which wrote such headers before 1.8, takes it for a prefix, GNU tar does not"),
        gives(
            "255 bytes",
            new().pax(&[("path", &[b'n'; 255])]).file("x", ""),
            format!("{}=", "n".repeat(255)),
        ),
        refuses(
            "256 bytes",
            new().pax(&[("path", &[b'n'; 256])]).file("x", ""),
            format!("layer entry \"{}\": a name over 255 bytes", "n".repeat(256)),
        ),
        refuses(
            "256 bytes of a directory on the way",
            new().pax(&[("path", &[&[b'n'; 256][..], b"/f"].concat())]).file("x", ""),
            format!("layer entry \"{}…\": a name over 255 bytes", "n".repeat(256)),
        ),
        refuses("no name", new().file("", "1"), "layer entry \"\": the root is no directory"),
        refuses("a dot", new().file(".", "1"), "layer entry \".\": the root is no directory"),
        refuses("a slash", new().symlink("/", "x"), "layer entry \"/\": the root is no directory"),
        gives("no name of a directory", new().dir("").file("x", "1"), "x=1"),
        gives("an old file with a slash is a directory", new().kind("d/", 0).file("d/x", "1"), "d/, d/x=1"),
        refuses(
            "a file with a slash",
            new().file("d/", ""),
            "malformed archive at byte 0: a file whose name ends in a slash",
        )
        .both("GNU tar takes it for a directory, Go for a file"),
        refuses(
            "a file with a slash and content",
            new().file("d/", "1"),
            "malformed archive at byte 0: a file whose name ends in a slash",
        )
        .both("GNU tar takes it for a directory, Go for a file"),
        refuses("a symlink to nothing", new().symlink("s", ""), "layer entry \"s\": symlink to nowhere"),
    ]);
}

#[test]
fn the_longest_paths() {
    // 4,095 bytes, below nothing; a flat file at the end, since tools that list such a tree cannot name it.
    let deep = |n: usize| [&b"d/".repeat(2047)[..], &vec![b'f'; n]].concat();
    run([
        gives("4,095 bytes", new().pax(&[("path", &deep(1))]).file("x", "1").file("d", "flat"), "d=flat")
            .both("a directory with content stays, or the path with the root before it is too long"),
        refuses(
            "4,096 bytes",
            new().pax(&[("path", &deep(2))]).file("x", "1"),
            format!("layer entry \"{}…\": a path over 4095 bytes", "d/".repeat(128)),
        ),
        gives(
            "a target of 4,095 bytes",
            new().pax(&[("linkpath", &deep(1))]).symlink("s", "x"),
            format!("s -> {}f", "d/".repeat(2047)),
        ),
        refuses(
            "a target of 4,096 bytes",
            new().pax(&[("linkpath", &deep(2))]).symlink("s", "x"),
            "layer entry \"s\": impossible target of a symlink",
        ),
        gives(
            "4,096 bytes that are fewer when clean",
            new().pax(&[("path", &[b"./".repeat(2048), b"f".to_vec()].concat())]).file("x", "1"),
            "f=1",
        )
        .tar("it does not clean names"),
    ]);
}

#[test]
fn types() {
    let mut all = vec![
        gives("a file of the first tars", new().kind("f", 0), "f="),
        gives("a contiguous file", new().kind("f", b'7'), "f=").umoci("it does not know the type"),
        gives(
            "a device with the largest number",
            new().device("c", b'3', 4095, 1_048_575),
            "c c4095:1048575",
        ),
        gives("a block device 0:0", new().device("b", b'4', 0, 0), "b b0:0"),
        refuses(
            "a major number that is too large",
            new().device("c", b'3', 4096, 0),
            "layer entry \"c\": impossible device number",
        )
        .umoci("it cuts the number"),
        refuses(
            "a minor number that is too large",
            new().device("b", b'4', 0, 1 << 20),
            "layer entry \"b\": impossible device number",
        )
        .umoci("it cuts the number"),
        refuses(
            "a negative device number",
            new().add("c", tar::EntryType::Char, "", b"", |h| {
                h.as_ustar_mut().unwrap().dev_major = [0xff; 8];
            }),
            "layer entry \"c\": impossible device number",
        )
        .umoci("it cuts the number"),
        refuses(
            "a device number of letters",
            new().add("c", tar::EntryType::Char, "", b"", |h| {
                h.as_ustar_mut().unwrap().dev_minor = *b"abcdefg\0";
            }),
            "malformed archive at byte 0: malformed device number",
        ),
    ];
    for (what, kind) in [
        ("a volume's label", b'V'),
        ("a continued file", b'M'),
        ("a directory with its names", b'D'),
        ("an inode of star's", b'I'),
        ("an ACL of Solaris", b'A'),
        ("a PAX header of Solaris", b'X'),
        ("a type of nobody", b'Z'),
        ("a type beyond ASCII", 0xff),
    ] {
        all.push(
            refuses(what, new().kind("f", kind), "malformed archive at byte 0: unknown type of entry")
                .both("it warns"),
        );
    }
    run(all);
}
