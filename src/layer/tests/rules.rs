//! The rules of [`crate::layer::entry`], one by one.

use rustix::fs::makedev;
use tar::EntryType;

use super::{Archive, listed, refused, skip};

fn opaque(listing: &super::Listing, path: &str) -> bool {
    listing[path].xattrs.get("trusted.overlay.opaque").is_some_and(|value| value == b"y")
}

#[test]
fn every_kind_keeps_its_attributes() {
    if skip() {
        return;
    }
    let device = |h: &mut tar::Header| {
        h.set_device_major(10).unwrap();
        h.set_device_minor(300).unwrap();
    };
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let listing = listed(
        Archive::new()
            .add("./", EntryType::Directory, "", b"", |h| h.set_mode(0o1770))
            .pax(&[("mtime", b"1234.000000567"), ("uid", b"3000000000"), ("gid", b"4294967294")])
            .add("./d/", EntryType::Directory, "", b"", |h| h.set_mode(0o2751))
            .pax(&[("SCHILY.xattr.security.capability", &capability), ("SCHILY.xattr.user.a", b"\0b")])
            .add("d/file", EntryType::Regular, "", b"data", |h| h.set_mode(0o6755))
            .symlink("/d/symlink", "/nowhere/./../x")
            .link("d/hard", "/./d/file")
            .link("d/hard symlink", "d/symlink")
            .add("d/c", EntryType::Char, "", b"", device)
            .add("d/b", EntryType::Block, "", b"", device)
            .pax(&[("mtime", b"-1.5")])
            .add("d/p", EntryType::Fifo, "", b"", |h| h.set_mode(0o777)),
    );
    assert_eq!(listing.len(), 9);
    let root = &listing[""];
    assert_eq!((root.mode, root.owner, root.mtime), (0o1770, (1, 2), (1000, 0)));
    let dir = &listing["d"];
    assert_eq!((dir.mode, dir.owner, dir.mtime), (0o2751, (3_000_000_000, 4_294_967_294), (1234, 567)));
    let file = &listing["d/file"];
    assert_eq!((file.mode, file.owner, file.mtime), (0o6755, (1, 2), (1000, 0)));
    assert_eq!((file.content.as_slice(), file.links), (&b"data"[..], 2));
    assert_eq!(file.xattrs["security.capability"], capability);
    assert_eq!(file.xattrs["user.a"], b"\0b");
    assert_eq!(listing["d/hard"], *file);
    let symlink = &listing["d/symlink"];
    assert_eq!((symlink.content.as_slice(), symlink.owner), (&b"/nowhere/./../x"[..], (1, 2)));
    assert_eq!((symlink.links, symlink.mtime), (2, (1000, 0)));
    assert_eq!((listing["d/c"].kind, listing["d/c"].device), ("character device", makedev(10, 300)));
    assert_eq!((listing["d/b"].kind, listing["d/b"].device), ("block device", makedev(10, 300)));
    let pipe = &listing["d/p"];
    assert_eq!((pipe.kind, pipe.mode, pipe.mtime), ("fifo", 0o777, (-2, 500_000_000)));
}

#[test]
fn missing_parents_are_made() {
    if skip() {
        return;
    }
    let listing = listed(Archive::new().file("a/b/c", ""));
    for path in ["", "a", "a/b"] {
        let dir = &listing[path];
        assert_eq!(
            (dir.kind, dir.mode, dir.owner, dir.mtime),
            ("directory", 0o755, (0, 0), (0, 0)),
            "{path}"
        );
    }
    // What comes late still counts.
    let listing =
        listed(Archive::new().file("a/b", "").add("a", EntryType::Directory, "", b"", |h| h.set_mode(0o700)));
    assert_eq!((listing["a"].mode, listing["a"].owner, listing["a"].mtime), (0o700, (1, 2), (1000, 0)));
    assert!(listing.contains_key("a/b"));
}

