//! Results of builds: carried from machine to machine, explained, and removed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::{Fault, Lay, Proxy, Registry};

const FILE: &str = "FROM busybox AS one
RUN echo one > /one; date +%s%N > /when; echo more > /more
COPY files /files
FROM busybox
ARG WHO=me
RUN echo $WHO > /who
COPY --from=one /one /when /
";

fn context(lay: &Lay) -> PathBuf {
    let dir = lay.dir().join("context");
    std::fs::create_dir_all(dir.join("files")).unwrap();
    std::fs::write(dir.join("Containerfile"), FILE).unwrap();
    std::fs::write(dir.join("files/a"), "a\n").unwrap();
    std::fs::write(dir.join("files/b"), "b\n").unwrap();
    dir
}

#[track_caller]
fn build(lay: &Lay, context: &Path, more: &[&str]) -> String {
    let args = [&["build", "--progress", "plain", "-t", "x"], more, &[context.to_str().unwrap()]].concat();
    lay.run(&args).expect(0).stderr
}

fn id(lay: &Lay) -> String {
    lay.ok(&["inspect", "-f", "{{.Id}}", "x"])
}

#[test]
fn another_machine_takes_results_over() {
    let first = Lay::new();
    let dir = context(&first);
    let registry = format!("{}/caches/taken:over", Registry::shared().address);
    let folder = first.dir().join("cache");
    for (kind, from, to) in [
        (
            "registry",
            format!("type=registry,ref={registry}"),
            format!("type=registry,ref={registry},mode=max"),
        ),
        (
            "local",
            format!("type=local,src={}", folder.display()),
            format!("type=local,dest={}", folder.display()),
        ),
    ] {
        // There is nothing yet, and that is no reason to fail.
        let told = build(&first, &dir, &["--cache-from", &from, "--cache-to", &to]);
        assert!(told.contains("warning: cache "), "{kind}: {told}");
        let other = Lay::new();
        let told = build(&other, &context(&other), &["--cache-from", &from]);
        assert_eq!(told.matches("CACHED").count(), 4, "{kind}: {told}");
        // Also what differs from build to build is the same, so it was not run again.
        assert_eq!(id(&other), id(&first), "{kind}");
        assert!(other.ok(&["images", "-q"]).lines().count() == 2, "a cache is no image that is listed");
        assert!(other.ok(&["check"]).ends_with("no problems"));
        // It counts from now on without the place.
        assert_eq!(build(&other, &context(&other), &[]).matches("CACHED").count(), 4);
        // Only what fits is taken.
        let told = build(&Lay::new(), &dir, &["--cache-from", &from, "--build-arg", "WHO=you"]);
        assert_eq!(told.matches("CACHED").count(), 2, "{kind}: {told}");
        other.assert_clean();
    }
    // A name alone is one in a registry; what is no cache is told, and harmless.
    let image = format!("{}/library/busybox", Registry::shared().address);
    let told = build(&first, &dir, &["--cache-from", &image]);
    assert!(told.contains("it is an image, not a cache"), "{told}");
    assert_ne!(first.run(&["inspect", &image]).code, 0, "and it gets no name");
    std::fs::remove_file(folder.join("index.json")).unwrap();
    let told = build(&first, &dir, &["--cache-from", &format!("type=local,src={}", folder.display())]);
    assert!(told.contains("warning: "), "{told}");
    for (flag, value, why) in [
        ("--cache-from", "type=gha", "src=DIRECTORY"),
        ("--cache-from", "type=s3,bucket=x", "\"s3\" is no type"),
        ("--cache-to", "type=local,src=x", "has no \"src\""),
    ] {
        first.run(&["build", flag, value, dir.to_str().unwrap()]).fails(1, why);
    }
    // A place that cannot be written to is told, when the image has its name already.
    first
        .run(&["build", "-t", "named", "--cache-to", "type=local,dest=/proc/nowhere", dir.to_str().unwrap()])
        .fails(1, "/proc/nowhere");
    first.ok(&["inspect", "named"]);
    first.assert_clean();
}

