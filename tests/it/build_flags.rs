//! Flags of `lay build` that Docker's users know.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Lay, Registry, eventually, output};

#[test]
fn stages_are_built_without_the_cache_by_name() {
    let lay = Lay::new();
    let file = "FROM busybox AS one
RUN echo one > /one
COPY Containerfile /file
FROM busybox AS Two
RUN echo two > /two
FROM busybox
RUN echo three > /three
COPY --from=one /one /
COPY --from=two /two /
";
    let counts = |more: &[&str]| {
        let told = lay.build(file, more).expect(0).stderr;
        (told.matches("CACHED").count(), told.matches("DONE").count(), told)
    };
    assert_eq!(counts(&[]).0, 0);
    assert_eq!(counts(&[]).0, 6);
    // What a stage makes again is the same, so those that stand on it go on.
    let (cached, done, told) = counts(&["--no-cache-filter", "one", "--explain"]);
    assert_eq!((cached, done), (4, 2), "{told}");
    assert_eq!(told.matches("carried out: --no-cache-filter").count(), 2, "{told}");
    assert_eq!(counts(&["--no-cache-filter", "one,two"]).1, 3, "names are alike whatever their case");
    assert_eq!(counts(&["--no-cache-filter=two", "--no-cache-filter=2"]).1, 4);
    assert_eq!(counts(&["--no-cache-filter", "one", "--no-cache"]).0, 0);
    let (cached, _, told) = counts(&["--no-cache-filter", "tow"]);
    assert_eq!(cached, 6, "Docker takes no offence at one that is not there");
    assert!(told.contains("--no-cache-filter: there is no stage \"tow\" (did you mean Two?)"), "{told}");
    lay.assert_clean();
}

/// What stands in the store under a digest.
fn document(lay: &Lay, digest: &str) -> Value {
    let blob = lay.root().join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
    serde_json::from_slice(&std::fs::read(blob).unwrap()).unwrap()
}

/// The manifest that `index.json` has for a name.
fn manifest(lay: &Lay, name: &str) -> Value {
    let index: Value =
        serde_json::from_slice(&std::fs::read(lay.root().join("index.json")).unwrap()).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    let named = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == name;
    document(lay, entries.iter().find(named).unwrap()["digest"].as_str().unwrap())
}

#[test]
fn annotations_stand_in_the_manifest() {
    let lay = Lay::new();
    let file = "FROM busybox\nRUN echo annotated > /it\n";
    let layout = lay.dir().join("layout");
    let to = format!("type=oci,tar=false,dest={}", layout.display());
    lay.build(file, &["-t", "plain"]).expect(0);
    let flags = ["--annotation", "org.example.first=1", "--annotation", "manifest:second=two=2"];
    lay.build(file, &[&flags[..], &["-t", "said:1"]].concat()).expect(0);
    lay.build(file, &[&flags[..], &["-t", "said:1", "-o", &to]].concat()).expect(0);
    assert_eq!(manifest(&lay, "plain:latest")["annotations"], Value::Null);
    let expected = serde_json::json!({"org.example.first": "1", "second": "two=2"});
    assert_eq!(manifest(&lay, "said:1")["annotations"], expected);
    // Containers are none of its business: the image's id is the same.
    let id = |name: &str| lay.ok(&["inspect", "-f", "{{.Id}}", name]);
    assert_eq!(id("plain"), id("said:1"));
    let raw = output("skopeo", &["inspect", "--raw", &format!("oci:{}:said:1", layout.display())]);
    assert_eq!(serde_json::from_str::<Value>(&raw).unwrap()["annotations"], expected);
    for (value, why) in [("index:a=b", "no index"), ("a", "expected KEY=VALUE"), ("layer:a=b", "no place")] {
        lay.build(file, &["--annotation", value]).fails(1, why);
    }
    assert_eq!(lay.sh(&["--network", "none"], "said:1", "cat /it"), "annotated");
    lay.assert_clean();
}