#[test]
fn the_last_entry_of_a_name_wins() {
    if skip() {
        return;
    }
    let listing = listed(
        Archive::new()
            .file("file", "longer than the second")
            .link("other", "file")
            .file("file", "second")
            .dir("to-file/x/y")
            .file("to-file/x/y/z", "")
            .file("to-file", "now a file")
            .file("to-dir", "")
            .dir("to-dir")
            .file("to-dir/x", "")
            .symlink("link", "nowhere")
            .file("link", "no link")
            .dir("dir")
            .file("dir/keep", "")
            .pax(&[("mtime", b"7")])
            .dir("dir"),
    );
    assert_eq!(listing["file"].content, b"second");
    assert_eq!(
        (listing["other"].content.as_slice(), listing["other"].links),
        (&b"longer than the second"[..], 1)
    );
    assert_eq!(listing["to-file"].content, b"now a file");
    assert_eq!(listing["to-dir/x"].kind, "file");
    assert_eq!(listing["link"].content, b"no link");
    assert_eq!(listing["dir"].mtime, (7, 0));
    assert!(listing.contains_key("dir/keep"));
    assert_eq!(listing.len(), 9);
}

#[test]
fn whiteouts_hide_what_is_below_and_nothing_of_this_layer() {
    if skip() {
        return;
    }
    let listing = listed(
        Archive::new()
            .file("d/.wh.gone", "")
            .file("d/stays", "")
            .file("d/.wh.stays", "")
            .file(".wh.later", "")
            .file("later", "")
            .dir("dir")
            .file(".wh.dir", "")
            .file(".wh.later-dir", "")
            .dir("later-dir")
            .file(".wh.parent", "")
            .file("parent/child", "")
            .file("o/.wh..wh..opq", "")
            .file("o/x", "")
            .file(".wh..wh.plnk/1", ""),
    );
    let gone = &listing["d/gone"];
    assert_eq!((gone.kind, gone.device, gone.mode, gone.owner), ("character device", 0, 0, (0, 0)));
    assert_eq!(listing["d"].xattrs["trusted.overlay.origin"], b"");
    assert!(!opaque(&listing, "d"));
    assert_eq!((listing["d/stays"].kind, listing["later"].kind), ("file", "file"));
    for dir in ["dir", "later-dir", "parent", "o"] {
        assert!(opaque(&listing, dir), "{dir}");
        assert_eq!(listing[dir].xattrs.len(), 1, "{dir}");
    }
    assert!(listing[""].xattrs.is_empty(), "no whiteout is left there");
    assert_eq!(listing.len(), 11);
}

#[test]
fn an_opaque_root_is_marked() {
    if skip() {
        return;
    }
    assert!(opaque(&listed(Archive::new().file(".wh..wh..opq", "")), ""));
}

#[test]
fn symlinked_parents_are_followed_within_the_root() {
    if skip() {
        return;
    }
    let listing = listed(
        Archive::new()
            .symlink("bin", "usr/bin")
            .file("bin/sh", "made through a dangling link")
            .dir("usr/local")
            .symlink("usr/local/up", "../../../../etc")
            .file("usr/local/up/passwd", "x")
            .symlink("abs", "/usr/local/up")
            .file("abs/shadow", "y")
            .link("abs/hard", "bin/sh")
            // The link turns into a directory, and what was known about it is wrong.
            .dir("bin")
            .file("bin/own", ""),
    );
    assert_eq!(listing["usr/bin/sh"].links, 2);
    assert_eq!(listing["etc/hard"].same_as, "etc/hard");
    assert_eq!(
        (listing["etc/passwd"].content.as_slice(), listing["etc/shadow"].content.as_slice()),
        (&b"x"[..], &b"y"[..])
    );
    assert_eq!((listing["bin"].kind, listing["bin/own"].kind), ("directory", "file"));
}

#[test]
fn symlinks_in_a_circle_are_refused() {
    if skip() {
        return;
    }
    let archive = Archive::new().symlink("a", "b").symlink("b", "a").file("a/x", "");
    assert_eq!(refused(archive), "layer entry \"a/x\": too many symlinks on the way");
}

#[test]
fn sparse_files_get_their_holes_back() {
    if skip() {
        return;
    }
    // Format 0.1 of GNU tar's manual, "Storing Sparse Files".
    let sparse: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"0"),
        ("GNU.sparse.minor", b"1"),
        ("GNU.sparse.size", b"10000000"),
        ("GNU.sparse.map", b"1048576,512,9000000,3"),
    ];
    let data = [vec![b'a'; 512], b"end".to_vec()].concat();
    let listing = listed(Archive::new().pax(&sparse).add("s", EntryType::Regular, "", &data, |_| ()));
    let content = &listing["s"].content;
    assert_eq!(content.len(), 10_000_000);
    assert_eq!(content[1_048_576..1_049_088], data[..512]);
    assert_eq!(&content[9_000_000..9_000_004], b"end\0");
    assert_eq!(content.iter().filter(|b| **b != 0).count(), 515);
}