#[test]
fn only_what_is_needed_is_fetched() {
    let first = Lay::new();
    let dir = context(&first);
    let registry = &Registry::shared().address;
    build(&first, &dir, &["--cache-to", &format!("{registry}/caches/lazy:1")]);
    let fetched = |proxy: &Proxy| -> BTreeSet<String> {
        proxy.seen("/caches/lazy/blobs/").into_iter().map(|seen| seen.path).collect()
    };
    let layers = |lay: &Lay| std::fs::read_dir(lay.root().join("layers")).unwrap().count();

    // Of a build that is known, the target's two layers and the configuration of the cache; nothing of the other stage.
    let (other, proxy) = (Lay::new(), Proxy::before(registry));
    let from = format!("{}/caches/lazy:1", proxy.address);
    let dir = context(&other);
    let told = build(&other, &dir, &["--cache-from", &from]);
    assert_eq!(told.matches("CACHED").count(), 4, "{told}");
    assert_eq!(id(&other), id(&first));
    assert_eq!(fetched(&proxy).len(), 3, "{:?}", fetched(&proxy));
    assert_eq!(layers(&other), 3, "busybox's and these");
    // What is known of it is remembered, here too.
    assert_eq!(build(&other, &dir, &[]).matches("CACHED").count(), 4);
    assert_eq!(layers(&other), 3);
    assert!(other.ok(&["check"]).ends_with("no problems"));

    // A step that is carried out gets what is below it, and no more.
    std::fs::write(dir.join("files/b"), "changed\n").unwrap();
    let told = build(&other, &dir, &["--cache-from", &from, "--target", "one"]);
    assert_eq!(told.matches("CACHED").count(), 1, "{told}");
    assert_eq!(fetched(&proxy).len(), 4, "{:?}", fetched(&proxy));
    assert_eq!(other.sh(&["--network", "none"], "x", "cat /one /files/b"), "one\nchanged");

    // What goes to the place where it came from need not come here for that.
    let (third, place) = (Lay::new(), format!("{registry}/caches/lazy:1"));
    let told = build(&third, &context(&third), &["--cache-from", &place, "--cache-to", &place]);
    assert_eq!(told.matches("CACHED").count(), 4, "{told}");
    assert_eq!(layers(&third), 3);
    let told = build(&Lay::new(), &context(&third), &["--cache-from", &place, "--target", "one"]);
    assert_eq!(told.matches("CACHED").count(), 2, "all of it is still there: {told}");
    // To another place all of it goes.
    let folder = third.dir().join("cache");
    let to = format!("type=local,dest={}", folder.display());
    build(&third, &context(&third), &["--cache-from", &place, "--cache-to", &to]);
    let fourth = Lay::new();
    let from = format!("type=local,src={}", folder.display());
    let told = build(&fourth, &context(&fourth), &["--cache-from", &from, "--target", "one"]);
    assert_eq!(told.matches("CACHED").count(), 2, "{told}");
    for lay in [first, other, third, fourth] {
        lay.assert_clean();
    }
}

