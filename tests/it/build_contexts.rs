//! `lay build --build-context`: names that stand for directories, repositories and other images.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::lay::Out;
use crate::support::{Lay, output};

/// The context, and beside it a directory of other files.
fn contexts(lay: &Lay, file: &str) -> (PathBuf, PathBuf) {
    let (dir, assets) = (lay.dir().join("context"), lay.dir().join("assets"));
    fs::create_dir_all(&dir).unwrap();
    fs::create_dir_all(assets.join("sub")).unwrap();
    fs::write(dir.join("Containerfile"), file).unwrap();
    fs::write(dir.join("own"), "own\n").unwrap();
    fs::write(dir.join("one.txt"), "of the context\n").unwrap();
    fs::write(assets.join("one.txt"), "one\n").unwrap();
    fs::write(assets.join("sub/two.txt"), "two\n").unwrap();
    fs::write(assets.join("sub/hidden.log"), "hidden\n").unwrap();
    fs::write(assets.join(".dockerignore"), "**/*.log\n").unwrap();
    (dir, assets)
}

fn build(lay: &Lay, file: &str, more: &[&str]) -> Out {
    let (dir, _) = contexts(lay, file);
    lay.run(&[&["build", "--progress", "plain"], more, &[dir.to_str().unwrap()]].concat())
}

/// `NAME=` the directory of other files.
fn assets(lay: &Lay, name: &str) -> String {
    format!("{name}={}", lay.dir().join("assets").display())
}

/// Writes a file, and waits until its time says surely that it was not changed since: what is younger is read again.
fn write(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
}

const READERS: &str = "FROM busybox AS copies
COPY --from=assets one.txt /
FROM busybox AS mounts
RUN --mount=from=assets,source=sub,target=/mnt cat /mnt/two.txt > /two; ls /mnt > /seen
FROM busybox AS neither
COPY own /
FROM busybox
COPY --from=neither /own /
COPY --from=mounts /two /seen /
COPY --from=copies /one.txt /
";

#[test]
fn a_change_in_a_named_directory_concerns_those_that_read_it() {
    let lay = Lay::new();
    let (dir, other) = contexts(&lay, READERS);
    let flag = assets(&lay, "assets");
    let args = ["build", "--progress", "plain", "-t", "x", "--build-context", &flag, dir.to_str().unwrap()];
    let counts = || {
        let told = lay.run(&args).expect(0).stderr;
        (told.matches("CACHED").count(), told.matches("DONE").count(), told)
    };
    assert_eq!(counts().1, 6);
    let seen = || lay.sh(&["--network", "none"], "x", "cat /own /one.txt /two; ls /seen; cat /seen");
    assert_eq!(seen(), "own\none\ntwo\n/seen\ntwo.txt", "what is ignored is not there");
    assert_eq!(counts().0, 6);
    write(&other.join("one.txt"), "changed\n");
    let (cached, done, told) = counts();
    assert_eq!((cached, done), (4, 2), "the copy, and the copy of it: {told}");
    write(&other.join("sub/two.txt"), "changed too\n");
    let (cached, done, told) = counts();
    assert_eq!((cached, done), (3, 3), "the command, the copy of it, and what stands on that: {told}");
    assert_eq!(seen(), "own\nchanged\nchanged too\n/seen\ntwo.txt");
    // What nobody reads, or is ignored, changes nothing; nor does another place of the same files.
    write(&other.join("nobody"), "reads this\n");
    write(&other.join("sub/hidden.log"), "ignored\n");
    write(&dir.join("one.txt"), "of the context, and not asked for\n");
    assert_eq!(counts().0, 6);
    let moved = lay.dir().join("moved");
    fs::rename(&other, &moved).unwrap();
    let flag = format!("assets={}", moved.display());
    let args = ["build", "--progress", "plain", "--build-context", &flag, dir.to_str().unwrap()];
    assert_eq!(lay.run(&args).expect(0).stderr.matches("CACHED").count(), 6);
    lay.assert_clean();
}

