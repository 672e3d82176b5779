//! The order of entries: what stands where another thing was.

use super::{Archive, gives, refuses, run};

fn new() -> Archive {
    Archive::new()
}

/// A directory and so many links, each to the one before.
fn chain(links: usize) -> Archive {
    (1..=links).fold(new().dir("l0"), |all, n| all.symlink(format!("l{n}"), format!("l{}", n - 1)))
}

/// What stands in such a directory, and the links.
fn linked(links: usize, content: &str) -> String {
    let mut all = vec!["l0/".to_owned(), format!("l0/{content}")];
    all.extend((1..=links).map(|n| format!("l{n} -> l{}", n - 1)));
    all.sort_by_key(|line| line.split(' ').next().map(|name| name.trim_end_matches('/').to_owned()));
    all.join(", ")
}

#[test]
fn symlinks_on_the_way() {
    run([
        gives(
            "a chain of links that leads upwards stays inside",
            new().symlink("a", "..").symlink("b", "a/../..").file("b/x", "1"),
            "a -> .., b -> a/../.., x=1",
        )
        .tar("it makes links that could lead outside last"),
        gives(
            "an absolute link is one from the layer's root",
            new().dir("etc").symlink("abs", "/etc").file("abs/x", "1"),
            "abs -> /etc, etc/, etc/x=1",
        )
        .tar("it makes links that could lead outside last"),
        gives(
            "a link to the root",
            new().symlink("abs", "/").symlink("abs/up", "/").file("abs/up/abs/x", "1"),
            "abs -> /, up -> /, x=1",
        )
        .tar("it makes links that could lead outside last"),
        gives(
            "a dangling link makes what it names",
            new().symlink("bin", "usr/bin").file("bin/sh", "1"),
            "bin -> usr/bin, usr/, usr/bin/, usr/bin/sh=1",
        )
        .tar("it makes no directories behind links"),
        refuses(
            "a link to itself on the way",
            new().symlink("a", "a").file("a/x", ""),
            "layer entry \"a/x\": too many symlinks on the way",
        ),
        refuses(
            "two links that name each other",
            new().symlink("a", "b").symlink("b", "a").dir("b/x/y"),
            "layer entry \"b/x/y\": too many symlinks on the way",
        ),
        gives(
            "a link in a circle may be replaced",
            new().symlink("a", "b").symlink("b", "a").file("a", "1").file("b", "2"),
            "a=1, b=2",
        ),
        gives("forty links are followed", chain(40).file("l40/x", ""), linked(40, "x=")),
        refuses(
            "forty-one are not",
            chain(41).file("l41/x", ""),
            "layer entry \"l41/x\": too many symlinks on the way",
        )
        .umoci("it follows 255"),
    ]);
}

#[test]
fn what_comes_later_stands() {
    run([
        gives(
            "a symlink over a directory with content",
            new().file("d/x", "1").symlink("d", "e").file("d/y", "2"),
            "d -> e, e/, e/y=2",
        )
        .tar("a directory with content stays"),
        gives(
            "a directory over a symlink to outside",
            new().symlink("d", "/tmp").dir("d").file("d/x", "1"),
            "d/, d/x=1",
        )
        .tar("it makes links that could lead outside last"),
        gives(
            "a directory with a slash over a symlink",
            new().dir("e").symlink("d", "e").dir("d/").file("d/x", "1"),
            "d/, d/x=1, e/",
        ),
        gives("a file over a symlink", new().file("f", "1").symlink("s", "f").file("s", "2"), "f=1, s=2"),
        gives("a file over a directory with content", new().file("d/x/y", "1").file("d", "2"), "d=2")
            .tar("a directory with content stays"),
        gives(
            "a directory over a file",
            new().file("d", "1").file("e", "").dir("d").file("d/x", "2"),
            "d/, d/x=2, e=",
        ),
        gives(
            "file, directory, symlink, pipe and file again",
            new().file("a", "1").dir("a").file("a/x", "").symlink("a", "/").kind("a", b'6').file("a", "2"),
            "a=2",
        )
        .tar("a directory with content stays"),
        gives("three files of one name", new().file("f", "long").file("f", "").file("f", "3"), "f=3"),
        gives(
            "names that are one",
            new().file("d/f", "1").file("./d//f", "2").file("/d/./f", "3"),
            "d/, d/f=3",
        ),
        gives("a pipe over a device", new().device("a", b'3', 1, 3).kind("a", b'6'), "a|"),
        gives("a child before its parent", new().file("d/f", "1").dir("d"), "d/, d/f=1"),
        refuses(
            "a file as a parent",
            new().file("f", "").file("f/x", ""),
            "layer entry \"f/x\": a parent is no directory",
        ),
        refuses(
            "a file as a parent of a parent",
            new().file("f", "").dir("f/x/y"),
            "layer entry \"f/x/y\": a parent is no directory",
        ),
        refuses(
            "a pipe as a parent",
            new().kind("p", b'6').file("p/x", ""),
            "layer entry \"p/x\": a parent is no directory",
        ),
        refuses(
            "a device as a parent",
            new().device("n", b'3', 1, 3).file("n/x", ""),
            "layer entry \"n/x\": a parent is no directory",
        ),
        refuses(
            "a link to a file as a parent",
            new().file("f", "").symlink("s", "f").file("s/x", ""),
            "layer entry \"s/x\": a parent is no directory",
        ),
        refuses(
            "a file that was a directory as a parent",
            new().dir("d").file("d", "").file("d/x", ""),
            "layer entry \"d/x\": a parent is no directory",
        ),
    ]);
}

#[test]
fn attributes_of_the_last_entry_count() {
    run([
        gives(
            "a directory twice",
            new()
                .add("d", tar::EntryType::Directory, "", b"", |h| h.set_mode(0o700))
                .file("d/x", "1")
                .pax(&[("mtime", b"7"), ("uid", b"8"), ("SCHILY.xattr.user.a", b"b")])
                .add("d", tar::EntryType::Directory, "", b"", |h| h.set_mode(0o1777)),
            "d/ 1777 8:2 @7.000000000 user.a=b, d/x=1 644 1:2 @1000.000000000",
        )
        .full(),
        gives(
            "attributes of the first of two directories are gone",
            new().pax(&[("SCHILY.xattr.user.a", b"b")]).dir("d").dir("d"),
            "d/ 755 1:2 @1000.000000000",
        )
        .full(),
        gives(
            "a directory that nobody described",
            new().file("d/x", ""),
            "d/ 755 0:0 @0.000000000, d/x= 644 1:2 @1000.000000000",
        )
        .full(),
        gives(
            "the root, described twice",
            new().dir("./").add("/", tar::EntryType::Directory, "", b"", |h| h.set_mode(0o711)),
            "/ 711 1:2 @1000.000000000",
        )
        .full(),
        gives(
            "a symlink's mode is that of all symlinks",
            new().add("s", tar::EntryType::Symlink, "t", b"", |h| h.set_mode(0o4755)),
            "s -> t 777 1:2 @1000.000000000",
        )
        .full(),
        gives(
            "type bits in a mode",
            new().add("f", tar::EntryType::Regular, "", b"", |h| h.set_mode(0o124_755)),
            "f= 4755 1:2 @1000.000000000",
        )
        .full(),
    ]);
}
