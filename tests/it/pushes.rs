//! `lay push` and `lay manifest`, with a registry of the test's own, and others that take what was pushed.

use serde_json::Value;

use crate::support::{Lay, Registry, output};

/// An image of two layers, of which one was never compressed.
fn changed(lay: &Lay, name: &str) {
    lay.ok(&["run", "--name", "base", "--network", "none", "busybox", "sh", "-c", "echo pushed > /file"]);
    lay.ok(&["commit", "-c", "CMD [\"cat\", \"/file\"]", "base", name]);
    lay.ok(&["rm", "base"]);
}

#[test]
fn what_is_pushed_comes_back_and_is_pushed_once() {
    let (registry, lay) = (Registry::start(""), Lay::new());
    let name = format!("{}/team/made:1", registry.address);
    changed(&lay, &name);
    let first = lay.run(&["push", &name]).expect(0);
    let digest =
        first.stdout.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap().to_string();
    assert!(!first.stderr.contains("already exists"), "{}", first.stderr);
    let second = lay.run(&["push", &name]).expect(0);
    assert!(second.stdout.contains(&digest) && second.stderr.contains("Layer already exists"), "{second:?}");
    assert!(!second.stderr.contains("Pushed"), "{}", second.stderr);
    let inspected = output("skopeo", &["inspect", "--tls-verify=false", &format!("docker://{name}")]);
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["Digest"], digest);
    // Another machine gets the same bytes, and so does another tool.
    let other = Lay::new();
    assert_eq!(other.ok(&["pull", "-q", &name]), digest);
    assert_eq!(other.ok(&["run", "--rm", "--network", "none", &name]), "pushed");
    let dir = format!("dir:{}", lay.dir().join("copied").display());
    output("skopeo", &["copy", "-q", "--src-tls-verify=false", &format!("docker://{name}"), &dir]);
    for (compression, kind) in [("zstd", "+zstd"), ("gzip", "+gzip")] {
        let tag = format!("{}/team/made:{compression}", registry.address);
        lay.ok(&["tag", &name, &tag]);
        lay.ok(&["push", "-q", "--compression", compression, &tag]);
        let raw = output("skopeo", &["inspect", "--raw", "--tls-verify=false", &format!("docker://{tag}")]);
        assert!(raw.contains(kind), "{raw}");
        assert_eq!(other.sh(&["--network", "none"], &tag, "cat /file"), "pushed");
    }
    lay.assert_clean();
}

#[test]
fn a_push_that_cannot_be_says_why() {
    let lay = Lay::new();
    changed(&lay, "127.0.0.1:1/x/y:1");
    lay.run(&["push", "127.0.0.1:1/x/y:1"]).fails(1, "connection was refused");
    lay.run(&["push", "127.0.0.1:1/none:1"]).fails(1, "no such image");
    let registry = Registry::start("");
    let name = format!("{}/x/y:1", registry.address);
    lay.ok(&["tag", "127.0.0.1:1/x/y:1", &name]);
    drop(registry);
    lay.run(&["push", &name]).fails(1, "connection was refused");
    lay.assert_clean();
}

#[test]
fn a_list_of_platforms_is_pushed_with_its_images() {
    let (registry, lay) = (Registry::start(""), Lay::new());
    let (list, image) =
        (format!("{}/many/list:1", registry.address), format!("{}/many/one:1", registry.address));
    changed(&lay, &image);
    lay.ok(&["manifest", "create", &list, &image]);
    lay.ok(&["manifest", "push", &list]);
    let raw = output("skopeo", &["inspect", "--raw", "--tls-verify=false", &format!("docker://{list}")]);
    let raw: Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(raw["manifests"].as_array().unwrap().len(), 1);
    let other = Lay::new();
    other.ok(&["pull", "-q", &list]);
    assert_eq!(other.ok(&["run", "--rm", "--network", "none", &list]), "pushed");
    lay.assert_clean();
}
