//! What others make of the same archive.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::Command;

use lay_store::{Digest, Layer};
use serde_json::json;
use tempfile::TempDir;

use super::super::list;
use super::seen;
use crate::snapshot::Snapshot;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Tar,
    Umoci,
}

impl Peer {
    /// The tree that it makes, or its complaint; `None`, saying so, where it is not installed.
    pub fn visible(self, base: Option<&[u8]>, archive: &[u8]) -> Option<Result<String, String>> {
        let temp = TempDir::new().unwrap();
        let root = temp.path().join("root");
        let mut command = match self {
            // It knows nothing of layers.
            Peer::Tar if base.is_some() => return None,
            Peer::Tar => tar(temp.path(), archive, &root),
            Peer::Umoci => umoci(temp.path(), base, archive, &root),
        };
        let output = match command.output() {
            Ok(output) => output,
            Err(e) => {
                eprintln!("skipped: {self:?}: {e}");
                return None;
            }
        };
        let complaint = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Some(if output.status.success() { Ok(seen(&list(&root))) } else { Err(complaint()) })
    }
}

fn tar(temp: &Path, archive: &[u8], root: &Path) -> Command {
    fs::write(temp.join("archive"), archive).unwrap();
    fs::create_dir(root).unwrap();
    let mut command = Command::new("tar");
    command.args(["--extract", "--file"]).arg(temp.join("archive")).arg("--directory").arg(root);
    command
}

/// An OCI layout of one image, and the command that unpacks it.
fn umoci(temp: &Path, base: Option<&[u8]>, archive: &[u8], root: &Path) -> Command {
    let blobs = temp.join("layout/blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |kind: &str, data: &[u8]| {
        let digest = Digest::of(data);
        fs::write(blobs.join(digest.hex()), data).unwrap();
        json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": data.len()})
    };
    let archives: Vec<&[u8]> = base.into_iter().chain([archive]).collect();
    let layers: Vec<_> = archives.iter().map(|data| put("layer.v1.tar", data)).collect();
    let diff_ids: Vec<_> = archives.iter().map(|data| Digest::of(data)).collect();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = put("config.v1+json", config.to_string().as_bytes());
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string();
    let mut manifest = put("manifest.v1+json", manifest.as_bytes());
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "case"});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]}).to_string();
    fs::write(temp.join("layout/index.json"), index).unwrap();
    fs::write(temp.join("layout/oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
    let mut command = Command::new("umoci");
    command
        .args(["raw", "unpack", "--image"])
        .arg(format!("{}:case", temp.join("layout").display()))
        .arg(root);
    command
}

/// What overlayfs makes of layers, bottom to top.
pub(super) fn overlaid(layers: Vec<Layer>) -> String {
    let mounted = Snapshot { layers, ..Snapshot::default() }.peek().unwrap();
    seen(&list(Path::new(&format!("/proc/self/fd/{}/.", mounted.as_fd().as_raw_fd()))))
}
