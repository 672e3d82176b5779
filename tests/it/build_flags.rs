//! Flags of `lay build` that Docker's users know.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::lay::Out;
use crate::support::{Lay, output};

/// A context with this Containerfile.
fn context(lay: &Lay, file: &str) -> PathBuf {
    let dir = lay.dir().join("context");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("Containerfile"), file).unwrap();
    dir
}

fn build(lay: &Lay, file: &str, more: &[&str]) -> Out {
    let dir = context(lay, file);
    lay.run(&[&["build", "--progress", "plain"], more, &[dir.to_str().unwrap()]].concat())
}

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
        let told = build(&lay, file, more).expect(0).stderr;
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
    build(&lay, file, &["-t", "plain"]).expect(0);
    let flags = ["--annotation", "org.example.first=1", "--annotation", "manifest:second=two=2"];
    build(&lay, file, &[&flags[..], &["-t", "said:1"]].concat()).expect(0);
    build(&lay, file, &[&flags[..], &["-t", "said:1", "-o", &to]].concat()).expect(0);
    assert_eq!(manifest(&lay, "plain:latest")["annotations"], Value::Null);
    let expected = serde_json::json!({"org.example.first": "1", "second": "two=2"});
    assert_eq!(manifest(&lay, "said:1")["annotations"], expected);
    // Containers are none of its business: the image's id is the same.
    let id = |name: &str| lay.ok(&["inspect", "-f", "{{.Id}}", name]);
    assert_eq!(id("plain"), id("said:1"));
    let raw = output("skopeo", &["inspect", "--raw", &format!("oci:{}:said:1", layout.display())]);
    assert_eq!(serde_json::from_str::<Value>(&raw).unwrap()["annotations"], expected);
    for (value, why) in [("index:a=b", "no index"), ("a", "expected KEY=VALUE"), ("layer:a=b", "no place")] {
        build(&lay, file, &["--annotation", value]).fails(1, why);
    }
    assert_eq!(lay.sh(&["--network", "none"], "said:1", "cat /it"), "annotated");
    lay.assert_clean();
}
