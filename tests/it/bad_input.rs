//! Whatever is wrong ends with one clear message, the right exit code, and nothing left behind or lost.

use std::net::TcpListener;

use crate::support::image::{Builder, Entry, layer};
use crate::support::{Fault, Lay, Proxy, Registry};

/// A corner behind a proxy with one fault, for as often as it is asked.
fn faulty(words: &str, fault: Fault) -> Lay {
    let proxy = Proxy::before(&Registry::shared().address);
    proxy.fault(words, usize::MAX, fault);
    Lay::with_mirror(&format!("http://{}", proxy.address))
}

fn answer(status: &'static str, headers: &'static str, body: &[u8]) -> Fault {
    Fault::Answer(status, headers, body.to_vec())
}

/// The pull fails with these words, nothing is visible, and the store is whole.
#[track_caller]
fn refused(lay: &Lay, image: &str, words: &str) {
    lay.run(&["pull", image]).fails(1, words);
    assert!(lay.ok(&["images", "-q"]).is_empty());
    assert!(std::fs::read_dir(lay.root().join("layers")).unwrap().next().is_none());
    lay.ok(&["check"]);
}

#[test]
fn an_unknown_image_or_tag() {
    let lay = Lay::new();
    refused(&lay, "nosuchimage", "not found");
    refused(&lay, "busybox:nosuchtag", "not found");
    refused(&lay, "UPPER/case", "lowercase");
    refused(&lay, "busybox@sha256:1234", "64 lowercase hexadecimal digits");
}

#[test]
fn a_registry_that_is_down() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    refused(&Lay::new(), &format!("127.0.0.1:{port}/x"), "refused");
}

#[test]
fn a_registry_that_answers_badly() {
    let manifests = "/manifests/";
    refused(
        &faulty(manifests, answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", b"")),
        "busybox",
        "lay login",
    );
    refused(&faulty(manifests, answer("404 Not Found", "", b"")), "busybox", "not found");
    let page = b"<!DOCTYPE html><html>welcome</html>";
    refused(&faulty(manifests, answer("200 OK", "Content-Type: text/html\r\n", page)), "busybox", "web page");
    refused(
        &faulty(manifests, answer("429 Too Many Requests", "Retry-After: 100000\r\n", b"")),
        "busybox",
        "too many requests",
    );
    let huge = vec![b' '; 10 << 20];
    refused(
        &faulty(
            manifests,
            answer("200 OK", "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n", &huge),
        ),
        "busybox",
        "larger than",
    );
    let unknown = br#"{"schemaVersion":2,"mediaType":"application/vnd.example.thing+json"}"#;
    refused(
        &faulty(manifests, answer("200 OK", "Content-Type: application/vnd.example.thing+json\r\n", unknown)),
        "busybox",
        "application/vnd.example.thing+json",
    );
}

#[test]
fn a_registry_that_fails_for_good() {
    let lay = faulty("/manifests/", answer("500 Internal Server Error", "", b""));
    let out = lay.run(&["pull", "busybox"]).fails(1, "500");
    assert!(out.stderr.contains("Retrying"), "{}", out.stderr);
}

#[test]
fn content_that_is_not_what_the_manifest_says() {
    let layer = Registry::shared().largest_blob("busybox");
    refused(&faulty(&layer, Fault::Corrupt), "busybox", "digest");
    refused(&faulty(&layer, Fault::Short(1)), "busybox", "bytes");
    refused(&faulty(&layer, Fault::Long(1)), "busybox", "bytes");
    refused(&faulty("/blobs/", Fault::Short(1)), "busybox", "image configuration");
    refused(&faulty("/manifests/sha256", Fault::Corrupt), "both", "digest");
}

#[test]
fn an_image_for_another_platform() {
    refused(&Lay::new(), "foreign", "linux/arm64");
}

#[test]
fn a_layer_that_tries_to_leave_the_root() {
    let registry = Registry::shared();
    let lay = Lay::new();
    let outside = lay.dir().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let escape = format!("../../../../../../../../..{}/planted", outside.display());
    let absolute = format!("{}/planted", outside.display());
    let target = outside.to_str().unwrap();
    let cases: [(&str, Vec<Entry<'_>>, bool); 5] = [
        ("dotdot", vec![Entry::File(&escape, b"x", 0o644)], false),
        ("absolute", vec![Entry::File(&absolute, b"x", 0o644)], true),
        ("symlink", vec![Entry::Link("out", target), Entry::File("out/planted", b"x", 0o644)], true),
        ("hardlink", vec![Entry::Hard("stolen", "../../../../../../etc/passwd")], false),
        (
            "replaced",
            vec![Entry::Directory("d"), Entry::Link("d", target), Entry::File("d/planted", b"x", 0o644)],
            true,
        ),
    ];
    for (name, entries, stays_inside) in cases {
        registry.push(
            &format!("library/hostile-{name}-{}:latest", lay.slot),
            &Builder::busybox().layer(layer(&entries)),
        );
        let image = format!("hostile-{name}-{}", lay.slot);
        let out = lay.run(&["pull", &image]);
        assert_eq!(out.code, i32::from(!stays_inside), "{name}: {}", out.stderr);
        assert!(std::fs::read_dir(&outside).unwrap().next().is_none(), "{name} left the root");
    }
    lay.ok(&["check"]);
}

#[test]
fn a_wrong_diff_id() {
    let lay = Lay::new();
    let dir = tempfile::tempdir().unwrap();
    Builder::busybox().write(dir.path());
    // Another configuration: as if somebody had exchanged the layers below it.
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("index.json")).unwrap()).unwrap();
    let blob = |digest: &str| dir.path().join("blobs/sha256").join(&digest[7..]);
    let path = blob(index["manifests"][0]["digest"].as_str().unwrap());
    let mut manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let config = std::fs::read_to_string(blob(manifest["config"]["digest"].as_str().unwrap())).unwrap();
    let at = config.find("sha256:").unwrap() + 7;
    let config = format!("{}{}{}", &config[..at], "0".repeat(64), &config[at + 64..]);
    manifest["config"]["digest"] = crate::support::image::digest(config.as_bytes()).into();
    manifest["config"]["size"] = config.len().into();
    let proxy = Proxy::before(&Registry::shared().address);
    let media = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";
    proxy.fault("/manifests/", usize::MAX, answer("200 OK", media, manifest.to_string().as_bytes()));
    let digest = crate::support::image::digest(config.as_bytes());
    proxy.fault(Box::leak(digest.into_boxed_str()), usize::MAX, answer("200 OK", "", config.as_bytes()));
    refused(
        &Lay::with_mirror(&format!("http://{}", proxy.address)),
        "busybox",
        "but the image says sha256:0000",
    );
    drop(lay);
}