#[test]
fn a_layer_that_cannot_be_had_is_made_again() {
    let first = Lay::new();
    let registry = &Registry::shared().address;
    let cache = format!("{registry}/caches/lost:1");
    build(&first, &context(&first), &["--cache-to", &cache]);
    let (other, proxy) = (Lay::new(), Proxy::before(registry));
    let from = format!("{}/caches/lost:1", proxy.address);
    build(&other, &context(&other), &["--cache-from", &from]);
    let needed: Vec<String> = proxy.seen("/blobs/").into_iter().map(|seen| seen.path).collect();
    assert_eq!(needed.len(), 3, "a configuration and two layers: {needed:?}");
    for lost in &needed[1..] {
        let (other, proxy) = (Lay::new(), Proxy::before(registry));
        proxy.fault(lost, 100, Fault::Answer("404 Not Found", "", b"{}".to_vec()));
        let from = format!("{}/caches/lost:1", proxy.address);
        let told = build(&other, &context(&other), &["--cache-from", &from]);
        assert!(told.contains("cannot be had, its step is carried out"), "{told}");
        assert!(told.contains("DONE"), "{told}");
        other.assert_clean();
        assert_eq!(other.sh(&["--network", "none"], "x", "cat /one /who; test -s /when"), "one\nme");
        assert!(other.ok(&["check"]).ends_with("no problems"));
    }
    // Where all layers are gone, every step is carried out once, although one stage finds out what another has lost.
    let blobs = std::fs::read_dir(other.root().join("blobs/sha256")).unwrap();
    let documents = blobs.filter_map(|blob| std::fs::read(blob.unwrap().path()).ok());
    let documents = documents.filter_map(|data| serde_json::from_slice::<serde_json::Value>(&data).ok());
    let is_cache = |manifest: &serde_json::Value| {
        manifest["config"]["digest"].as_str().is_some_and(|digest| needed[0].ends_with(digest))
    };
    let manifest = documents.into_iter().find(is_cache).unwrap();
    let (other, proxy) = (Lay::new(), Proxy::before(registry));
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 4);
    for layer in layers {
        let gone = Fault::Answer("404 Not Found", "", b"{}".to_vec());
        proxy.fault(layer["digest"].as_str().unwrap(), 100, gone);
    }
    let from = format!("{}/caches/lost:1", proxy.address);
    let told = build(&other, &context(&other), &["--cache-from", &from]);
    assert_eq!(told.matches("DONE").count(), 4, "{told}");
    assert_eq!(told.matches("cannot be had, its step is carried out").count(), 4, "{told}");
    other.assert_clean();
    assert_eq!(other.sh(&["--network", "none"], "x", "cat /one /who; test -s /when"), "one\nme");
    assert!(other.ok(&["check"]).ends_with("no problems"));
}

#[test]
fn a_damaged_cache_does_no_harm() {
    let lay = Lay::new();
    let dir = context(&lay);
    let folder = lay.dir().join("cache");
    let to = format!("type=local,dest={}", folder.display());
    build(&lay, &dir, &["--cache-to", &to]);
    let blobs: Vec<PathBuf> =
        std::fs::read_dir(folder.join("blobs/sha256")).unwrap().map(|e| e.unwrap().path()).collect();
    let (mut documents, mut warned) = (0, 0);
    for blob in blobs {
        let good = std::fs::read(&blob).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        std::fs::write(&blob, bad).unwrap();
        let other = Lay::new();
        let told = build(
            &other,
            &context(&other),
            &["--cache-from", &format!("type=local,src={}", folder.display())],
        );
        let warns = told.contains("warning: ");
        if good.starts_with(b"{") {
            documents += 1;
            assert!(warns && !told.contains("CACHED"), "{}: {told}", blob.display());
        } else {
            // It matters where it is needed; other steps are known all the same.
            warned += usize::from(warns);
            assert!(told.contains("CACHED") && warns == told.contains("DONE"), "{}: {told}", blob.display());
        }
        assert_eq!(other.sh(&["--network", "none"], "x", "cat /one /who; test -s /when"), "one\nme");
        assert!(other.ok(&["check"]).ends_with("no problems"));
        std::fs::write(&blob, good).unwrap();
    }
    assert_eq!((documents, warned), (2, 2));
}

#[test]
fn results_survive_a_damaged_index() {
    let lay = Lay::new();
    let dir = context(&lay);
    build(&lay, &dir, &[]);
    let db = lay.root().join("index/db");
    std::fs::write(&db, vec![0xa5; 100_000]).unwrap();
    lay.ok(&["check", "--repair"]);
    lay.ok(&["rmi", "x"]);
    lay.ok(&["prune", "-f"]);
    assert_eq!(build(&lay, &dir, &[]).matches("CACHED").count(), 4);
    // Nor does it matter that the other file is gone, or is nonsense.
    let records = lay.root().join("build/records");
    for damage in [None, Some("nonsense"), Some("")] {
        match damage {
            None => std::fs::remove_file(&records).unwrap(),
            Some(text) => std::fs::write(&records, text).unwrap(),
        }
        assert_eq!(build(&lay, &dir, &[]).matches("CACHED").count(), 4, "{damage:?}");
    }
    assert!(lay.ok(&["check"]).ends_with("no problems"));
    lay.assert_clean();
}

