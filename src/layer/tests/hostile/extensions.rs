//! PAX and GNU extensions, and what they disagree on.

use tar::EntryType;

use super::{Archive, gives, refuses, run};

fn new() -> Archive {
    Archive::new()
}

/// An extended header with records as they are.
fn records(kind: u8, data: &[u8]) -> Archive {
    new().add("pax", EntryType::new(kind), "", data, |_| ())
}

#[test]
fn names_that_are_given_twice() {
    run([
        gives("PAX over the header", new().pax(&[("path", b"a/pax")]).file("header", "1"), "a/, a/pax=1"),
        gives("GNU over the header", new().long(b'L', "a/gnu").file("header", "1"), "a/, a/gnu=1"),
        gives(
            "both, which agree",
            new().long(b'L', "same").pax(&[("path", b"same")]).file("header", "1"),
            "same=1",
        ),
        refuses(
            "both, which do not",
            new().long(b'L', "gnu").pax(&[("path", b"pax")]).file("header", "1"),
            "malformed archive at byte 2048: extended headers that disagree on a name",
        )
        .both("GNU tar takes PAX's, Go GNU's"),
        refuses(
            "the other way round",
            new().pax(&[("path", b"pax")]).long(b'L', "gnu").file("header", "1"),
            "malformed archive at byte 2048: extended headers that disagree on a name",
        )
        .both("GNU tar takes PAX's, Go GNU's"),
        gives("a target by PAX", new().pax(&[("linkpath", b"pax")]).symlink("s", "header"), "s -> pax"),
        gives("a target by GNU", new().long(b'K', "gnu").symlink("s", "header"), "s -> gnu"),
        refuses(
            "targets that disagree",
            new().long(b'K', "gnu").pax(&[("linkpath", b"pax")]).symlink("s", "x"),
            "malformed archive at byte 2048: extended headers that disagree on a name",
        )
        .both("GNU tar takes PAX's, Go GNU's"),
        refuses(
            "a hard link's that disagree",
            new().file("gnu", "").long(b'K', "gnu").pax(&[("linkpath", b"pax")]).link("s", "x"),
            "malformed archive at byte 2560: extended headers that disagree on a name",
        )
        .umoci("Go takes GNU's"),
        gives("a target of what is no link", new().long(b'K', "gnu").file("f", "1"), "f=1"),
        gives("an empty name takes PAX's back", new().pax(&[("path", b"")]).file("header", "1"), "header=1")
            .tar("it takes the empty name"),
        gives("twice in one header", records(b'x', b"10 path=a\n10 path=b\n").file("header", "1"), "b=1"),
        refuses(
            "two PAX headers",
            new().pax(&[("path", b"a")]).pax(&[("path", b"b")]).file("header", "1"),
            "malformed archive at byte 1024: two extended headers of one kind for one entry",
        )
        .both("GNU tar merges them, Go takes the last alone"),
        refuses(
            "two GNU headers",
            new().long(b'L', "a").long(b'L', "b").file("header", "1"),
            "malformed archive at byte 1024: two extended headers of one kind for one entry",
        )
        .both("they take the last"),
        gives(
            "GNU's without a NUL",
            new().add("x", EntryType::new(b'L'), "", b"gnu", |_| ()).file("header", "1"),
            "gnu=1",
        ),
        gives("GNU's with more behind the NUL", new().long(b'L', "gnu\0more").file("header", "1"), "gnu=1"),
        refuses(
            "an empty one of GNU's",
            new().long(b'L', "").file("header", "1"),
            "layer entry \"\": the root is no directory",
        )
        .umoci("Go takes the header's"),
        refuses(
            "upwards by PAX",
            new().pax(&[("path", b"../x")]).file("header", "1"),
            "layer entry \"../x\": `..` in a name",
        )
        .umoci("it stops at the root"),
        refuses(
            "upwards by GNU",
            new().long(b'L', "a/../../x").file("header", "1"),
            "layer entry \"a/../../x\": `..` in a name",
        )
        .umoci("it stops at the root"),
        refuses(
            "upwards by a hard link's PAX",
            new().file("f", "").pax(&[("linkpath", b"../f")]).link("l", "f"),
            "layer entry \"l\": `..` in a name",
        )
        .both("they stop at the root"),
        refuses(
            "a NUL in PAX's",
            new().pax(&[("path", b"a\0b")]).file("header", "1"),
            "malformed archive at byte 0: NUL in an extended header",
        )
        .tar("it cuts the name there"),
        refuses(
            "a NUL in PAX's target",
            new().pax(&[("linkpath", b"a\0b")]).symlink("s", "x"),
            "malformed archive at byte 0: NUL in an extended header",
        )
        .tar("it cuts the name there"),
        gives("a whiteout by PAX", new().pax(&[("path", b".wh.f")]).file("header", ""), "!f")
            .over(new().file("f", "1")),
    ]);
}

