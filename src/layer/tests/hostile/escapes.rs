//! Archives that want to leave their root. [`Bench`] checks after each that nothing outside has changed.

use std::fs;

use tar::EntryType;

use super::super::{Archive, Bench, list, refused, skip};

#[test]
fn names_that_lead_upwards_are_refused() {
    if skip() {
        return;
    }
    for name in ["../x", "a/../../x", "..", "/../x", "a/..", "./../canary/file"] {
        let expected = format!("layer entry {name:?}: `..` in a name");
        assert_eq!(refused(Archive::new().file(name, "")), expected);
        assert_eq!(refused(Archive::new().dir(name)), expected);
        assert!(refused(Archive::new().file("f", "").link("l", name)).ends_with("`..` in a name"));
    }
}

#[test]
fn absolute_names_stay_inside() {
    if skip() {
        return;
    }
    let bench = Bench::new();
    let file = format!("{}/file", bench.canary().display());
    let layer = bench.plain(Archive::new().file(&file, "overwritten").link("hard", &file)).unwrap();
    assert_eq!(fs::read(layer.path.join("hard")).unwrap(), b"overwritten");
}

#[test]
fn symlinks_lead_nowhere_outside() {
    if skip() {
        return;
    }
    let bench = Bench::new();
    let canary = bench.canary();
    let up = format!("{}{}", "../".repeat(20), canary.display());
    let layer = bench
        .plain(
            Archive::new()
                .symlink("abs", canary.to_str().unwrap())
                .file("abs/file", "inside")
                .symlink("rel", &up)
                .file("rel/new", "inside too")
                // Over the link itself, not through it.
                .symlink("over", format!("{}/file", canary.display()))
                .file("over", "a file")
                .symlink("mode", format!("{}/file", canary.display()))
                .add("mode", EntryType::Directory, "", b"", |h| h.set_mode(0o777))
                .symlink("attributes", canary.to_str().unwrap())
                .pax(&[("SCHILY.xattr.user.evil", b"1")])
                .add("attributes", EntryType::Fifo, "", b"", |h| h.set_mode(0o777)),
        )
        .unwrap();
    let inside = layer.path.join(canary.strip_prefix("/").unwrap());
    assert_eq!(fs::read(inside.join("file")).unwrap(), b"inside");
    assert_eq!(fs::read(inside.join("new")).unwrap(), b"inside too");
    assert_eq!(list(&layer.path)["over"].content, b"a file");
}

#[test]
fn hard_links_lead_nowhere_outside() {
    if skip() {
        return;
    }
    let bench = Bench::new();
    let file = format!("{}/file", bench.canary().display());
    let missing = "layer entry \"l\": hard link to what is not in the layer";
    let error = bench.plain(Archive::new().link("l", &file)).unwrap_err();
    assert_eq!(error.to_string(), missing);
    let through = Archive::new().symlink("d", bench.canary().to_str().unwrap()).link("l", "d/file");
    assert_eq!(bench.plain(through).unwrap_err().to_string(), missing);
    // A link to a link is a link, and what is written over it does not go through it.
    let over = Archive::new().symlink("s", &file).link("l", "s").file("l", "over");
    let layer = bench.plain(over).unwrap();
    assert_eq!(list(&layer.path)["s"].content, file.as_bytes());
}

#[test]
fn hard_links_to_what_has_no_second_name_are_refused() {
    if skip() {
        return;
    }
    let problem = "layer entry \"l\": hard link to a directory or whiteout";
    assert_eq!(refused(Archive::new().dir("d").link("l", "d")), problem);
    assert_eq!(refused(Archive::new().file(".wh.w", "").link("l", "w")), problem);
    assert_eq!(
        refused(Archive::new().file("l/x", "").link("l", "l/x")),
        "layer entry \"l\": hard link to a file in what it replaces"
    );
}

#[test]
fn a_file_is_no_parent() {
    if skip() {
        return;
    }
    let problem = "layer entry \"f/x\": a parent is no directory";
    assert_eq!(refused(Archive::new().file("f", "").file("f/x", "")), problem);
    let through = refused(Archive::new().file("f", "").symlink("s", "f").file("s/x/y", ""));
    assert_eq!(through, "layer entry \"s/x/y\": a parent is no directory");
}

#[test]
fn a_very_deep_tree_can_be_made_and_replaced() {
    if skip() {
        return;
    }
    // More levels than the usual limit of open files.
    let deep = "d/".repeat(1100);
    let bench = Bench::new();
    let path: [(&str, &[u8]); 1] = [("path", deep.as_bytes())];
    bench.plain(Archive::new().pax(&path).dir("x").file("d", "flat")).unwrap();
    let too_deep = "d/".repeat(2100);
    let path: [(&str, &[u8]); 1] = [("path", too_deep.as_bytes())];
    assert!(refused(Archive::new().pax(&path).dir("x")).ends_with("a path over 4095 bytes"));
    // Longer by way of a symlink than any name in the archive.
    let part = format!("{}/", "e".repeat(200));
    let (long, target) = (part.repeat(10), part.repeat(11));
    let records: [(&str, &[u8]); 1] = [("linkpath", target.as_bytes())];
    let below = format!("s/{long}");
    let path: [(&str, &[u8]); 1] = [("path", below.as_bytes())];
    let archive = Archive::new().pax(&records).symlink("s", "x").pax(&path).dir("x");
    assert!(refused(archive).ends_with("a path over 4095 bytes"));
}

#[test]
fn entries_that_can_be_read_in_two_ways_are_refused() {
    if skip() {
        return;
    }
    // A header that says 0 bytes and a PAX size that says more: readers that ignore one of them see other entries.
    let hidden = Archive::new().file("smuggled", "").bytes();
    let size = hidden.len().to_string();
    let records: [(&str, &[u8]); 1] = [("size", size.as_bytes())];
    let archive = Archive::new().pax(&records).add("f", EntryType::Regular, "", &hidden, |h| h.set_size(0));
    let bench = Bench::new();
    let layer = bench.plain(archive).unwrap();
    let names: Vec<String> = list(&layer.path).into_keys().collect();
    assert_eq!(names, ["", "f"], "the PAX size counts, as for GNU tar and Go");

    let records: [(&str, &[u8]); 1] = [("size", b"512")];
    let archive = Archive::new().pax(&records).add("d", EntryType::Directory, "", b"", |_| ()).file("f", "");
    assert!(refused(archive).contains("data after what has none"));
    let owner: [(&str, &[u8]); 1] = [("uid", b"4294967296")];
    assert!(refused(Archive::new().pax(&owner).file("f", "")).contains("impossible owner"));
}