#[test]
fn why_a_step_was_carried_out_is_explained() {
    let lay = Lay::new();
    let dir = context(&lay);
    let why = |more: &[&str]| -> Vec<String> {
        let told = build(&lay, &dir, &[&["--explain"], more].concat());
        told.lines().filter_map(|line| Some(line.split_once("carried out: ")?.1.to_owned())).collect()
    };
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    assert_eq!(
        sorted(why(&[])),
        [
            "a step before it was carried out",
            "a step before it was carried out",
            "it was not built before",
            "it was not built before"
        ]
    );
    assert_eq!(why(&[]), [""; 0]);
    // The target takes /one from a stage whose layers have changed; the file is the same.
    std::fs::write(dir.join("files/b"), "other\n").unwrap();
    assert_eq!(why(&[]), ["files/b changed"]);
    std::fs::remove_file(dir.join("files/a")).unwrap();
    assert_eq!(why(&[]), ["files/a is gone"]);
    assert_eq!(why(&["--build-arg", "WHO=you"])[0], "variable WHO changed");
    let text = FILE.replace("echo one >", "echo One >");
    std::fs::write(dir.join("Containerfile"), text).unwrap();
    assert_eq!(why(&["--build-arg", "WHO=you"])[0], "the instruction changed");
    assert!(why(&["--no-cache"]).iter().all(|why| why == "--no-cache"));
    // Files are called what they are here, not what they become.
    let file = "FROM busybox\nCOPY files/b /there\nADD files /elsewhere/\n";
    std::fs::write(dir.join("Containerfile"), file).unwrap();
    why(&[]);
    std::fs::write(dir.join("files/b"), "a third\n").unwrap();
    assert_eq!(why(&[]), ["files/b changed", "files/b changed"]);
    lay.assert_clean();
}

#[test]
fn results_go_by_age_and_size() {
    let lay = Lay::new();
    let dir = context(&lay);
    build(&lay, &dir, &[]);
    let cached = || build(&lay, &dir, &[]).matches("CACHED").count();
    assert_eq!(cached(), 4);
    lay.ok(&["rmi", "x"]);
    let prune = |more: &[&str]| lay.ok(&[&["prune", "-f"], more].concat());
    // Without being asked for, and while they are young or small, they stay.
    assert!(prune(&[]).ends_with("Total reclaimed space: 0B"));
    prune(&["--build-cache", "--filter", "until=1h"]);
    prune(&["--build-cache", "--keep-storage", "1g"]);
    assert_eq!(cached(), 4);
    lay.ok(&["rmi", "x"]);
    // A dry run says what would go, and leaves it.
    assert!(prune(&["--build-cache", "--dry-run"]).contains("Would remove layer"));
    assert_eq!(cached(), 4);
    // What an image is made of stays with it, but its step is forgotten.
    prune(&["--build-cache", "--keep-storage", "0"]);
    lay.sh(&["--network", "none"], "x", "cat /who");
    assert_eq!(cached(), 0);
    prune(&["--build-cache", "--filter", "until=0s"]);
    assert_eq!(cached(), 0);
    for (flags, why) in [
        (&["--keep-storage", "much"][..], "such as 10g"),
        (&["--filter", "until=yesterday"], "expected a time"),
        (&["--filter", "label=x"], "have no labels"),
    ] {
        lay.run(&[&["prune", "-f", "--build-cache"], flags].concat()).fails(1, why);
    }
    assert!(lay.ok(&["check"]).ends_with("no problems"));
    lay.assert_clean();
}