#[test]
fn what_a_named_directory_lacks_is_told() {
    let lay = Lay::new();
    let flag = assets(&lay, "assets");
    let fails = |file: &str, why: &str| {
        build(&lay, file, &["--build-context", &flag]).fails(1, why);
    };
    fails("FROM busybox\nCOPY --from=assets own /\n", "\"own\" is not in the context assets");
    fails("FROM busybox\nCOPY --from=assets sub/hidden.log /\n", "is not in the context assets");
    fails("FROM busybox\nCOPY --from=assets ../context/own /\n", "is not in the context assets");
    let (_, other) = contexts(&lay, "");
    std::os::unix::fs::symlink("/etc/passwd", other.join("out")).unwrap();
    fails("FROM busybox\nCOPY --from=assets out /\n", "is not in the context assets");
    for (value, why) in [
        ("assets=/nowhere/at/all", "cannot use the build context assets: /nowhere/at/all: No such file"),
        ("assets=/etc/passwd", "/etc/passwd: it is no directory"),
        ("assets", "expected NAME=DIRECTORY"),
        ("assets=https://h/x.tar.gz", "only those of Git repositories"),
        ("scratch=/tmp", "could be replaced"),
        ("assets=docker-image://A B", "for --build-context"),
        ("assets=file:///nowhere/x.git", "cannot use the build context assets: git "),
    ] {
        build(&lay, "FROM busybox\n", &["--build-context", value]).fails(1, why);
    }
    lay.assert_clean();
}

#[test]
fn a_stage_or_an_image_may_be_a_directory() {
    let lay = Lay::new();
    let flag = assets(&lay, "Base");
    // As Docker: a stage of the name is overwritten, by name, by number and as the target.
    let file = "FROM busybox AS base
RUN false
FROM base AS child
COPY own /own
FROM busybox
COPY --from=base one.txt /by-name
COPY --from=0 one.txt /by-number
RUN --mount=from=base,target=/mnt cat /mnt/one.txt > /mounted
";
    build(&lay, file, &["--build-context", &flag, "-t", "x"]).expect(0);
    assert_eq!(lay.sh(&["--network", "none"], "x", "cat /by-name /by-number /mounted"), "one\none\none");
    let (out, child) = (lay.dir().join("out"), lay.dir().join("child"));
    for (target, dir) in [("base", &out), ("child", &child)] {
        let flags = ["--build-context", &flag, "--target", target, "-o", dir.to_str().unwrap()];
        build(&lay, file, &flags).expect(0);
        assert_eq!(fs::read_to_string(dir.join("one.txt")).unwrap(), "one\n");
        assert!(dir.join("sub/two.txt").exists() && !dir.join("sub/hidden.log").exists());
        assert_eq!(dir.join("own").exists(), target == "child");
    }
    let told = build(&lay, file, &["--build-context", &flag, "--target", "child"]).expect(0).stderr;
    assert_eq!(told.matches("CACHED").count(), 2, "{told}");
    lay.assert_clean();
}

#[test]
fn a_name_may_stand_for_another_image() {
    let lay = Lay::new();
    let file = "FROM nowhere.example/gone:1
COPY --from=absent /etc/motd /copied
RUN --mount=from=docker.io/library/absent:latest,target=/mnt cat /mnt/etc/motd > /mounted
";
    let flags = [
        "--build-context",
        "nowhere.example/gone:1=docker-image://busybox",
        "--build-context",
        "absent=docker-image://docker.io/library/layers:latest",
    ];
    build(&lay, file, &[&flags[..], &["-t", "x"]].concat()).expect(0);
    let seen = lay.sh(&["--network", "none"], "x", "cat /copied /mounted");
    assert_eq!(seen, "second layer\nsecond layer");
    // Another tag is another image; a pin stands for its own name.
    build(&lay, "FROM absent:2\n", &flags).fails(1, "cannot pull absent:2");
    build(&lay, "FROM busybox\n", &["--build-context", "busybox=docker-image://layers", "-t", "y"]).expect(0);
    assert_eq!(lay.sh(&["--network", "none"], "y", "cat /etc/motd"), "second layer");
    // A stage may be an image, with all that its configuration says.
    let file = "FROM busybox AS base\nRUN false\nFROM base\nENV TAKEN=$FROM_IMAGE\n";
    let flag = "base=docker-image://configured";
    build(&lay, file, &["--build-context", flag, "-t", "z"]).expect(0);
    let env = lay.ok(&["inspect", "-f", "{{json .Config.Env}}", "z"]);
    assert!(env.contains("\"TAKEN=yes\""), "{env}");
    // Also where an image's own trigger has the name.
    build(&lay, "FROM busybox\nONBUILD COPY --from=assets one.txt /triggered\n", &["-t", "trigger"])
        .expect(0);
    let flag = assets(&lay, "assets");
    build(&lay, "FROM trigger\n", &["--build-context", &flag, "-t", "w"]).expect(0);
    assert_eq!(lay.sh(&["--network", "none"], "w", "cat /triggered"), "one");
    lay.assert_clean();
}

