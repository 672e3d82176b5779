//! Steps whose results are known: nothing is started, made or waited for because of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Lay, eventually};

const FILE: &str = "FROM busybox AS one
WORKDIR a
WORKDIR b
COPY files/a .
ENV GREETING=hello
RUN --mount=type=cache,target=/cache,sharing=locked --mount=type=secret,id=key,required \\
    --mount=type=bind,source=files,target=/files echo $GREETING >> /cache/log; cat /files/b > /of-b
RUN <<SCRIPT
#!/bin/sh
echo $GREETING > /said
SCRIPT
ADD archive.tar /unpacked/
FROM busybox
RUN --mount=type=bind,from=one,target=/one cat /one/said > /heard
COPY --from=one /of-b /
";

fn context(lay: &Lay) -> PathBuf {
    let dir = lay.dir().join("context");
    fs::create_dir_all(dir.join("files")).unwrap();
    fs::write(dir.join("Containerfile"), FILE).unwrap();
    fs::write(dir.join("files/a"), "a\n").unwrap();
    fs::write(dir.join("files/b"), "b\n").unwrap();
    fs::write(lay.dir().join("key"), "secret").unwrap();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_path_with_name(dir.join("files/a"), "inside").unwrap();
    write(&dir.join("archive.tar"), archive.into_inner().unwrap());
    dir
}

/// Writes a file, and waits until its time says surely that it was not changed since: what is younger is read again.
fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).unwrap();
    std::thread::sleep(Duration::from_millis(100));
}

/// What a build says, and how many containers it made.
#[track_caller]
fn build(lay: &Lay, dir: &Path, more: &[&str]) -> (String, usize) {
    let made = || {
        let log = fs::read_to_string(lay.root().join("events/log")).unwrap_or_default();
        log.lines().filter(|line| line.contains("\"container\",\"action\":\"create\"")).count()
    };
    let before = made();
    let args = [&["build", "--progress", "plain", "-t", "x"], more, &[dir.to_str().unwrap()]].concat();
    let told = lay.run(&args).expect(0).stderr;
    (told, made() - before)
}

fn count(told: &str, word: &str) -> usize {
    told.matches(word).count()
}

#[test]
fn known_steps_make_nothing_and_wait_for_nobody() {
    let lay = Lay::new();
    let dir = context(&lay);
    let secret = format!("id=key,src={}", lay.dir().join("key").display());
    let (told, made) = build(&lay, &dir, &["--secret", &secret]);
    assert_eq!((count(&told, "CACHED"), made), (0, 2), "one for each stage: {told}");
    let id = || lay.ok(&["inspect", "-f", "{{.Id}}", "x"]);
    let first = id();
    assert_eq!(lay.sh(&["--network", "none"], "x", "cat /heard /of-b"), "hello\nb");

    // Another build has the cache for itself, and a command that is not run needs no secret.
    let locks: Vec<File> = fs::read_dir(lay.root().join("build/mounts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "lock"))
        .map(|path| File::open(path).unwrap())
        .collect();
    assert_eq!(locks.len(), 1);
    locks[0].lock().unwrap();
    let mut command = lay.command(&["build", "-q", "-t", "x", dir.to_str().unwrap()]);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    eventually("the build is done", || child.try_wait().unwrap().is_some());
    let (told, made) = build(&lay, &dir, &[]);
    assert_eq!((count(&told, "CACHED"), count(&told, "DONE"), made), (8, 0, 0), "{told}");
    assert_eq!(id(), first);
    drop(locks);

    // Of a stage that is known in part, the rest is carried out, and each step is told once.
    write(&dir.join("files/b"), "another\n");
    let (told, made) = build(&lay, &dir, &["--secret", &secret]);
    assert_eq!((count(&told, "CACHED"), count(&told, "DONE"), made), (3, 5, 2), "{told}");
    for line in FILE.lines().filter(|line| line.starts_with("WORKDIR") || line.starts_with("COPY")) {
        assert_eq!(count(&told, line), 1, "{line}: {told}");
    }
    assert_eq!(lay.sh(&["--network", "none"], "x", "cat /heard /of-b"), "hello\nanother");

    // An archive that is not what it was is unpacked anew; what is in it is the same, so that ends there.
    let archive = fs::read(dir.join("archive.tar")).unwrap();
    write(&dir.join("archive.tar"), [&archive[..], &[0; 512]].concat());
    let (told, _) = build(&lay, &dir, &[]);
    assert_eq!((count(&told, "CACHED"), count(&told, "DONE")), (7, 1), "{told}");
    let (told, made) = build(&lay, &dir, &[]);
    assert_eq!((count(&told, "CACHED"), made), (8, 0), "{told}");

    // Of an image that is built upon, archives are not needed.
    let layers: Vec<String> =
        serde_json::from_str(&lay.ok(&["inspect", "-f", "{{json .RootFS.Layers}}", "x"])).unwrap();
    let heard = layers[layers.len() - 2].trim_start_matches("sha256:");
    fs::remove_file(lay.root().join("blobs/sha256").join(heard)).unwrap();
    let above = lay.dir().join("above");
    fs::create_dir(&above).unwrap();
    fs::write(above.join("Containerfile"), "FROM x\nRUN cat /heard > /again\n").unwrap();
    lay.ok(&["build", "-q", "-t", "above", above.to_str().unwrap()]);
    // A result whose archive is gone is made again.
    let (told, _) = build(&lay, &dir, &["--secret", &secret]);
    assert_eq!((count(&told, "CACHED"), count(&told, "DONE")), (8, 2), "{told}");
    lay.run(&["build", "--no-cache", dir.to_str().unwrap()]).fails(1, "the secret \"key\" is required");
    lay.assert_clean();
}