/// What a registry has under a name.
fn remote(name: &str) -> Value {
    let text = output("skopeo", &["inspect", "--tls-verify=false", &format!("docker://{name}")]);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_was_built_is_pushed_under_each_of_its_names() {
    let (registry, lay) = (Registry::start(""), Lay::new());
    let file = "FROM busybox\nRUN echo pushed > /it\nCMD [\"cat\", \"/it\"]\n";
    let name = |tag: &str| format!("{}/team/app:{tag}", registry.address);
    let told = lay.build(file, &["--push", "-t", &name("1"), "-t", &name("2")]).expect(0).stdout;
    for tag in ["1", "2"] {
        let digest = remote(&name(tag))["Digest"].as_str().unwrap().to_owned();
        assert!(told.contains(&format!("pushed {} {digest}\n", name(tag))), "{told}");
        let other = Lay::new();
        assert_eq!(other.ok(&["pull", "-q", &name(tag)]), digest);
        assert_eq!(other.ok(&["run", "--rm", "--network", "none", &name(tag)]), "pushed");
        lay.ok(&["inspect", &name(tag)]);
    }
    // As an output, with names of its own, and beside another one.
    lay.build(file, &["-o", &format!("type=image,push=true,name={}", name("named"))]).expect(0);
    lay.build(file, &["-o", "type=registry", "-t", &name("registry")]).expect(0);
    let out = lay.dir().join("out");
    lay.build(file, &["-o", out.to_str().unwrap(), "--push", "-t", &name("both")]).expect(0);
    assert_eq!(std::fs::read_to_string(out.join("it")).unwrap(), "pushed\n");
    for tag in ["named", "registry", "both"] {
        assert_eq!(remote(&name(tag))["Digest"], remote(&name("1"))["Digest"], "{tag}");
        lay.ok(&["inspect", &name(tag)]);
    }
    let quiet = lay.build(file, &["-q", "--push", "-t", &name("quiet")]).expect(0).stdout;
    assert_eq!(quiet.trim_end(), lay.ok(&["inspect", "-f", "{{.Id}}", &name("quiet")]));
    // The store has it when that is said, whatever else is wanted.
    lay.build(file, &["-o", out.to_str().unwrap(), "--load", "-t", "loaded"]).expect(0);
    lay.build(file, &["--load", "-t", "loaded:alone"]).expect(0);
    assert_eq!(lay.ok(&["run", "--rm", "--network", "none", "loaded"]), "pushed");
    lay.ok(&["inspect", "loaded:alone"]);
    lay.assert_clean();
}

#[test]
fn what_cannot_be_pushed_is_told_and_not_built() {
    let lay = Lay::new();
    let file = "FROM busybox\nRUN echo pushed > /it\n";
    let digest = format!("127.0.0.1:1/x@sha256:{}", "0".repeat(64));
    for (flags, why) in [
        (&["--push"][..], "needs a name to be pushed"),
        (&["-o", "type=image,push=true"], "needs a name to be pushed"),
        (&["--push", "-t", &digest], "not to a digest"),
        (&["-o", "type=tar,dest=x,push=true"], "type=tar has no \"push\""),
        (&["-o", "type=image,push=maybe"], "push= needs true or false"),
    ] {
        let out = lay.build(file, flags).fails(1, why);
        assert!(!out.stderr.contains("FROM"), "nothing is built: {}", out.stderr);
    }
    // Nobody answers: the image is built, and has its name.
    lay.build(file, &["--push", "-t", "127.0.0.1:1/x/y:1"]).fails(1, "connection was refused");
    assert_eq!(lay.sh(&["--network", "none"], "127.0.0.1:1/x/y:1", "cat /it"), "pushed");
    lay.assert_clean();
}

#[test]
fn digests_come_into_a_file() {
    let (registry, lay) = (Registry::start(""), Lay::new());
    let file = "FROM busybox\nRUN echo told > /it\n";
    let path = lay.dir().join("metadata.json");
    let at = path.to_str().unwrap();
    let read = || serde_json::from_slice::<Value>(&std::fs::read(&path).unwrap()).unwrap();
    lay.build(file, &["--metadata-file", at, "-t", "told", "-t", "told:2"]).expect(0);
    let (told, id) = (read(), lay.ok(&["inspect", "-f", "{{.Id}}", "told"]));
    let manifest = told["containerimage.digest"].as_str().unwrap();
    assert_eq!(document(&lay, manifest)["config"]["digest"], id);
    let size = std::fs::metadata(lay.root().join("blobs/sha256").join(&manifest[7..])).unwrap().len();
    let expected = serde_json::json!({
        "containerimage.config.digest": id,
        "containerimage.descriptor": {
            "annotations": {"config.digest": id, "org.opencontainers.image.created": "2020-01-02T03:04:05Z"},
            "digest": manifest,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "size": size,
        },
        "containerimage.digest": manifest,
        "image.name": "docker.io/library/told:latest,docker.io/library/told:2",
    });
    assert_eq!(told, expected);
    // What was pushed can be pulled by the digest that is told.
    let name = format!("{}/team/told:1", registry.address);
    lay.build(file, &["--metadata-file", at, "--push", "-t", &name]).expect(0);
    let (told, remote) = (read(), remote(&name));
    assert_eq!(
        (&told["containerimage.digest"], &told["image.name"]),
        (&remote["Digest"], &Value::from(&*name))
    );
    assert_eq!(told["containerimage.descriptor"]["digest"], remote["Digest"]);
    // An image has digests without a name; files have none.
    lay.build(file, &["--metadata-file", at]).expect(0);
    assert_eq!((&read()["containerimage.digest"], &read()["image.name"]), (&manifest.into(), &Value::Null));
    let archive = format!("type=oci,dest={}", lay.dir().join("a.tar").display());
    lay.build(file, &["--metadata-file", at, "-o", &archive]).expect(0);
    assert_eq!(read()["containerimage.digest"], manifest);
    let out = lay.dir().join("out");
    lay.build(file, &["--metadata-file", at, "-o", out.to_str().unwrap()]).expect(0);
    assert_eq!(read(), serde_json::json!({}));
    // A build that fails leaves none of another; what is no file stays.
    lay.build("FROM busybox\nRUN false\n", &["--metadata-file", at]).expect(1);
    assert!(!path.exists());
    let link = lay.dir().join("link");
    std::os::unix::fs::symlink("/dev/stdout", &link).unwrap();
    let told = lay.build(file, &["-q", "--metadata-file", link.to_str().unwrap()]).expect(0).stdout;
    assert!(told.contains("\"containerimage.digest\"") && link.is_symlink(), "{told}");
    for (path, why) in
        [("/nowhere/at/all", "cannot write /nowhere/at/all"), ("/tmp", "cannot write /tmp: is a directory")]
    {
        let failed = lay.build(file, &["--metadata-file", path]).fails(1, why);
        assert!(!failed.stderr.contains("FROM"), "nothing is built: {}", failed.stderr);
    }
    lay.assert_clean();
}

#[test]
fn what_asks_for_nothing_is_accepted_and_the_rest_refused() {
    let lay = Lay::new();
    let file = "FROM busybox\nRUN echo built > /it\n";
    for (index, flags) in [
        &["--provenance=false", "--sbom=0"][..],
        &["--provenance", "false", "--sbom", "False"],
        &["--provenance=disabled=true,mode=max"],
        &["--attest", "type=provenance,disabled=true", "--attest=type=sbom,disabled=1"],
        &["--builder", "default", "--disable-content-trust", "--rm", "--force-rm=true", "--compress"],
        &["--builder=other", "--disable-content-trust=true", "--rm=false"],
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("built:{index}");
        lay.build(file, &[flags, &["-t", &name]].concat()).expect(0);
        lay.ok(&["inspect", &name]);
    }
    for (flag, why) in [
        ("--provenance=true", "lay makes no attestations"),
        ("--provenance=mode=max", "--provenance mode=max is not supported: lay makes no attestations"),
        ("--sbom=true", "say --sbom=false"),
        ("--sbom=generator=image", "lay makes no attestations"),
        ("--attest=type=sbom", "say disabled=true in it"),
        ("--attest=type=provenance,mode=min", "lay makes no attestations"),
        ("--disable-content-trust=false", "lay reads no signatures"),
        ("--cgroup-parent=../x", "expected the path of a control group"),
    ] {
        let out = lay.build(file, &[flag]).fails(1, why);
        assert!(!out.stderr.contains("FROM busybox"), "nothing is built: {}", out.stderr);
    }
    lay.assert_clean();
}

#[test]
fn commands_have_a_control_group_of_choice() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let parent = format!("{}/builds", lay.cgroup());
    let dir = lay.build_context("FROM busybox\nRUN sleep 1\n");
    let args = ["build", "--network", "none", "--cgroup-parent", &parent, dir.to_str().unwrap()];
    let mut child = lay.command(&args).spawn().unwrap();
    let parents: Vec<PathBuf> = lay.cgroups().iter().map(|path| path.join("builds")).collect();
    let groups = || {
        let entries = parents.iter().filter_map(|path| std::fs::read_dir(path).ok()).flatten().flatten();
        entries.filter(|entry| entry.path().is_dir()).count()
    };
    eventually("its group is there", || groups() > 0);
    assert!(child.wait().unwrap().success());
    assert_eq!(groups(), 0);
    parents.iter().filter(|path| path.exists()).for_each(|path| std::fs::remove_dir(path).unwrap());
    lay.assert_clean();
}
