//! Archives that end too early or too late, and headers that are damaged.

use tar::EntryType;

use super::{Archive, gives, refuses, run};

fn two() -> Vec<u8> {
    Archive::new().file("a", "1").file("b", "2").open()
}

fn cut(length: usize) -> Vec<u8> {
    two()[..length].to_vec()
}

#[test]
fn ends() {
    run([
        gives("nothing at all", Vec::new(), "").tar("it wants one block at least"),
        gives("nothing but an end", vec![0; 1024], ""),
        gives("nothing but half an end", vec![0; 512], ""),
        gives("no end", two(), "a=1, b=2"),
        gives("half an end", [two(), vec![0; 512]].concat(), "a=1, b=2"),
        gives("data behind the end", [two(), vec![0; 1024], b"more".to_vec()].concat(), "a=1, b=2"),
        gives(
            "an archive behind the end",
            [two(), vec![0; 1024], Archive::new().file("c", "3").bytes()].concat(),
            "a=1, b=2",
        ),
        refuses(
            "a block of zeros between entries",
            [two(), vec![0; 512], two()].concat(),
            "malformed archive at byte 2048: a lone block of zeros",
        )
        .tar("it stops there"),
        refuses("one byte", cut(1), "malformed archive at byte 0: ends in the middle of a header"),
        refuses(
            "in the first header",
            cut(511),
            "malformed archive at byte 0: ends in the middle of a header",
        ),
        refuses(
            "before the data",
            cut(512),
            "cannot read the layer: the archive ends in the middle of an entry",
        ),
        refuses(
            "in the padding",
            cut(1023),
            "cannot read the layer: the archive ends in the middle of an entry",
        )
        .umoci("Go wants padding only before another header"),
        gives("behind the first entry", cut(1024), "a=1"),
        refuses(
            "in the second header",
            cut(1025),
            "malformed archive at byte 1024: ends in the middle of a header",
        )
        .tar("it warns"),
        refuses(
            "in the last padding",
            cut(2047),
            "cannot read the layer: the archive ends in the middle of an entry",
        )
        .umoci("Go wants padding only before another header"),
        refuses(
            "in an extended header",
            Archive::new().pax(&[("path", b"a")]).open()[..520].to_vec(),
            "cannot read the layer: the archive ends in the middle of an entry",
        ),
        refuses(
            "behind an extended header",
            Archive::new().long(b'L', "a").open(),
            "malformed archive at byte 1024: extended header without an entry",
        )
        .both("they drop it"),
        refuses(
            "within the end",
            [two(), vec![0; 700]].concat(),
            "malformed archive at byte 2560: ends in the middle of a header",
        )
        .tar("it stops before it"),
    ]);
}

#[test]
fn checksums() {
    let with = |at: usize, byte: u8| {
        let mut bytes = two();
        bytes[at] = byte;
        bytes
    };
    let signed = {
        // The sum of a name beyond ASCII as some old tars made it.
        let mut bytes = Archive::new().file([0xe9], "1").bytes();
        let sum: i64 = bytes[..148]
            .iter()
            .chain(&[b' '; 8])
            .chain(&bytes[156..512])
            .map(|b| i64::from(b.cast_signed()))
            .sum();
        bytes[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        bytes
    };
    run([
        refuses("of another name", with(0, b'x'), "malformed archive at byte 0: wrong header checksum"),
        refuses("of letters", with(149, b'x'), "malformed archive at byte 0: wrong header checksum"),
        refuses(
            "of the second header",
            with(1024, b'x'),
            "malformed archive at byte 1024: wrong header checksum",
        ),
        gives("of signed bytes", signed, "\u{fffd}=1"),
        refuses(
            "of blanks",
            {
                let mut b = two();
                b[148..156].fill(b' ');
                b
            },
            "malformed archive at byte 0: wrong header checksum",
        ),
        refuses(
            "text",
            b"This is no archive, ".repeat(60),
            "malformed archive at byte 0: wrong header checksum",
        ),
        gives(
            "a mode of nothing",
            Archive::new().add("f", EntryType::Regular, "", b"", |h| h.as_ustar_mut().unwrap().mode = [0; 8]),
            "f= 0 1:2 @1000.000000000",
        )
        .full(),
        refuses(
            "a mode of letters",
            Archive::new()
                .add("f", EntryType::Regular, "", b"", |h| h.as_ustar_mut().unwrap().mode = *b"rwxr-x--"),
            "malformed archive at byte 0: malformed mode",
        ),
    ]);
}
