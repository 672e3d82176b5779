//! `lay pull`, `login`, `logout`.

use serde_json::Value;

use crate::support::registry::has_centos;
use crate::support::{Fault, Lay, Proxy, Registry, eventually};

#[test]
fn a_short_name_means_docker_hub_and_its_mirror() {
    let lay = Lay::new();
    let out = lay.run(&["pull", "busybox"]).expect(0);
    assert!(out.stdout.contains("Status: Downloaded newer image for busybox:latest"), "{}", out.stdout);
    assert!(out.stdout.trim_end().ends_with("docker.io/library/busybox:latest"), "{}", out.stdout);
    assert!(out.stderr.contains("Pull complete"), "{}", out.stderr);
    let again = lay.ok(&["pull", "busybox:latest"]);
    assert!(again.contains("Status: Image is up to date"), "{again}");
}

#[test]
fn names_with_registry_port_and_depth_tags_and_digests() {
    let (lay, registry) = (Lay::new(), Registry::shared());
    let name = format!("{}/deep/nested/name", registry.address);
    let digest = lay.ok(&["pull", "-q", &format!("{name}:v1.2")]);
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
    for reference in [format!("{name}@{digest}"), format!("{name}:v1.2@{digest}")] {
        assert_eq!(lay.ok(&["pull", "--quiet", &reference]), digest);
        assert_eq!(lay.sh(&["--network", "none"], &reference, "echo ran"), "ran");
    }
}

#[test]
fn every_kind_of_manifest_and_compression() {
    let lay = Lay::new();
    for image in ["zstd", "docker", "both", "layers", "twice"] {
        lay.ok(&["pull", "-q", image]);
        assert_eq!(lay.sh(&["--network", "none"], image, "echo ran"), "ran", "{image}");
    }
}

#[test]
fn the_platform_is_picked_from_an_index() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "both"]);
    assert_eq!(lay.ok(&["inspect", "-f", "{{.Architecture}}", "both"]), "amd64");
    lay.ok(&["pull", "-q", "--platform", "linux/arm64", "both"]);
    assert_eq!(lay.ok(&["inspect", "-f", "{{.Architecture}}", "both"]), "arm64");
    lay.run(&["pull", "--platform", "linux/s390x", "both"]).fails(1, "linux/s390x");
}

#[test]
fn a_second_image_shares_the_layers_of_the_first() {
    let proxy = Proxy::before(&Registry::shared().address);
    let lay = Lay::with_mirror(&format!("http://{}", proxy.address));
    lay.ok(&["pull", "-q", "busybox"]);
    let out = lay.run(&["pull", "layers"]).expect(0);
    assert!(out.stderr.contains("Already exists"), "{}", out.stderr);
    // Config and one new layer.
    assert_eq!(proxy.seen("/layers/blobs/").len(), 2, "{:?}", proxy.seen("/layers/"));
}

#[test]
fn a_broken_connection_continues_where_it_stopped() {
    let proxy = Proxy::before(&Registry::shared().address);
    let lay = Lay::with_mirror(&format!("http://{}", proxy.address));
    let layer = Registry::shared().largest_blob("busybox");
    proxy.fault(&layer, 1, Fault::Cut(300_000));
    let out = lay.run(&["pull", "busybox"]).expect(0);
    assert!(out.stderr.contains("Retrying"), "{}", out.stderr);
    let ranges: Vec<_> = proxy.seen(&layer).into_iter().map(|s| s.range).collect();
    assert_eq!(ranges[0], None);
    let from: usize =
        ranges[1].as_deref().unwrap().trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
    assert!(from > 0 && from <= 300_000, "{ranges:?}");
    assert_eq!(lay.ok(&["check"]).lines().last().unwrap().rsplit(": ").next(), Some("no problems"));
}

#[test]
fn a_killed_pull_is_continued_by_the_next() {
    let proxy = Proxy::before(&Registry::shared().address);
    let lay = Lay::with_mirror(&format!("http://{}", proxy.address));
    let layer = Registry::shared().largest_blob("busybox");
    proxy.fault(&layer, 1, Fault::Slow(200_000));
    let mut child = lay.command(&["pull", "busybox"]).spawn().unwrap();
    let half = lay.root().join("ingest").join(&layer[7..]);
    eventually("some of the layer has come", || half.metadata().is_ok_and(|m| m.len() > 50_000));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(lay.ok(&["images", "-q"]).is_empty(), "nothing is visible");
    lay.ok(&["pull", "-q", "busybox"]);
    assert!(proxy.seen(&layer).last().unwrap().range.is_some(), "{:?}", proxy.seen(&layer));
    assert_eq!(lay.sh(&["--network", "none"], "busybox", "echo ran"), "ran");
}

#[test]
fn too_many_requests_are_waited_for() {
    let proxy = Proxy::before(&Registry::shared().address);
    let lay = Lay::with_mirror(&format!("http://{}", proxy.address));
    proxy.fault("/manifests/", 1, Fault::Answer("429 Too Many Requests", "Retry-After: 1\r\n", Vec::new()));
    let start = std::time::Instant::now();
    lay.ok(&["pull", "-q", "busybox"]);
    assert!(start.elapsed().as_secs_f32() >= 1.0, "it came back at once");
}

#[test]
fn the_second_mirror_serves_what_the_first_cannot() {
    let lay = Lay::new();
    let good = &Registry::shared().address;
    lay.configure(&format!(
        "[registry.\"docker.io\"]\nmirrors = [\"http://127.0.0.1:1\", \"http://{good}\"]\n"
    ));
    lay.ok(&["pull", "-q", "busybox"]);
}

#[test]
fn passwords_are_asked_for_kept_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("htpasswd");
    // "tester" with the password "secret", by crypt(3).
    std::fs::write(&file, "tester:$2y$05$szb7mVoWk8XSJtBNIz1.VeZarR3CIzkQRn2eNFRQt1eyDkLBt5jQa\n").unwrap();
    let registry =
        Registry::start(&format!("auth: {{htpasswd: {{realm: lay, path: {}}}}}\n", file.display()));
    let lay = Lay::new();
    let name = format!("{}/x:1", registry.address);
    lay.run(&["pull", &name]).fails(1, "lay login");
    let login = |password: &str| {
        lay.run_with(&["login", "-u", "tester", "--password-stdin", &registry.address], password)
    };
    login("wrong").fails(1, "denied");
    login("secret").expect(0);
    let kept = std::fs::read_to_string(lay.dir().join("docker/config.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert!(kept["auths"][&registry.address]["auth"].is_string(), "{kept}");
    lay.run(&["pull", &name]).fails(1, "not found");
    lay.ok(&["logout", &registry.address]);
    lay.run(&["pull", &name]).fails(1, "lay login");
}

#[test]
fn skopeo_reads_the_store_in_place() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let place = format!("oci:{}:busybox:latest", lay.root().display());
    let inspected: Value =
        serde_json::from_str(&crate::support::output("skopeo", &["inspect", &place])).unwrap();
    assert_eq!(inspected["Os"], "linux");
}

#[test]
fn centos_is_pulled_and_runs() {
    if !has_centos() {
        return;
    }
    let lay = Lay::new();
    lay.ok(&["pull", "centos:7"]);
    assert_eq!(
        lay.sh(&["--network", "none"], "centos:7", "cat /etc/redhat-release"),
        "CentOS Linux release 7.9.2009 (Core)"
    );
    assert!(
        lay.sh(&["--network", "none"], "centos:7", "getcap /usr/bin/ping")
            .contains("cap_net_admin,cap_net_raw")
    );
}