/// Pulls into a store on a file system of its own, in a mount namespace that goes with the command.
fn pull_onto(file_system: &[&str], more: &str) -> std::process::Output {
    let lay = Lay::new();
    let root = lay.root();
    std::fs::create_dir(&root).unwrap();
    let script = format!(
        "mount -t {} none {root} && {lay} pull busybox; code=$?; {lay} images -q; {more} exit $code",
        file_system.join(" "),
        root = root.display(),
        lay = env!("CARGO_BIN_EXE_lay")
    );
    let mut command = std::process::Command::new("unshare");
    let reference = lay.command(&[]);
    for (key, value) in reference.get_envs() {
        if let Some(value) = value {
            command.env(key, value);
        }
    }
    command.args(["-m", "sh", "-c", &script]).output().unwrap()
}

#[test]
fn a_full_disk() {
    let out = pull_onto(&["tmpfs", "-o", "size=1m"], "");
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("No space left on device") && stderr.contains("lay prune"), "{stderr}");
    assert!(out.stdout.windows(12).all(|w| w != b"Downloaded"), "nothing is visible");
}

#[test]
fn a_file_system_that_tells_no_size() {
    let out = pull_onto(&["ramfs"], "stat -f -c 'blocks: %b' \"$LAY_ROOT\";");
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(0), "{stderr}");
    assert!(stdout.contains("Downloaded newer image") && stdout.ends_with("blocks: 0\n"), "{stdout}");
}

#[test]
fn a_broken_configuration() {
    let lay = Lay::new();
    lay.configure("[registry.\"docker.io\"]\nmirors = []\n");
    lay.run(&["images"]).fails(1, "mirors");
    std::fs::remove_file(lay.dir().join("config.toml")).unwrap();
    lay.run(&["images"]).fails(1, "config.toml");
    lay.configure("");
}

#[test]
fn names_that_are_taken_or_make_no_sense() {
    let lay = Lay::new();
    lay.ok(&["run", "--name", "taken", "--network", "none", "busybox", "true"]);
    lay.run(&["run", "--name", "taken", "busybox", "true"]).fails(125, "already in use by container");
    for name in ["-x", "a/b", "..", ""] {
        lay.run(&["run", &format!("--name={name}"), "busybox", "true"]).fails(125, "invalid container name");
    }
    assert_eq!(lay.ok(&["ps", "-aq"]).lines().count(), 1);
}

#[test]
fn a_store_of_something_else() {
    let lay = Lay::new();
    std::fs::create_dir(lay.root()).unwrap();
    std::fs::write(lay.root().join("oci-layout"), r#"{"imageLayoutVersion":"9.0"}"#).unwrap();
    lay.run(&["images"]).fails(1, "is not a store of this version");
    std::fs::remove_dir_all(lay.root()).unwrap();
}

#[test]
fn a_layer_that_inflates_to_more_than_allowed() {
    let lay = Lay::new();
    let address = &Registry::shared().address;
    let mirror = |more: &str| format!("[registry.\"docker.io\"]\nmirrors = [\"http://{address}\"]\n{more}");
    lay.configure(&mirror("[store]\nmax-layer-size = \"100k\"\n"));
    refused(&lay, "busybox", "the layer inflates to more than 102400 bytes");
    lay.configure(&mirror("[store]\nmax-layer-size = \"much\"\n"));
    lay.run(&["pull", "busybox"]).fails(1, "'much' is no size");
    lay.configure(&mirror(""));
    lay.ok(&["pull", "-q", "busybox"]);
}
