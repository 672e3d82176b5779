//! Images that other engines made, here, and images from here in other engines.

use std::path::Path;

use crate::support::{Lay, Registry, output, with_docker};

/// A committed image with changes of every kind, as an archive.
fn saved(lay: &Lay) -> std::path::PathBuf {
    let script = "echo new > /added; rm /etc/group; mkdir /dir; ln /added /dir/hard; ln -s /added /link";
    lay.ok(&["run", "--name", "changer", "--network", "none", "layers", "sh", "-c", script]);
    lay.ok(&["commit", "-c", "CMD [\"cat\", \"/dir/hard\"]", "changer", "made:1"]);
    let path = lay.dir().join("made.tar");
    lay.ok(&["save", "-o", path.to_str().unwrap(), "made:1"]);
    path
}

/// Loads an archive and looks whether the changes are in it.
fn has_changes(archive: &Path, name: &str) {
    let lay = Lay::new();
    let loaded = lay.ok(&["load", "-i", archive.to_str().unwrap()]);
    assert_eq!(loaded, format!("Loaded image: {name}"));
    assert_eq!(lay.ok(&["run", "--rm", "--network", "none", name]), "new");
    let script = "stat -c %h /added; test -e /etc/group || echo gone; cat /etc/motd2; readlink /link";
    assert_eq!(lay.sh(&["--network", "none"], name, script), "2\ngone\nsecond layer\n/added");
    lay.ok(&["check"]);
}

#[test]
fn docker_loads_and_saves() {
    let lay = Lay::new();
    let archive = saved(&lay);
    with_docker(&[], |docker| {
        let loaded = docker.ok(&["load", "-q", "-i", archive.to_str().unwrap()]);
        assert_eq!(loaded, "Loaded image: made:1");
        let layers = docker.ok(&["inspect", "-f", "{{json .RootFS.Layers}}", "made:1"]);
        assert_eq!(layers, lay.ok(&["inspect", "-f", "{{json .RootFS.Layers}}", "made:1"]));
        let run = ["run", "--rm", "--network", "none", "made:1"];
        assert_eq!(docker.ok(&run), "new");
        let back = lay.dir().join("docker.tar");
        docker.ok(&["save", "-o", back.to_str().unwrap(), "made:1"]);
        has_changes(&back, "made:1");
    });
}

#[test]
fn podman_loads_and_saves() {
    let lay = Lay::new();
    let archive = saved(&lay);
    let dir = |name: &str| lay.dir().join(name).display().to_string();
    let (root, run) = (dir("podman"), dir("podman-run"));
    let podman = |args: &[&str]| {
        let fixed = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
        output("podman", &[&fixed, args].concat())
    };
    podman(&["load", "-q", "-i", archive.to_str().unwrap()]);
    for format in ["docker-archive", "oci-archive"] {
        let back = dir(&format!("{format}.tar"));
        // Podman loads a name without a registry as its own.
        podman(&["save", "-q", "--format", format, "-o", &back, "docker.io/library/made:1"]);
        has_changes(Path::new(&back), "made:1");
    }
}

#[test]
fn what_umoci_makes_is_loaded() {
    let lay = Lay::new();
    let layout = lay.dir().join("layout");
    let image = format!("{}:x", layout.display());
    let source = format!("docker://{}/library/layers:latest", Registry::shared().address);
    output("skopeo", &["copy", "-q", "--src-tls-verify=false", &source, &format!("oci:{image}")]);
    let bundle = lay.dir().join("bundle").display().to_string();
    output("umoci", &["unpack", "--image", &image, &bundle]);
    let script = "cd \"$0/rootfs\" && echo new >added && rm etc/group && mkdir dir && ln added dir/hard && ln -s /added link";
    output("sh", &["-c", script, &bundle]);
    output("umoci", &["repack", "--image", &image, &bundle]);
    let config = ["config", "--image", &image, "--config.cmd", "cat", "--config.cmd", "/dir/hard"];
    output("umoci", &config);
    has_changes(&layout, "x:latest");
}
