//! Volumes: named and unnamed, filled from images, shared, and never taken from under a container.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::image::{Builder, Entry, layer};
use crate::support::{Lay, Registry};

/// An image with a file of user 7 in /data, which it calls a volume, and a link that leads there.
fn image(name: &str) -> String {
    let entries = [
        Entry::Directory("data"),
        Entry::File("data/own", b"from the image\n", 0o640),
        Entry::Link("link", "data"),
    ];
    let builder = Builder::busybox().layer(layer(&entries)).with("Volumes", json!({"/data": {}}));
    Registry::shared().push(&format!("library/{name}:latest"), &builder);
    name.to_string()
}

fn data(lay: &Lay, name: &str) -> PathBuf {
    PathBuf::from(lay.ok(&["volume", "inspect", "-f", "{{.Mountpoint}}", name]))
}

fn names(lay: &Lay, filters: &[&str]) -> Vec<String> {
    let flags: Vec<&str> = filters.iter().flat_map(|filter| ["--filter", filter]).collect();
    let text = lay.ok(&[&["volume", "ls", "-q"], &flags[..]].concat());
    text.lines().map(str::to_string).collect()
}

#[test]
fn a_new_volume_takes_over_what_the_image_has_there() {
    let lay = Lay::new();
    let image = image("volume-content");
    let none = ["--network", "none"];
    let see = |flags: &[&str], script: &str| lay.sh(&[&none[..], flags].concat(), &image, script);
    assert_eq!(
        see(&["-v", "named:/data"], "cat /data/own; stat -c %a /data/own; echo mine > /data/new"),
        "from the image\n640"
    );
    assert_eq!(see(&["-v", "named:/elsewhere"], "cat /elsewhere/own /elsewhere/new"), "from the image\nmine");
    assert_eq!(
        std::fs::metadata(data(&lay, "named").join("own")).unwrap().uid(),
        0,
        "as the container sees it"
    );
    // What is in it already stays; what the image has is taken once, also through a link.
    see(&["-v", "named:/data"], "rm /data/own");
    assert_eq!(see(&["-v", "named:/data"], "ls /data"), "new");
    assert_eq!(see(&["-v", "linked:/link"], "cat /data/own"), "from the image");
    assert_eq!(see(&["-v", "empty:/data:nocopy"], "ls /data"), "");
    assert_eq!(see(&["--mount", "source=long,target=/data,volume-nocopy"], "ls /data"), "");
    assert_eq!(see(&["-v", "named:/data:ro"], "touch /data/x 2>/dev/null || echo refused"), "refused");
    assert_eq!(
        see(&["--mount", "type=tmpfs,target=/data,tmpfs-mode=700"], "ls /data; stat -c %a /data"),
        "700"
    );
    assert_eq!(names(&lay, &[]), ["empty", "linked", "long", "named"]);
    lay.assert_clean();
}

#[test]
fn volumes_that_nobody_named_go_with_their_container() {
    let lay = Lay::new();
    let image = image("volume-unnamed");
    lay.ok(&["run", "--rm", "--network", "none", "-v", "/more", &image, "true"]);
    assert_eq!(names(&lay, &[]), [""; 0], "--rm takes them along");
    lay.ok(&["run", "--name", "kept", "--network", "none", &image, "sh", "-c", "echo new > /data/new"]);
    let volumes = names(&lay, &[]);
    assert_eq!(volumes.len(), 1);
    let mounts: Value =
        serde_json::from_str(&lay.ok(&["inspect", "-f", "{{json .Mounts}}", "kept"])).unwrap();
    assert_eq!(
        (&mounts[0]["Type"], &mounts[0]["Destination"], &mounts[0]["Name"]),
        (&json!("volume"), &json!("/data"), &json!(volumes[0]))
    );
    assert_eq!(
        lay.ok(&["diff", "kept"]).matches("/data").count(),
        0,
        "it is not part of the container's changes"
    );
    let from = ["run", "--rm", "--network", "none", "--volumes-from", "kept:ro", "busybox", "sh", "-c"];
    assert_eq!(lay.ok(&[&from[..], &["cat /data/own /data/new; touch /data/x 2>/dev/null || echo refused"]].concat()), "from the image\nnew\nrefused");
    assert_eq!(names(&lay, &[]), volumes, "what is another's stays");
    lay.ok(&["rm", "kept"]);
    assert_eq!(names(&lay, &["dangling=true"]), volumes);
    lay.ok(&["run", "--name", "gone", "--network", "none", &image, "true"]);
    lay.ok(&["rm", "-v", "gone"]);
    assert_eq!(names(&lay, &[]), volumes);
    let out = lay.ok(&["volume", "prune", "-f"]);
    assert!(out.contains(&volumes[0]) && out.contains("Total reclaimed space"), "{out}");
    assert_eq!(names(&lay, &[]), [""; 0]);
    lay.assert_clean();
}

