//! `lay images`, `inspect`, `tag`, `rmi`, `history`, `prune`, `check`.

use serde_json::Value;

use crate::support::{Fault, Lay, Proxy, Registry, eventually};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn images_are_listed_in_every_form() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let digest = lay.ok(&["pull", "-q", "layers"]);
    let table = lay.ok(&["images"]);
    let heading: Vec<&str> =
        table.lines().next().unwrap().split("   ").map(str::trim).filter(|c| !c.is_empty()).collect();
    assert_eq!(heading, ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    assert!(table.contains("layers") && table.contains("years ago") && table.contains("MB"), "{table}");
    assert!(lay.ok(&["images", "--digests", "layers"]).contains(&digest));
    let rows: Vec<Value> = lay.ok(&["images", "--format", "json"]).lines().map(json).collect();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|r| r["Tag"] == "latest" && r["Bytes"].as_u64().unwrap() > 100_000));
    assert_eq!(
        lay.ok(&["images", "-f", "reference=lay*", "--format", "{{.Repository}}:{{.Tag}}"]),
        "layers:latest"
    );
    assert_eq!(lay.ok(&["images", "-q"]).lines().map(str::len).collect::<Vec<_>>(), [12, 12]);
    assert!(lay.ok(&["images", "-q", "-f", "dangling=true"]).is_empty());
    lay.run(&["images", "-f", "color=red"]).fails(1, "dangling, reference, label");
}

#[test]
fn an_image_is_inspected_and_its_history_shown() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "configured"]);
    let image = json(&lay.ok(&["inspect", "configured"]))[0].clone();
    assert_eq!(image["RepoTags"], serde_json::json!(["configured:latest"]));
    assert_eq!(image["Config"]["WorkingDir"], "/work/here");
    assert_eq!(image["RootFS"]["Layers"].as_array().unwrap().len(), 1);
    let id = image["Id"].as_str().unwrap();
    assert_eq!(lay.ok(&["inspect", "-f", "{{.Id}}", &id[7..19]]), id, "by a part of its id");
    assert!(lay.ok(&["history", "configured"]).contains("made by a test"));
    // One layer is the whole image, whatever it took to travel.
    let size = lay.ok(&["images", "--format", "{{.Size}}", "configured"]);
    let steps = lay.ok(&["history", "--format", "{{.Size}}", "configured"]);
    assert!(steps.lines().any(|step| step == size), "{size} is not in: {steps}");
    lay.run(&["inspect", "nothing"]).fails(1, "no such container or image");
}

#[test]
fn names_come_and_go_and_the_image_with_the_last() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    lay.ok(&["tag", "busybox", "mine:1"]);
    assert_eq!(lay.sh(&["--network", "none"], "mine:1", "echo ran"), "ran");
    let id = lay.ok(&["images", "-q", "mine"]);
    lay.run(&["rmi", &id]).fails(1, "several names");
    assert_eq!(lay.ok(&["rmi", "busybox"]), "Untagged: busybox:latest");
    assert!(lay.ok(&["rmi", "mine:1"]).contains("Deleted: sha256:"));
    assert!(lay.ok(&["images", "-q"]).is_empty());
    for dir in ["blobs/sha256", "layers"] {
        assert_eq!(std::fs::read_dir(lay.root().join(dir)).unwrap().count(), 0, "{dir}");
    }
    lay.run(&["rmi", "busybox"]).fails(1, "no such image");
}

#[test]
fn an_image_in_use_is_not_removed() {
    let lay = Lay::new();
    lay.ok(&["run", "--name", "user", "--network", "none", "busybox", "true"]);
    lay.run(&["rmi", "busybox"]).fails(1, "in use by container user");
    lay.ok(&["rm", "user"]);
    lay.ok(&["rmi", "busybox"]);
}

#[test]
fn prune_takes_what_nothing_uses_and_nothing_else() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    lay.ok(&["pull", "-q", "layers"]);
    lay.ok(&["run", "--name", "old", "--network", "none", "layers", "sh", "-c", ":"]);
    // The name moves on, and leaves the image that the container uses without one.
    lay.ok(&["tag", "busybox", "layers:latest"]);
    let dangling = ["images", "-q", "-f", "dangling=true"];
    assert_eq!(lay.ok(&dangling).lines().count(), 1);
    let said = lay.ok(&["prune", "--dry-run", "--containers"]);
    assert!(said.contains("Would remove container old") && said.contains("Would remove layer"), "{said}");
    assert_eq!(lay.ok(&dangling).lines().count(), 1, "a dry run removes nothing");
    lay.ok(&["prune", "-f"]);
    assert!(lay.ok(&["ps", "-aq"]).lines().count() == 1, "containers go only when asked");
    assert_eq!(std::fs::read_dir(lay.root().join("layers")).unwrap().count(), 2, "and their layers stay");
    let freed = lay.ok(&["prune", "-f", "--containers"]);
    assert!(freed.contains("Total reclaimed space: ") && !freed.contains("space: 0B"), "{freed}");
    assert!(lay.ok(&["ps", "-aq"]).is_empty());
    assert_eq!(std::fs::read_dir(lay.root().join("layers")).unwrap().count(), 1);
    assert_eq!(lay.sh(&["--network", "none"], "busybox", "echo ran"), "ran");
}

