//! Small images, made from a static busybox.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// An image under construction.
pub struct Builder {
    layers: Vec<Vec<u8>>,
    config: Value,
    architecture: &'static str,
    /// Compression of its layers.
    pub zstd: bool,
    /// Docker's media types instead of OCI's.
    pub docker: bool,
    /// Another platform, in one index with it.
    pub index: Option<Box<Builder>>,
}

/// One entry of a layer.
pub enum Entry<'a> {
    File(&'a str, &'a [u8], u32),
    Directory(&'a str),
    Link(&'a str, &'a str),
    Hard(&'a str, &'a str),
}

impl Builder {
    /// An image of these layers.
    pub fn new(layers: Vec<Vec<u8>>) -> Builder {
        let config = json!({"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]});
        Builder { layers, config, architecture: "amd64", zstd: false, docker: false, index: None }
    }

    /// One layer with busybox and a few users.
    pub fn busybox() -> Builder {
        Builder::new(vec![busybox_layer()])
    }

    /// Sets a field of the configuration.
    pub fn with(mut self, field: &str, value: Value) -> Builder {
        self.config[field] = value;
        self
    }

    /// Adds a layer.
    pub fn layer(mut self, layer: Vec<u8>) -> Builder {
        self.layers.push(layer);
        self
    }

    /// For another machine.
    pub fn architecture(mut self, name: &'static str) -> Builder {
        self.architecture = name;
        self
    }

    /// Writes an OCI layout with this image as `x`.
    pub fn write(&self, dir: &Path) {
        std::fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let mut entry = self.manifest(dir);
        if let Some(other) = &self.index {
            let mut entries = vec![other.manifest(dir), entry];
            for (entry, image) in entries.iter_mut().zip([&**other, self]) {
                entry["platform"] = json!({"os": "linux", "architecture": image.architecture});
            }
            let index = "application/vnd.oci.image.index.v1+json";
            entry = put(
                dir,
                index,
                &serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": index, "manifests": entries}))
                    .unwrap(),
            );
        }
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": "x"});
        let index = json!({"schemaVersion": 2, "manifests": [entry]});
        std::fs::write(dir.join("index.json"), index.to_string()).unwrap();
    }

    fn manifest(&self, dir: &Path) -> Value {
        let (kind, suffix) = if self.zstd { ("zstd", "+zstd") } else { ("gzip", "+gzip") };
        let media = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
        let layers: Vec<Value> = self.layers.iter().map(|l| put(dir, &media, &compress(l, kind))).collect();
        let diff_ids: Vec<String> = self.layers.iter().map(|l| digest(l)).collect();
        let config = json!({
            "architecture": self.architecture, "os": "linux", "created": "2020-01-02T03:04:05Z",
            "config": self.config, "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created": "2020-01-02T03:04:05Z", "created_by": "made by a test"}],
        });
        let config = put(dir, "application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        let media = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({"schemaVersion": 2, "mediaType": media, "config": config, "layers": layers});
        put(dir, media, manifest.to_string().as_bytes())
    }
}

fn put(dir: &Path, media_type: &str, data: &[u8]) -> Value {
    let digest = digest(data);
    std::fs::write(dir.join("blobs/sha256").join(&digest[7..]), data).unwrap();
    json!({"mediaType": media_type, "digest": digest, "size": data.len()})
}

/// `sha256:…` of some bytes.
pub fn digest(data: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(data)))
}

fn compress(data: &[u8], kind: &str) -> Vec<u8> {
    if kind == "zstd" {
        return zstd::encode_all(data, 3).unwrap();
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A layer's archive.
pub fn layer(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1_577_934_245);
        let data: &[u8] = match entry {
            Entry::File(_, data, mode) => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_mode(*mode);
                data
            }
            Entry::Directory(_) => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
                &[]
            }
            Entry::Link(..) | Entry::Hard(..) => {
                let hard = matches!(entry, Entry::Hard(..));
                header.set_entry_type(if hard { tar::EntryType::Link } else { tar::EntryType::Symlink });
                header.set_mode(0o777);
                &[]
            }
        };
        header.set_size(data.len() as u64);
        let (Entry::File(name, ..) | Entry::Directory(name) | Entry::Link(name, _) | Entry::Hard(name, _)) =
            entry;
        // Written as it is: names that tar's own functions refuse are what some tests are about.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if let Entry::Link(_, target) | Entry::Hard(_, target) = entry {
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        }
        header.set_cksum();
        tar.append(&header, data).unwrap();
    }
    tar.into_inner().unwrap()
}

fn busybox_layer() -> Vec<u8> {
    let path = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from).into_iter().find(|p| p.exists());
    let busybox = std::fs::read(path.expect("busybox-static; run scripts/install-deps test")).unwrap();
    let mut entries = vec![
        Entry::Directory("bin"),
        Entry::File("bin/busybox", &busybox, 0o755),
        Entry::Directory("etc"),
        Entry::File(
            "etc/passwd",
            b"root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1001::/home/alice:/bin/sh\n",
            0o644,
        ),
        Entry::File("etc/group", b"root:x:0:\nalice:x:1001:\nwheel:x:10:alice\nvideo:x:39:\n", 0o644),
        Entry::Directory("tmp"),
        Entry::Directory("root"),
    ];
    let tools = "sh cat ls id hostname sleep echo true false env pwd stat touch mkdir rm ps kill wc head tail grep test \
                 mount nc wget ping ip sync dd stty tty seq trap sort uname mknod mv ln chmod df";
    let names: Vec<String> = tools.split_whitespace().map(|tool| format!("bin/{tool}")).collect();
    entries.extend(names.iter().map(|name| Entry::Link(name, "busybox")));
    layer(&entries)
}

/// The images that most tests use.
pub fn small_images() -> BTreeMap<String, Builder> {
    let upper = layer(&[
        Entry::File("etc/motd", b"second layer\n", 0o644),
        Entry::File("bin/.wh.true", b"", 0o644),
        Entry::Hard("etc/motd2", "etc/motd"),
    ]);
    let configured = Builder::busybox()
        .with("User", json!("alice:video"))
        .with("WorkingDir", json!("/work/here"))
        .with("Entrypoint", json!(["/bin/echo", "entry"]))
        .with("Cmd", json!(["cmd"]))
        .with("Env", json!(["PATH=/bin", "FROM_IMAGE=yes"]))
        .with("Labels", json!({"made.by": "test"}))
        .with("StopSignal", json!("SIGUSR1"));
    let mut zstd = Builder::busybox();
    zstd.zstd = true;
    let mut docker = Builder::busybox();
    docker.docker = true;
    let mut both = Builder::busybox();
    both.index = Some(Box::new(Builder::busybox().architecture("arm64")));
    let images = [
        ("library/busybox:latest", Builder::busybox()),
        ("library/layers:latest", Builder::busybox().layer(upper)),
        (
            "library/twice:latest",
            Builder::busybox().layer(layer(&[])).layer(busybox_layer()).layer(layer(&[])),
        ),
        ("library/configured:latest", configured),
        ("library/zstd:latest", zstd),
        ("library/docker:latest", docker),
        ("library/both:latest", both),
        ("library/foreign:latest", Builder::busybox().architecture("arm64")),
        ("deep/nested/name:v1.2", Builder::busybox()),
    ];
    images.into_iter().map(|(name, image)| (name.to_string(), image)).collect()
}