#[test]
fn global_headers() {
    run([
        gives("a comment", records(b'g', b"13 comment=x\n").file("f", "1"), "f=1")
            .umoci("this version knows no global headers"),
        refuses(
            "a name for all",
            records(b'g', b"10 path=a\n").file("f", "1"),
            "malformed archive at byte 0: global header that changes entries",
        )
        .tar("it applies what Go ignores")
        .umoci("Go ignores it, GNU tar does not"),
        refuses(
            "a size for all",
            records(b'g', b"10 size=0\n").file("f", "1"),
            "malformed archive at byte 0: global header that changes entries",
        )
        .umoci("Go ignores it"),
        refuses(
            "a target for all",
            records(b'g', b"14 linkpath=a\n").symlink("s", "1"),
            "malformed archive at byte 0: global header that changes entries",
        )
        .tar("it applies what Go ignores")
        .umoci("Go ignores it"),
        gives("an owner for all", records(b'g', b"9 uid=77\n").file("f", "1"), "f=1 644 1:2 @1000.000000000")
            .umoci("this version knows no global headers")
            .full(),
        refuses(
            "malformed",
            records(b'g', b"99 path=a\n").file("f", "1"),
            "malformed archive at byte 0: malformed extended header record",
        ),
    ]);
}

#[test]
fn records_that_are_malformed() {
    let one = |data: &[u8]| records(b'x', data).file("f", "1");
    run([
        refuses(
            "a length that is too large",
            one(b"11 path=a\n"),
            "malformed archive at byte 0: malformed extended header record",
        ),
        refuses(
            "a length that is too small",
            one(b"8 path=a\n"),
            "malformed archive at byte 0: malformed extended header record",
        ),
        refuses(
            "a length of 0",
            one(b"0 path=a\n"),
            "malformed archive at byte 0: malformed extended header record",
        ),
        refuses(
            "a length with a sign",
            one(b"+10 path=a\n"),
            "malformed archive at byte 0: malformed extended header record",
        ),
        refuses(
            "a length that wraps",
            one(b"18446744073709551626 path=a\n"),
            "malformed archive at byte 0: malformed extended header record",
        ),
        refuses(
            "a length with zeros before it",
            one(b"0000000000000000000000010 path=a\n"),
            "malformed archive at byte 0: malformed extended header record",
        ),
        refuses(
            "no length",
            one(b"path=a\n"),
            "malformed archive at byte 0: malformed extended header record",
        ),
        refuses(
            "no newline",
            one(b"9 path=a\0"),
            "malformed archive at byte 0: malformed extended header record",
        ),
        refuses(
            "no equals sign",
            one(b"8 path \n"),
            "malformed archive at byte 0: extended header record without value",
        ),
        refuses("no key", one(b"5 =a\n"), "malformed archive at byte 0: extended header record without key")
            .tar("it warns"),
        refuses(
            "NULs behind the last",
            one(b"10 path=a\n\0\0\0"),
            "malformed archive at byte 0: malformed extended header record",
        )
        .tar("it stops there"),
        refuses(
            "nothing after it",
            Archive::new().pax(&[("path", b"a")]),
            "malformed archive at byte 1024: extended header without an entry",
        )
        .both("they drop it"),
        refuses(
            "over 1 MiB",
            new().pax(&[("comment", &vec![b'x'; 1 << 20])]).file("f", "1"),
            "malformed archive at byte 0: extended header over 1 MiB",
        )
        .tar("it knows no limit"),
        gives(
            "just below 1 MiB",
            new().pax(&[("comment", &vec![b'x'; (1 << 20) - 17])]).file("f", "1"),
            "f=1",
        ),
        refuses(
            "a size of letters",
            new().pax(&[("size", b"abc")]).file("f", "1"),
            "malformed archive at byte 0: malformed number in an extended header",
        ),
        refuses(
            "a negative size",
            new().pax(&[("size", b"-1")]).file("f", "1"),
            "malformed archive at byte 0: malformed number in an extended header",
        ),
        refuses(
            "a size over 2^63",
            new().pax(&[("size", b"9223372036854775808")]).file("f", "1"),
            "malformed archive at byte 1024: malformed size",
        ),
        refuses(
            "a size over 2^64",
            new().pax(&[("size", b"18446744073709551616")]).file("f", "1"),
            "malformed archive at byte 0: malformed number in an extended header",
        ),
        refuses(
            "a time of letters",
            new().pax(&[("mtime", b"1e5")]).file("f", "1"),
            "malformed archive at byte 0: malformed time in an extended header",
        )
        .tar("it warns"),
        refuses(
            "an owner of letters",
            new().pax(&[("uid", b"root")]).file("f", "1"),
            "malformed archive at byte 0: malformed number in an extended header",
        ),
    ]);
}