#[test]
fn prune_leaves_a_running_pull_alone() {
    let proxy = Proxy::before(&Registry::shared().address);
    let lay = Lay::with_mirror(&format!("http://{}", proxy.address));
    lay.ok(&["pull", "-q", "busybox"]);
    lay.ok(&["rmi", "busybox"]);
    proxy.fault("/blobs/", 9, Fault::Slow(1_000_000));
    let mut pull = lay.command(&["pull", "-q", "busybox"]).spawn().unwrap();
    eventually("the pull has begun", || proxy.seen("/blobs/").len() > 2);
    while pull.try_wait().unwrap().is_none() {
        lay.ok(&["prune", "-f"]);
    }
    assert!(pull.wait().unwrap().success());
    assert_eq!(lay.sh(&["--network", "none"], "busybox", "echo ran"), "ran");
}

#[test]
fn a_damaged_store_is_found_and_mended() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    lay.ok(&["check"]);
    let blobs = std::fs::read_dir(lay.root().join("blobs/sha256")).unwrap().flatten();
    let largest = blobs.max_by_key(|e| e.metadata().unwrap().len()).unwrap().path();
    let mut data = std::fs::read(&largest).unwrap();
    data[1000] ^= 1;
    std::fs::write(&largest, data).unwrap();
    lay.run(&["check"]).expect(1);
    let mended = lay.ok(&["check", "--repair"]);
    assert!(mended.contains("'lay pull' fetches them again"), "{mended}");
    assert!(!largest.exists());
    lay.ok(&["pull", "-q", "busybox"]);
    assert!(lay.ok(&["check"]).ends_with("no problems") && largest.exists());
}

#[test]
fn images_are_compared_and_measured() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    lay.ok(&["pull", "-q", "layers"]);
    assert_eq!(lay.ok(&["diff", "busybox", "layers"]), "D /bin/true\nA /etc/motd\nA /etc/motd2");
    assert_eq!(lay.ok(&["diff", "layers", "busybox"]), "A /bin/true\nD /etc/motd\nD /etc/motd2");
    assert_eq!(lay.ok(&["diff", "busybox", "busybox"]), "");
    let by_layer = lay.ok(&["diff", "layers"]);
    assert!(by_layer.contains(" A /bin/busybox") && by_layer.contains(" D /bin/true"), "{by_layer}");
    let tree = lay.ok(&["diff", "--format", "tree", "layers"]);
    assert!(tree.contains("D (12B) true") || tree.contains("─ D true"), "{tree}");
    assert!(tree.contains("─ A (13B) motd\n"), "{tree}");
    let script = "rm /bin/busybox.copy; echo new > /etc/motd";
    lay.ok(&[
        "run",
        "--name",
        "first",
        "--network",
        "none",
        "layers",
        "sh",
        "-c",
        "cat /bin/busybox > /bin/busybox.copy",
    ]);
    lay.ok(&["commit", "first", "grown"]);
    lay.ok(&["run", "--name", "second", "--network", "none", "grown", "sh", "-c", script]);
    lay.ok(&["commit", "second", "shrunk"]);
    let rows: Vec<Value> = lay.ok(&["du", "--format", "json", "shrunk"]).lines().map(json).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[1]["WastedBytes"], 13, "the replaced /etc/motd; its other name stays: {rows:?}");
    assert_eq!(rows[2]["WastedBytes"], rows[2]["Bytes"], "the copy that was deleted again: {rows:?}");
    assert!(rows[2]["Bytes"].as_u64().unwrap() > 500_000 && rows[0]["WastedBytes"] == 0, "{rows:?}");
    assert!(rows[0]["SharedWith"].as_u64() >= Some(2), "{rows:?}");
}

#[test]
fn compressed_layers_can_be_dropped_and_fetched_again() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "layers"]);
    let blobs = || std::fs::read_dir(lay.root().join("blobs/sha256")).unwrap().count();
    let all = blobs();
    let pruned = lay.ok(&["prune", "--force", "--blobs"]);
    assert!(pruned.contains("Would remove blob sha256:"), "{pruned}");
    assert_eq!(blobs(), 2, "manifest and configuration stay");
    assert_eq!(lay.sh(&["--network", "none"], "layers", "cat /etc/motd2"), "second layer");
    assert!(lay.ok(&["check"]).contains("compressed layers are not kept; 'lay pull' fetches them again"));
    lay.run(&["save", "-o", "/dev/null", "layers"]).fails(1, "'lay pull docker.io/library/layers:latest'");
    lay.ok(&["pull", "-q", "layers"]);
    assert_eq!(blobs(), all);
    assert!(lay.ok(&["check"]).ends_with("no problems"));
    lay.ok(&["save", "-o", "/dev/null", "layers"]);
}
