//! What a pull needs does not grow with the image.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::image::{Builder, Entry, layer};
use crate::support::{Lay, Registry, eventually, output};

/// Bytes of one part; the layer is made of as many of them as it takes.
const PART: usize = 64 << 20;

/// A layer of one file of 2 GiB, as a gzip stream of several members: its digest, size and diff id.
fn write_layer(dir: &std::path::Path) -> (String, u64, String) {
    let mut header = tar::Header::new_gnu();
    header.set_path("big").unwrap();
    header.set_size(32 * PART as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let gzip = |data: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    };
    let mut state = 1u64;
    let letters = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        b"acgt"[(state >> 62) as usize]
    });
    let part: Vec<u8> = letters.take(PART).collect();
    let (start, middle, end) = (gzip(header.as_bytes()), gzip(&part), gzip(&[0; 1024]));
    let mut diff_id = Sha256::new_with_prefix(header.as_bytes());
    let (mut blob, mut digest) = (std::fs::File::create(dir.join("layer")).unwrap(), Sha256::new());
    let mut put = |data: &[u8]| {
        blob.write_all(data).unwrap();
        digest.update(data);
    };
    put(&start);
    for _ in 0..32 {
        put(&middle);
        diff_id.update(&part);
    }
    put(&end);
    diff_id.update([0; 1024]);
    let digest = hex::encode(digest.finalize());
    std::fs::rename(dir.join("layer"), dir.join("blobs/sha256").join(&digest)).unwrap();
    let size = (start.len() + 32 * middle.len() + end.len()) as u64;
    (digest, size, hex::encode(diff_id.finalize()))
}

/// Writes a document as a blob; its descriptor.
fn write_document(dir: &std::path::Path, media: &str, document: &serde_json::Value) -> serde_json::Value {
    let data = document.to_string();
    let digest = hex::encode(Sha256::digest(&data));
    std::fs::write(dir.join("blobs/sha256").join(&digest), &data).unwrap();
    json!({"mediaType": media, "digest": format!("sha256:{digest}"), "size": data.len()})
}

/// Pushes the image as `library/big`.
fn push(lay: &Lay) {
    let dir = lay.dir().join("big");
    std::fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    let (digest, size, diff_id) = write_layer(&dir);
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/big"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{diff_id}")]},
    });
    let oci = |kind: &str| format!("application/vnd.oci.image.{kind}");
    let layer =
        json!({"mediaType": oci("layer.v1.tar+gzip"), "digest": format!("sha256:{digest}"), "size": size});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": oci("manifest.v1+json"),
        "config": write_document(&dir, &oci("config.v1+json"), &config), "layers": [layer],
    });
    let manifest = write_document(&dir, &oci("manifest.v1+json"), &manifest);
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    std::fs::write(dir.join("index.json"), index.to_string()).unwrap();
    std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let target = format!("docker://{}/library/big:latest", Registry::shared().address);
    let source = format!("oci:{}", dir.display());
    output("skopeo", &["copy", "-q", "--dest-tls-verify=false", &source, &target]);
    std::fs::remove_dir_all(dir).unwrap();
}

/// Most bytes of memory that a process has had until now (`VmHWM`, proc_pid_status(5)).
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kb| kb << 10)
}

#[test]
fn a_layer_of_two_gigabytes_is_pulled_in_64_megabytes() {
    let lay = Lay::new();
    push(&lay);
    let mut pull = lay.command(&["pull", "-q", "big"]).stdout(Stdio::null()).spawn().unwrap();
    let mut most = 0;
    let status = loop {
        most = peak(pull.id()).unwrap_or(most);
        if let Some(status) = pull.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    assert!(status.success());
    let layer = std::fs::read_dir(lay.root().join("layers")).unwrap().flatten().next().unwrap();
    assert!(layer.path().is_dir() || layer.metadata().unwrap().len() > 2 << 30);
    eprintln!("peak: {} MB", most / 1_000_000);
    assert!(most > 0 && most < 64 << 20, "the pull needed {most} bytes");
}

/// Bytes that a container's control group accounts for.
fn accounted(lay: &Lay, name: &str) -> u64 {
    let read =
        "cat /sys/fs/cgroup/memory/memory.usage_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.current";
    lay.ok(&["exec", name, "sh", "-c", read]).parse().unwrap()
}

#[test]
fn containers_of_one_image_share_what_they_read() {
    // Older kernels do not copy mounts of other processes; directories need no copies.
    let form = std::env::var("LAY_LAYER_FORM").unwrap_or_default();
    if crate::support::kernel() < (6, 15) || !matches!(form.as_str(), "" | "erofs") {
        return;
    }
    let lay = Lay::new();
    let content: Vec<u8> = (0..6_000_000u32).flat_map(u32::to_le_bytes).collect();
    let big = layer(&[Entry::File("big", &content, 0o644)]);
    Registry::shared().push("library/read-together:latest", &Builder::busybox().layer(big));
    let name = "read-together";
    lay.ok(&["pull", "-q", name]);
    let start = |container: &str| {
        let script = "cat /big > /dev/null; echo read; sleep 100";
        lay.ok(&["run", "-d", "--name", container, "--network", "none", name, "sh", "-c", script]);
        eventually("it has read", || lay.ok(&["logs", container]) == "read");
        accounted(&lay, container)
    };
    let (first, second) = (start("first"), start("second"));
    assert!(first > 24_000_000, "{first}");
    assert!(second < 12_000_000, "{second}: the file is in memory once");
    // The mount outlives the container that made it, as long as others have copies; a later one makes its own.
    lay.ok(&["rm", "-f", "first"]);
    assert_eq!(lay.ok(&["exec", "second", "sh", "-c", "wc -c < /big"]), "24000000");
    let (third, fourth) = (start("third"), start("fourth"));
    assert!(third > 24_000_000 && fourth < 12_000_000, "{third} {fourth}");
    lay.ok(&["rm", "-f", "second", "third", "fourth"]);
    let told = || std::fs::read_dir(lay.root().join("mounts")).unwrap().count();
    assert_eq!(told(), 2);
    lay.ok(&["rmi", name]);
    assert_eq!(told(), 0);
    lay.assert_clean();
}