#[test]
fn volumes_are_made_listed_and_kept_while_they_are_used() {
    let lay = Lay::new();
    assert_eq!(lay.ok(&["volume", "create", "--label", "tier=db", "one"]), "one");
    assert_eq!(lay.ok(&["volume", "create", "one"]), "one", "one that is there stays as it is");
    assert_eq!(lay.ok(&["volume", "create"]).len(), 64);
    assert_eq!(names(&lay, &["label=tier=db"]), ["one"]);
    assert_eq!(
        lay.ok(&["volume", "ls", "--filter", "name=on*", "--format", "{{.Driver}} {{.Name}}"]),
        "local one"
    );
    lay.ok(&["run", "-d", "--name", "user", "--network", "none", "-v", "one:/x", "busybox", "sleep", "100"]);
    lay.run(&["volume", "rm", "one"]).fails(1, "in use by user");
    lay.ok(&["rm", "-f", "user"]);
    lay.ok(&["run", "--name", "made", "--network", "none", "-v", "one:/x", "busybox", "true"]);
    lay.run(&["volume", "rm", "one"]).fails(1, "in use by made");
    assert_eq!(names(&lay, &["dangling=false"]), ["one"]);
    lay.ok(&["rm", "made"]);
    lay.ok(&["volume", "prune", "-f"]);
    assert_eq!(names(&lay, &[]), ["one"], "a name keeps it");
    assert_eq!(lay.ok(&["volume", "rm", "one"]), "one");
    lay.run(&["volume", "rm", "one"]).fails(1, "no such volume: one");
    lay.ok(&["volume", "rm", "-f", "one"]);
    for bad in ["../x", "a/b", ""] {
        assert_ne!(lay.run(&["volume", "create", bad]).code, 0, "{bad}");
        assert_ne!(lay.run(&["volume", "rm", bad]).code, 0, "{bad}");
    }
    lay.run(&["run", "--mount", "type=moon,target=/x", "busybox", "true"]).fails(125, "moon");
    lay.run(&["run", "--volumes-from", "nobody", "busybox", "true"]).fails(125, "nobody");
    lay.assert_clean();
}

#[test]
fn containers_that_start_at_once_fill_a_volume_once() {
    let lay = Lay::new();
    let image = image("volume-together");
    lay.ok(&["pull", "-q", &image]);
    std::thread::scope(|scope| {
        let run = || {
            lay.sh(&["--network", "none", "-v", "shared:/data"], &image, "cat /data/own; echo x >> /data/log")
        };
        let all: Vec<_> = (0..6).map(|_| scope.spawn(run)).collect();
        for thread in all {
            assert_eq!(thread.join().unwrap(), "from the image");
        }
    });
    assert_eq!(std::fs::read_to_string(data(&lay, "shared").join("log")).unwrap().lines().count(), 6);
    lay.assert_clean();
}

#[test]
fn a_directory_of_this_machine_can_be_a_volume() {
    let lay = Lay::new();
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = &dir.path().display().to_string();
    let device = format!("device={path}");
    let create = ["volume", "create", "--opt", "type=none", "-o"];
    lay.ok(&[&create[..], &["o=bind", "-o", &device, "shared"]].concat());
    lay.ok(&[&create[..], &["o=bind,ro", "-o", &device, "readable"]].concat());
    assert_eq!(
        lay.ok(&["volume", "inspect", "-f", "{{.Mountpoint}} {{.Options.type}}", "shared"]),
        format!("{path} none")
    );
    let image = image("volume-device");
    lay.ok(&["pull", "-q", &image]);
    let run = ["--network", "none", "-v"];
    assert_eq!(
        lay.sh(&[&run[..], &["shared:/data"]].concat(), &image, "cat /data/own; echo x > /data/new"),
        "from the image"
    );
    assert_eq!(std::fs::read_to_string(dir.path().join("new")).unwrap(), "x\n");
    let script = "cat /data/new; echo y > /data/new || echo refused";
    assert_eq!(lay.sh(&[&run[..], &["readable:/data"]].concat(), &image, script), "x\nrefused");
    lay.ok(&["create", "--name", "one", "-v", "shared:/data", &image, "true"]);
    assert!(lay.ok(&["cp", "one:/data/new", "-"]).contains("x\n"));
    lay.run(&["volume", "rm", "shared"]).fails(1, "in use by one");
    lay.ok(&["rm", "-v", "one"]);
    lay.ok(&["volume", "rm", "shared"]);
    assert!(dir.path().join("new").exists(), "what is not the store's stays");
    drop(dir);
    let gone = ["run", "--rm", "--network", "none", "-v", "readable:/data", &image, "true"];
    lay.run(&gone).fails(125, path);
    lay.ok(&["volume", "rm", "readable"]);
    lay.run(&["volume", "create", "-o", "type=nfs", "x"]).fails(1, "only directories of this machine");
    assert_eq!(lay.ok(&["volume", "ls", "-q"]), "");
    lay.assert_clean();
}