#[test]
fn a_name_may_stand_for_a_repository() {
    let lay = Lay::new();
    let (work, bare) = (lay.dir().join("work"), lay.dir().join("source.git"));
    fs::create_dir_all(work.join("sub")).unwrap();
    fs::write(work.join("sub/file"), "from git\n").unwrap();
    fs::write(work.join(".dockerignore"), "sub\n").unwrap();
    let (work, bare) = (work.to_str().unwrap(), bare.to_str().unwrap());
    output("git", &["-C", work, "init", "-q", "-b", "main"]);
    output("git", &["-C", work, "add", "-A"]);
    let who = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
    output("git", &[&["-C", work], &who[..], &["commit", "-q", "-m", "x"]].concat());
    output("git", &["clone", "-q", "--bare", work, bare]);
    let file = "FROM busybox\nCOPY --from=source file /whole\nRUN --mount=from=source,target=/mnt ls -A /mnt > /seen\n";
    let flag = format!("source=file://{bare}#main:sub");
    build(&lay, file, &["--build-context", &flag, "-t", "x"]).expect(0);
    assert_eq!(lay.sh(&["--network", "none"], "x", "cat /whole /seen"), "from git\nfile");
    let told = build(&lay, file, &["--build-context", &flag, "-t", "x"]).expect(0).stderr;
    assert_eq!(told.matches("CACHED").count(), 2, "a clone is new, and its files are the same: {told}");
    build(
        &lay,
        "FROM busybox\nCOPY --from=source sub /\n",
        &["--build-context", &format!("source=file://{bare}")],
    )
    .expect(0);
    lay.assert_clean();
}

#[test]
fn a_name_may_stand_for_an_image_in_a_layout() {
    let (lay, maker) = (Lay::new(), Lay::new());
    let layout = lay.dir().join("layout");
    let to = format!("type=oci,tar=false,dest={}", layout.display());
    build(&maker, "FROM busybox\nRUN echo kept > /it\n", &["-t", "made:1", "-o", &to]).expect(0);
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    let file = "FROM base\nRUN cat /it > /again\nCOPY --from=base /it /copied\n";
    for suffix in [String::new(), format!("@{digest}"), ":made:1".to_owned()] {
        let flag = format!("base=oci-layout://{}{suffix}", layout.display());
        let out = build(&lay, file, &["--build-context", &flag, "-t", "x"]);
        if suffix.starts_with(':') {
            out.fails(1, "No such file");
            continue;
        }
        out.expect(0);
        assert_eq!(lay.sh(&["--network", "none"], "x", "cat /again /copied"), "kept\nkept");
    }
    let flag = format!("base=oci-layout://{}:2", layout.display());
    build(&lay, file, &["--build-context", &flag]).fails(1, "it holds no image 2");
    let flag = format!("base=oci-layout://{}", lay.dir().display());
    build(&lay, file, &["--build-context", &flag]).fails(1, "index.json");
    assert!(lay.ok(&["check"]).ends_with("no problems"));
    lay.assert_clean();
    maker.assert_clean();
}