#[test]
fn owners_and_times() {
    let with = |key: &str, value: &[u8]| new().pax(&[(key, value)]).file("f", "");
    let header = |change: fn(&mut tar::Header)| new().add("f", EntryType::Regular, "", b"", change);
    run([
        gives("the largest owner", with("uid", b"4294967294"), "f= 644 4294967294:2 @1000.000000000").full(),
        refuses(
            "the owner that means no change",
            with("uid", b"4294967295"),
            "malformed archive at byte 1024: impossible owner",
        )
        .both("they do not keep owners here"),
        refuses(
            "a group that wraps to root",
            with("gid", b"4294967296"),
            "malformed archive at byte 1024: impossible owner",
        )
        .both("they do not keep owners here"),
        refuses(
            "a negative owner",
            header(|h| h.as_ustar_mut().unwrap().uid = [0xff; 8]),
            "malformed archive at byte 0: impossible owner",
        )
        .both("they do not keep owners here"),
        gives("a fraction of a second", with("mtime", b"7.25"), "f= 644 1:2 @7.250000000").full(),
        gives("digits beyond nanoseconds", with("mtime", b"7.0000000019"), "f= 644 1:2 @7.000000001").full(),
        gives("before 1970", with("mtime", b"-1.5"), "f= 644 1:2 @-2.500000000").full(),
        gives(
            "before 1970 in the header",
            header(|h| h.as_ustar_mut().unwrap().mtime = [0xff; 12]),
            "f= 644 1:2 @-1.000000000",
        )
        .full(),
        gives(
            "no time at all",
            header(|h| h.as_ustar_mut().unwrap().mtime = [0; 12]),
            "f= 644 1:2 @0.000000000",
        )
        .full(),
        gives(
            "blanks for an owner",
            header(|h| h.as_ustar_mut().unwrap().uid = [b' '; 8]),
            "f= 644 0:2 @1000.000000000",
        )
        .tar("it wants digits")
        .full(),
    ]);
}

#[test]
fn extended_attributes() {
    let with =
        |name: &str, value: &[u8]| new().pax(&[(&format!("SCHILY.xattr.{name}"), value)]).file("f", "");
    let five = [b'v'; 60_000];
    let names: Vec<String> = (0..5).map(|n| format!("SCHILY.xattr.user.{n}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &five[..])).collect();
    const PLAIN: &str = "f= 644 1:2 @1000.000000000";
    run([
        gives(
            "the last of a name",
            records(b'x', b"25 SCHILY.xattr.user.a=1\n25 SCHILY.xattr.user.a=2\n").file("f", ""),
            "f= 644 1:2 @1000.000000000 user.a=2",
        )
        .full(),
        gives("overlayfs' own", with("trusted.overlay.redirect", b"/etc"), PLAIN).full(),
        gives("overlayfs' own without privilege", with("user.overlay.opaque", b"y"), PLAIN).full(),
        gives("of the machine that made it", with("security.selinux", b"x"), PLAIN).full(),
        refuses(
            "no name",
            with("", b"x"),
            "malformed archive at byte 0: impossible name of an extended attribute",
        )
        .tar("it is not told to keep attributes"),
        refuses(
            "nothing but a namespace",
            with("user.", b"x"),
            "malformed archive at byte 0: impossible name of an extended attribute",
        )
        .tar("it is not told to keep attributes"),
        refuses(
            "a name over 255 bytes",
            with(&"u".repeat(256), b"x"),
            "malformed archive at byte 0: impossible name of an extended attribute",
        )
        .tar("it is not told to keep attributes"),
        refuses(
            "a value over 65,535 bytes",
            with("user.a", &[b'v'; 65_536]),
            "malformed archive at byte 0: extended attribute over 65,535 bytes",
        )
        .tar("it is not told to keep attributes"),
        refuses(
            "over 256 KiB in all",
            new().pax(&many).file("f", ""),
            "layer entry \"f\": extended attributes over 256 KiB",
        )
        .tar("it is not told to keep attributes"),
        refuses(
            "a NUL in a name",
            with("user.a\0b", b"x"),
            "malformed archive at byte 0: impossible name of an extended attribute",
        ),
    ]);
}
