//! `lay diff`, `commit`, `export`, `import`, `save`, `load`; archives of other tools, and ours in theirs.

use std::process::Command;

use crate::support::{Lay, Registry, output};

/// Changes of every kind.
const CHANGE: &str = "echo new > /added; mkdir -p /dir/sub; echo x > /dir/sub/file; ln /dir/sub/file /dir/hard; \
    ln -s /dir /link; echo changed >> /etc/passwd; rm /etc/group; rm -r /root; mkdir /root; chmod 4755 /dir/sub/file; \
    mknod /fifo p; mv /bin/false /bin/moved; touch -t 200001010000 /added";

fn changed(lay: &Lay, name: &str) {
    lay.ok(&["run", "--name", name, "--network", "none", "busybox", "sh", "-c", CHANGE]);
}

/// What GNU tar sees in an archive, without the mount points that every start touches.
fn listing(path: &std::path::Path) -> Vec<String> {
    let text = output("tar", &["--full-time", "--numeric-owner", "-tvf", path.to_str().unwrap()]);
    let noise = |line: &&str| {
        let name = line.split_whitespace().nth(5).unwrap_or_default();
        !["./", "etc/", "dev/", "proc/", "sys/", "etc/hosts", "etc/hostname", "etc/resolv.conf"]
            .contains(&name)
    };
    let mut lines: Vec<String> = text.lines().filter(noise).map(String::from).collect();
    lines.sort();
    lines
}

#[test]
fn changes_are_told_as_docker_tells_them() {
    let lay = Lay::new();
    changed(&lay, "changer");
    let diff = lay.ok(&["diff", "changer"]);
    for line in [
        "A /added",
        "A /dir/sub/file",
        "C /etc",
        "C /etc/passwd",
        "D /etc/group",
        "D /bin/false",
        "A /bin/moved",
        "A /link",
    ] {
        assert!(diff.lines().any(|l| l == line), "{line} is not in: {diff}");
    }
    assert!(!diff.contains("/bin/busybox"), "{diff}");
}

#[test]
fn a_commit_is_the_container_again() {
    let lay = Lay::new();
    changed(&lay, "changer");
    let commit = |name: &str| {
        let out = lay.command(&["commit", "-m", "why", "-c", "CMD [\"cat\", \"/added\"]", "changer", name]);
        let out = { out }.env("SOURCE_DATE_EPOCH", "1600000000").output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(commit("made:1"), commit("made:2"), "the same change is the same image");
    assert_eq!(lay.ok(&["run", "--rm", "--network", "none", "made:1"]), "new");
    assert!(lay.ok(&["history", "made:1"]).contains("why"));
    lay.ok(&["run", "--name", "again", "--network", "none", "made:1", "true"]);
    let exported = |name: &str| {
        let path = lay.dir().join(format!("{name}.tar"));
        lay.ok(&["export", "-o", path.to_str().unwrap(), name]);
        listing(&path)
    };
    assert_eq!(exported("changer"), exported("again"));
    lay.ok(&["check"]);
}

#[test]
fn one_that_never_ran_or_ends_just_now_can_be_kept_too() {
    let lay = Lay::new();
    lay.ok(&["create", "--name", "new", "busybox", "true"]);
    lay.ok(&["commit", "new", "made:new"]);
    assert_eq!(lay.sh(&["--network", "none"], "made:new", "echo ran"), "ran");
    lay.ok(&["create", "--name", "short", "--network", "none", "busybox", "true"]);
    // It ends before, while or after it is stopped for the export.
    for _ in 0..15 {
        lay.ok(&["start", "short"]);
        lay.ok(&["export", "-o", "/dev/null", "short"]);
    }
    lay.ok(&["rm", "new", "short"]);
    lay.assert_clean();
}

#[test]
fn an_exported_tree_is_imported() {
    let lay = Lay::new();
    changed(&lay, "changer");
    let path = lay.dir().join("tree.tar");
    let path = path.to_str().unwrap();
    lay.ok(&["export", "-o", path, "changer"]);
    lay.ok(&["import", "-c", "CMD [\"sh\"]", "-c", "ENV PATH=/bin", path, "imported:1"]);
    let script = "cat /added; stat -c '%a %h' /dir/hard; test -e /etc/group || echo gone; readlink /link";
    assert_eq!(lay.sh(&["--network", "none"], "imported:1", script), "new\n4755 2\ngone\n/dir");
    lay.run(&["import", "/etc/passwd", "nonsense:1"]).fails(1, "cannot import");
}

#[test]
fn saved_images_load_here_and_elsewhere() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "layers"]);
    lay.ok(&["pull", "-q", "zstd"]);
    let (archive, dir) = (lay.dir().join("images.tar"), lay.dir().join("layout"));
    lay.ok(&["save", "-o", archive.to_str().unwrap(), "layers", "zstd"]);
    lay.ok(&["save", "--format", "oci-dir", "-o", dir.to_str().unwrap(), "layers"]);
    let other = Lay::new();
    assert_eq!(
        other.ok(&["load", "-i", archive.to_str().unwrap()]),
        "Loaded image: layers:latest\nLoaded image: zstd:latest"
    );
    assert_eq!(other.ok(&["images", "-q", "layers"]), lay.ok(&["images", "-q", "layers"]));
    assert_eq!(other.sh(&["--network", "none"], "layers", "cat /etc/motd2"), "second layer");
    let third = Lay::new();
    third.ok(&["load", "-i", dir.to_str().unwrap()]);
    assert_eq!(third.sh(&["--network", "none"], "layers", "cat /etc/motd2"), "second layer");
    let copy = lay.dir().join("copy");
    for source in ["docker-archive", "oci-archive"] {
        let source = format!("{source}:{}:layers:latest", archive.display());
        output("skopeo", &["copy", "-q", &source, &format!("dir:{}", copy.display())]);
    }
    other.ok(&["check"]);
}

#[test]
fn archives_of_other_tools_load_from_files_and_pipes() {
    let lay = Lay::new();
    let image = format!("docker://{}/library/layers:latest", Registry::shared().address);
    for kind in ["docker-archive", "oci-archive"] {
        let path = lay.dir().join(format!("{kind}.tar"));
        let target = format!("{kind}:{}:docker.io/library/{kind}:x", path.display());
        output("skopeo", &["copy", "-q", "--src-tls-verify=false", &image, &target]);
        let out = Command::new("gzip").arg("-c").arg(&path).output().unwrap();
        let piped = lay.dir().join("piped.gz");
        std::fs::write(&piped, out.stdout).unwrap();
        let load = lay.command(&["load"]).stdin(std::fs::File::open(&piped).unwrap()).output().unwrap();
        let text = String::from_utf8_lossy(&load.stdout).into_owned();
        assert_eq!(
            text.trim_end(),
            format!("Loaded image: {kind}:x"),
            "{}",
            String::from_utf8_lossy(&load.stderr)
        );
        assert_eq!(lay.sh(&["--network", "none"], &format!("{kind}:x"), "cat /etc/motd2"), "second layer");
    }
    lay.run(&["load", "-i", "/etc/passwd"]).fails(1, "cannot load");
}
