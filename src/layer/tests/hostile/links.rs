//! Hard links.

use super::{Archive, gives, refuses, run};

fn new() -> Archive {
    Archive::new()
}

#[test]
fn hard_links() {
    run([
        gives("an absolute target", new().file("d/f", "1").link("l", "/d/f"), "d/, d/f=1, l => d/f"),
        gives("a link to a link", new().file("f", "1").link("g", "f").link("h", "g"), "f=1, g => f, h => f"),
        gives(
            "what is linked stays when its first name goes",
            new().file("f", "1").link("g", "f").link("h", "g").file("f", "2"),
            "f=2, g=1, h => g",
        ),
        gives("a link to a symlink", new().dir("d").symlink("s", "d").link("t", "s"), "d/, s -> d, t => s"),
        gives("a dangling symlink", new().symlink("s", "/nowhere").link("t", "s"), "s -> /nowhere, t => s"),
        gives("a link to a pipe", new().kind("p", b'6').link("q", "p"), "p|, q => p"),
        gives("a link to a device", new().device("n", b'3', 1, 3).link("m", "n"), "m c1:3, n => m"),
        gives(
            "through a symlinked parent",
            new().file("d/f", "1").symlink("s", "d").link("s/l", "s/f"),
            "d/, d/f=1, d/l => d/f, s -> d",
        ),
        gives(
            "through a parent that leads upwards",
            new().file("f", "1").dir("d").symlink("d/up", "../../..").link("l", "d/up/f"),
            "d/, d/up -> ../../.., f=1, l => f",
        )
        .tar("it makes such links last"),
        gives(
            "over a directory with content",
            new().file("d/x", "1").file("f", "2").link("d", "f"),
            "d=2, f => d",
        )
        .tar("it keeps the directory"),
        gives(
            "over another link to the same",
            new().file("f", "1").link("g", "f").link("g", "f"),
            "f=1, g => f",
        ),
        gives(
            "over a directory with another name of the same",
            new().file("f", "1").link("d/l", "f").link("d", "f"),
            "d=1, f => d",
        )
        .tar("it keeps the directory"),
        gives("to itself", new().file("f", "1").link("f", "f"), "f=1").umoci("it removes the file first"),
        gives("to itself by another path", new().file("d/f", "1").link("./d/f", "/d//f"), "d/, d/f=1")
            .umoci("it removes the file first"),
        gives(
            "into a directory that is missing",
            new().file("f", "1").link("a/b/l", "f"),
            "a/, a/b/, a/b/l=1, f => a/b/l",
        ),
        gives(
            "a size in the header means nothing",
            new().file("f", "1").add("l", tar::EntryType::Link, "f", b"", |h| h.set_size(700)).file("g", "2"),
            "f=1, g=2, l => f",
        ),
        gives(
            "its own mode and owner mean nothing",
            new().file("f", "1").pax(&[("uid", b"9"), ("SCHILY.xattr.user.a", b"b")]).add(
                "l",
                tar::EntryType::Link,
                "f",
                b"",
                |h| h.set_mode(0o4777),
            ),
            "f=1 644 1:2 @1000.000000000, l => f 644 1:2 @1000.000000000",
        )
        .full(),
    ]);
}

#[test]
fn hard_links_that_are_refused() {
    run([
        refuses(
            "forward",
            new().link("l", "f").file("f", ""),
            "layer entry \"l\": hard link to what is not in the layer",
        ),
        refuses(
            "to nothing",
            new().link("l", "f"),
            "layer entry \"l\": hard link to what is not in the layer",
        ),
        refuses(
            "to itself before it is there",
            new().link("l", "l"),
            "layer entry \"l\": hard link to what is not in the layer",
        ),
        refuses(
            "to what is no more",
            new().file("d/f", "").file("d", "").link("l", "d/f"),
            "layer entry \"l\": hard link to what is not in the layer",
        ),
        refuses(
            "to a directory",
            new().dir("d").link("l", "d"),
            "layer entry \"l\": hard link to a directory or whiteout",
        ),
        refuses("to the root", new().link("l", "/"), "layer entry \"l\": hard link to no file"),
        refuses("to a name of nothing", new().link("l", ""), "layer entry \"l\": hard link to no file"),
        refuses(
            "to a whiteout by its marker",
            new().file(".wh.w", "").link("l", ".wh.w"),
            "layer entry \"l\": hard link to no file",
        )
        .tar("it knows no whiteouts"),
        refuses(
            "to a whiteout by what it hides",
            new().file(".wh.w", "").link("l", "w"),
            "layer entry \"l\": hard link to a directory or whiteout",
        ),
        refuses(
            "to a file below what it replaces",
            new().file("l/x", "").link("l", "l/x"),
            "layer entry \"l\": hard link to a file in what it replaces",
        ),
        refuses("upwards", new().file("f", "").link("l", "../f"), "layer entry \"l\": `..` in a name")
            .both("they stop at the root"),
        refuses(
            "to below a file",
            new().file("f", "").link("l", "f/x"),
            "layer entry \"l\": hard link to what is not in the layer",
        ),
        refuses(
            "through a symlink in a circle",
            new().symlink("s", "s").link("l", "s/f"),
            "layer entry \"l\": too many symlinks on the way",
        ),
        refuses(
            "through a symlink to nowhere",
            new().symlink("s", "t").link("l", "s/f"),
            "layer entry \"l\": hard link to what is not in the layer",
        ),
        refuses(
            "to outside through a symlink",
            new().symlink("s", "/etc").link("l", "s/passwd"),
            "layer entry \"l\": hard link to what is not in the layer",
        ),
        refuses(
            "below a file",
            new().file("f", "").file("g", "").link("g/l", "f"),
            "layer entry \"g/l\": a parent is no directory",
        ),
    ]);
}
