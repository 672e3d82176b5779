//! Whiteouts (image spec, layer.md).

use super::{Archive, gives, refuses, run};

fn new() -> Archive {
    Archive::new()
}

/// What is below.
fn base() -> Archive {
    new().file("d/x", "1").file("d/y", "1").file("d/e/z", "1").file("f", "1").symlink("s", "d")
}

#[test]
fn what_whiteouts_hide() {
    run([
        gives("a file", new().file(".wh.f", ""), "!f").over(base()),
        gives("a directory with all in it", new().file(".wh.d", ""), "!d").over(base()),
        gives("a symlink, not what it names", new().file(".wh.s", ""), "!s").over(base()),
        gives("nothing", new().file(".wh.none", "").file("none/.wh.x", ""), "none/ opaque, !none/x")
            .umoci("it makes no directory for the mark, overlayfs needs one")
            .over(base()),
        gives(
            "the parent of another whiteout",
            new().file("d/.wh.x", "").file(".wh.d", ""),
            "d/ opaque, !d/x",
        )
        .umoci("it makes no directory for the mark, overlayfs needs one")
        .over(base()),
        gives("a parent first, then in it", new().file(".wh.d", "").file("d/.wh.x", ""), "d/ opaque, !d/x")
            .umoci("it makes no directory for the mark, overlayfs needs one")
            .over(base()),
        gives("before what takes its place", new().file(".wh.f", "").file("f", "2"), "f=2").over(base()),
        gives("after what takes its place", new().file("f", "2").file(".wh.f", ""), "f=2").over(base()),
        gives(
            "a directory, then a new one",
            new().file(".wh.d", "").dir("d").file("d/n", "2"),
            "d/ opaque, d/n=2",
        )
        .over(base()),
        gives(
            "a new directory, then the old one",
            new().file("d/n", "2").file(".wh.d", ""),
            "d/ opaque, d/n=2",
        )
        .over(base()),
        gives("a directory of which a file is made", new().file(".wh.d", "").file("d", "2"), "d=2")
            .over(base()),
        gives("twice", new().file(".wh.f", "").file(".wh.f", ""), "!f").over(base()),
        gives("a name that starts with a dot", new().file(".wh..x", ""), "!.x").over(new().file(".x", "1")),
        gives("with a slash at its end", new().dir(".wh.d/"), "!d").over(base()),
        gives("as a directory", new().kind(".wh.f", b'5'), "!f").over(base()),
        gives("as a symlink", new().symlink(".wh.f", "/etc"), "!f").over(base()),
        gives("as a hard link", new().link(".wh.f", "/none"), "!f").over(base()),
        gives("as a pipe", new().kind(".wh.f", b'6'), "!f").over(base()),
        gives("with content", new().file(".wh.f", "content").file("g", "2"), "!f, g=2").over(base()),
        gives(
            "through a symlink of its own layer",
            new().dir("d").symlink("s", "d").file("s/.wh.x", ""),
            "d/, !d/x, s -> d",
        )
        .over(base()),
        gives("through a symlink of the layer below", new().file("s/.wh.x", ""), "s/, !s/x")
            .umoci("it sees the layer below, a layer of its own stands alone")
            .over(base()),
        gives("as overlayfs has it", new().device("f", b'3', 0, 0), "!f").over(base()),
        refuses(
            "below a file",
            new().file("f", "").file("f/.wh.x", ""),
            "layer entry \"f/x\": a parent is no directory",
        )
        .umoci("it finds nothing to hide")
        .over(base()),
    ]);
}

#[test]
fn what_opaque_directories_hide() {
    run([
        gives("all in it", new().file("d/.wh..wh..opq", ""), "d/ opaque").over(base()),
        gives("the root", new().file(".wh..wh..opq", "").file("n", "2"), "/ opaque, n=2").over(base()),
        gives("before what is new", new().file("d/.wh..wh..opq", "").file("d/n", "2"), "d/ opaque, d/n=2")
            .over(base()),
        gives("after what is new", new().file("d/n", "2").file("d/.wh..wh..opq", ""), "d/ opaque, d/n=2")
            .over(base()),
        gives("a directory deeper", new().file("d/.wh..wh..opq", "").dir("d/e"), "d/ opaque, d/e/")
            .over(base()),
        gives("a directory in place of a file", new().file("f/.wh..wh..opq", ""), "f/ opaque")
            .umoci("it marks what is a directory already")
            .over(base()),
        gives(
            "with a whiteout beside",
            new().file("d/.wh..wh..opq", "").file("d/.wh.x", ""),
            "d/ opaque, !d/x",
        )
        .over(base()),
        gives("as a directory", new().dir("d/.wh..wh..opq"), "d/ opaque").over(base()),
        gives("twice", new().file("d/.wh..wh..opq", "").file("d/.wh..wh..opq", ""), "d/ opaque").over(base()),
        gives("a symlink of its own layer", new().symlink("t", "d").file("t/.wh..wh..opq", ""), "t/ opaque")
            .umoci("it follows the link, into the layer below if need be")
            .over(base()),
        gives(
            "an attribute of overlayfs is none of the archive's",
            new().pax(&[("SCHILY.xattr.trusted.overlay.opaque", b"y")]).dir("d"),
            "d/",
        )
        .over(base()),
    ]);
}

#[test]
fn names_that_only_look_like_whiteouts() {
    let long = |n: usize| format!("d/.wh.{}", "n".repeat(n));
    let named = |name: &str| new().pax(&[("path", name.as_bytes())]).file("x", "");
    run([
        refuses("of no name", new().file(".wh.", ""), "layer entry \".wh.\": a whiteout of no name")
            .over(base()),
        refuses("of itself", new().file("d/.wh..", ""), "layer entry \"d/.wh..\": a whiteout of no name")
            .over(base()),
        refuses(
            "of its parent",
            new().file("d/.wh...", ""),
            "layer entry \"d/.wh...\": a whiteout of no name",
        )
        .over(base()),
        gives("aufs' own", new().file(".wh..wh.x", "").file(".wh..wh.aufs", "").dir(".wh..wh.plnk"), "")
            .over(base()),
        gives("in aufs' own", new().file(".wh..wh.plnk/f", "2").file(".wh..wh.plnk/.wh.x", ""), "")
            .umoci("it looks at the last part of the name alone")
            .over(base()),
        refuses(
            "an opaque marker with something in it",
            new().file("d/.wh..wh..opq/x", ""),
            "layer entry \"d/.wh..wh..opq/x\": a whiteout with entries below it",
        )
        .umoci("it looks at the last part of the name alone")
        .over(base()),
        refuses(
            "a whiteout with something in it",
            new().file(".wh.d/x", ""),
            "layer entry \".wh.d/x\": a whiteout with entries below it",
        )
        .umoci("it looks at the last part of the name alone")
        .over(base()),
        gives("without the last dot", new().file(".wh", "1").file(".whx", "1"), ".wh=1, .whx=1").over(base()),
        gives("in the middle of a name", new().file("a.wh.b", "1"), "a.wh.b=1").over(base()),
        gives("in capitals", new().file(".WH.f", "1"), ".WH.f=1").over(base()),
        gives("of the longest name", named(&long(255)), format!("d/, !d/{}", "n".repeat(255))).over(base()),
        refuses(
            "of a name that is too long",
            named(&long(256)),
            format!("layer entry \"d/.wh.{}…\": a name over 255 bytes", "n".repeat(250)),
        )
        .over(base()),
    ]);
}
