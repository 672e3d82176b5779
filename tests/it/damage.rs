//! Stores in which something is missing, cut off or garbage: the rest goes on, and what is broken is told, mended or removed.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::Lay;

/// Files of one image.
struct Parts {
    manifest: PathBuf,
    config: PathBuf,
    layer: PathBuf,
    /// Mountable form of that layer.
    form: PathBuf,
}

fn document(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn named(entry: &Value, name: &str) -> bool {
    entry["annotations"]["org.opencontainers.image.ref.name"] == name
}

fn parts(lay: &Lay, name: &str) -> Parts {
    let hex = |digest: &Value| digest.as_str().unwrap().replace("sha256:", "");
    let blob = |digest: &Value| lay.root().join("blobs/sha256").join(hex(digest));
    let index = document(&lay.root().join("index.json"));
    let entry = index["manifests"].as_array().unwrap().iter().find(|entry| named(entry, name)).unwrap();
    let manifest = document(&blob(&entry["digest"]));
    let config = document(&blob(&manifest["config"]["digest"]));
    let diff_id = hex(&config["rootfs"]["diff_ids"][0]);
    let file = lay.root().join("layers").join(format!("{diff_id}.erofs"));
    Parts {
        manifest: blob(&entry["digest"]),
        config: blob(&manifest["config"]["digest"]),
        layer: blob(&manifest["layers"][0]["digest"]),
        form: if file.exists() { file } else { lay.root().join("layers").join(diff_id) },
    }
}

const MISSING: &str = "missing";
const CUT: &str = "cut off";
const GARBAGE: &str = "garbage";

fn damage(path: &Path, how: &str) {
    let data = std::fs::read(path).unwrap();
    match how {
        MISSING => std::fs::remove_file(path).unwrap(),
        CUT => std::fs::write(path, &data[..data.len() / 2]).unwrap(),
        _ => std::fs::write(path, data.iter().map(|byte| byte ^ 0x55).collect::<Vec<_>>()).unwrap(),
    }
}

/// What can be done with the other image all the time.
fn others_work(lay: &Lay, id: &str, what: &str) {
    let listed = lay.run(&["images", "-q"]).expect(0);
    assert_eq!((listed.stdout.trim(), listed.stderr.lines().count()), (id, 1), "{what}: {}", listed.stderr);
    assert!(listed.stderr.contains("damaged"), "{what}: {}", listed.stderr);
    assert_eq!(lay.sh(&["--network", "none"], &id[..6], "echo ran"), "ran", "{what}");
    assert!(lay.ok(&["inspect", "-f", "{{.Id}}", id]).contains(id), "{what}");
    lay.ok(&["history", id]);
    lay.ok(&["save", "-o", "/dev/null", id]);
    lay.ok(&["tag", id, "other:1"]);
    lay.ok(&["rmi", "other:1"]);
    lay.ok(&["prune", "-f"]);
    assert_eq!(lay.run(&["images", "-q"]).stdout.trim(), id, "{what}");
}

#[test]
fn one_damaged_image_is_no_matter_of_the_others() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let id = lay.ok(&["images", "-q"]);
    for how in [MISSING, CUT, GARBAGE] {
        for of_config in [false, true] {
            let what = format!("{how}, {}", if of_config { "configuration" } else { "manifest" });
            lay.ok(&["pull", "-q", "layers"]);
            let Parts { manifest, config, .. } = parts(&lay, "layers:latest");
            damage(if of_config { &config } else { &manifest }, how);
            lay.run(&["run", "--rm", "layers", "true"]).fails(125, "image layers:latest is damaged");
            lay.run(&["check", "--quick"]).expect(1);
            let told = lay.run(&["check"]).expect(1).stdout;
            assert!(told.contains("image layers:latest needs blob"), "{what}: {told}");
            assert!(
                told.contains("'lay pull docker.io/library/layers:latest' fetches what"),
                "{what}: {told}"
            );
            others_work(&lay, &id, &what);
            if of_config {
                let hex = config.file_name().unwrap().to_str().unwrap();
                lay.run(&["inspect", &hex[..12]]).fails(1, "image layers:latest is damaged");
            }
            // Pulled again, it is whole; else it can be removed.
            if how == CUT {
                lay.ok(&["pull", "-q", "layers"]);
                lay.ok(&["check", "--repair"]);
                assert!(lay.ok(&["check"]).ends_with("no problems"), "{what}");
                assert_eq!(lay.sh(&["--network", "none"], "layers", "echo ran"), "ran", "{what}");
            }
            assert!(lay.ok(&["rmi", "layers"]).starts_with("Untagged: layers:latest\nDeleted: "), "{what}");
            lay.ok(&["check", "--repair"]);
            assert!(lay.ok(&["check"]).ends_with("1 images, 3 blobs, 1 layers: no problems"), "{what}");
        }
    }
}

#[test]
fn a_damaged_layer_is_not_handed_on() {
    let lay = Lay::new();
    for how in [MISSING, CUT, GARBAGE] {
        lay.ok(&["pull", "-q", "layers"]);
        damage(&parts(&lay, "layers:latest").layer, how);
        let words = if how == MISSING { "is not kept" } else { "is damaged" };
        lay.run(&["save", "-o", "/dev/null", "layers"]).fails(1, words);
        lay.ok(&["check", "--repair"]);
        lay.ok(&["pull", "-q", "layers"]);
        lay.ok(&["save", "-o", "/dev/null", "layers"]);
    }
    // A pull sees by itself that one is too short.
    damage(&parts(&lay, "layers:latest").layer, CUT);
    lay.ok(&["pull", "-q", "layers"]);
    assert!(lay.ok(&["check"]).ends_with("no problems"));
}

#[test]
fn a_damaged_mountable_form_is_unpacked_anew() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "layers"]);
    let form = parts(&lay, "layers:latest").form;
    let ways = match form.is_dir() {
        true => vec![MISSING],
        false => vec![MISSING, CUT, GARBAGE],
    };
    for how in ways {
        match form.is_dir() {
            true => std::fs::remove_dir_all(&form).unwrap(),
            false => damage(&form, how),
        }
        lay.run(&["run", "--rm", "--network", "none", "layers", "true"]).fails(125, "lay check --repair");
        lay.run(&["check", "--quick"]).expect(1);
        assert!(lay.ok(&["check", "--repair"]).contains(": unpacked anew\n"), "{how}");
        assert_eq!(lay.sh(&["--network", "none"], "layers", "cat /etc/motd2"), "second layer", "{how}");
    }
}

#[test]
fn entries_of_the_index_are_damaged_one_by_one() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let id = lay.ok(&["images", "-q"]);
    let path = lay.root().join("index.json");
    let break_entry = |change: &dyn Fn(&mut Value)| {
        lay.ok(&["pull", "-q", "layers"]);
        let mut index = document(&path);
        let entries = index["manifests"].as_array_mut().unwrap();
        change(entries.iter_mut().find(|entry| named(entry, "layers:latest")).unwrap());
        std::fs::write(&path, index.to_string()).unwrap();
    };
    let no_digest = |entry: &mut Value| drop(entry.as_object_mut().unwrap().remove("digest"));
    let changes: [&dyn Fn(&mut Value); 3] =
        [&|entry| entry["digest"] = json!("sha256:zz"), &|entry| entry["size"] = json!("much"), &no_digest];
    for (index, change) in changes.into_iter().enumerate() {
        let what = format!("change {index}");
        break_entry(change);
        others_work(&lay, &id, &what);
        lay.run(&["run", "--rm", "layers", "true"]).fails(125, "the entry of layers:latest in index.json");
        assert!(lay.run(&["check"]).expect(1).stdout.contains("the entry of layers:latest"), "{what}");
        lay.ok(&["rmi", "layers"]);
        assert!(lay.ok(&["check"]).ends_with("1 images, 3 blobs, 1 layers: no problems"), "{what}");
        break_entry(change);
        lay.ok(&["pull", "-q", "layers"]);
        assert!(lay.ok(&["check"]).ends_with("no problems"), "{what}: a pull puts it right");
    }
    break_entry(&no_digest);
    assert!(lay.ok(&["check", "--repair"]).contains("taken out"));
    let listed = lay.ok(&["images", "--format", "{{.Repository}}"]);
    assert!(listed.contains("<none>"), "the image is there without its name: {listed}");
}

#[test]
fn the_index_of_names_is_made_anew() {
    let lay = Lay::new();
    for how in [MISSING, CUT, GARBAGE] {
        lay.ok(&["pull", "-q", "busybox"]);
        let id = lay.ok(&["images", "-q"]);
        damage(&lay.root().join("index.json"), how);
        for command in [&["images"][..], &["run", "busybox", "true"], &["prune", "-f"], &["rmi", "busybox"]] {
            let out = lay.run(command);
            assert!(out.code != 0 && out.stderr.contains("'lay check --repair' mends it"), "{how}: {out:?}");
        }
        lay.run(&["check"]).expect(1);
        lay.ok(&["check", "--repair"]);
        assert_eq!(lay.ok(&["images", "-q"]), id, "{how}");
        lay.ok(&["tag", &id, "mine:1"]);
        assert_eq!(lay.sh(&["--network", "none"], "mine:1", "echo ran"), "ran", "{how}");
        lay.ok(&["rmi", "-f", &id]);
    }
}
