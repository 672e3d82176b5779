//! One real registry for the whole suite.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use super::image::{Builder, small_images};
use super::{eventually, output};

/// Debian's `docker-registry` on loopback.
pub struct Registry {
    /// Host and port.
    pub address: String,
    /// The real CentOS image is in it; else a small one stands in.
    pub has_centos: bool,
    _dir: tempfile::TempDir,
    /// The registry ends when this closes, so also when this process is killed.
    alive: Option<ChildStdin>,
    process: Child,
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.alive.take());
        let _ = self.process.wait();
    }
}

impl Registry {
    /// The suite's registry, started and filled at first use.
    pub fn shared() -> &'static Registry {
        static SHARED: OnceLock<Registry> = OnceLock::new();
        SHARED.get_or_init(|| {
            let registry = Registry::start("");
            registry.fill()
        })
    }

    /// Starts a registry with more configuration.
    pub fn start(more: &str) -> Registry {
        let dir = tempfile::Builder::new().prefix("lay-registry-").tempdir().unwrap();
        let address = free_address();
        let storage = dir.path().join("data");
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: {address}}}\n{more}",
            storage.display()
        );
        let path = dir.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
        // It ends, and all of it goes, with the process that holds its standard input: nobody drops what is shared.
        let script = "docker-registry serve \"$0\" </dev/null >/dev/null 2>&1 & cat; kill $!; wait $! 2>/dev/null; rm -rf \"$1\"";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .arg(&path)
            .arg(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let alive = child.stdin.take();
        eventually("the registry answers", || TcpStream::connect(&address).is_ok());
        Registry { address, has_centos: false, _dir: dir, alive, process: child }
    }

    fn fill(mut self) -> Registry {
        for (name, image) in small_images() {
            self.push(&name, &image);
        }
        match centos() {
            Some(layout) => {
                for (reference, name) in [("centos-7", "centos:7"), ("centos-web-7", "centos-web:7")] {
                    self.copy(
                        &format!("oci:{}:{reference}", layout.display()),
                        &format!("library/{name}"),
                        &[],
                    );
                }
                self.has_centos = true;
            }
            None => {
                eprintln!("the CentOS image is not here: a small image stands in for centos:7");
                self.push("library/centos:7", &Builder::busybox());
            }
        }
        self
    }

    /// Pushes an image under a name.
    pub fn push(&self, name: &str, image: &Builder) {
        let dir = tempfile::tempdir().unwrap();
        image.write(dir.path());
        let format = if image.docker { "v2s2" } else { "oci" };
        self.copy(&format!("oci:{}:x", dir.path().display()), name, &["-f", format, "--all"]);
    }

    fn copy(&self, source: &str, name: &str, flags: &[&str]) {
        let target = format!("docker://{}/{name}", self.address);
        let fixed = ["copy", "-q", "--dest-tls-verify=false", source, &target];
        output("skopeo", &[&fixed[..2], flags, &fixed[2..]].concat());
    }

    /// Digest of the largest layer of an image.
    pub fn largest_blob(&self, name: &str) -> String {
        let accept = "application/vnd.oci.image.manifest.v1+json";
        let manifest = self.get(&format!("/v2/library/{name}/manifests/latest"), accept);
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        let largest = layers.iter().max_by_key(|l| l["size"].as_u64()).unwrap();
        largest["digest"].as_str().unwrap().to_string()
    }

    fn get(&self, path: &str, accept: &str) -> Vec<u8> {
        use std::io::Write;
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let at = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        answer.split_off(at)
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The folder with the CentOS image: `LAY_TEST_CENTOS`, or `../shared/centos7` beside the project.
fn centos() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/centos7");
    let path = std::env::var_os("LAY_TEST_CENTOS").map_or_else(beside, PathBuf::from);
    path.join("index.json").exists().then_some(path)
}

/// Whether the test can use the real CentOS image; says so where not.
pub fn has_centos() -> bool {
    let has = Registry::shared().has_centos;
    if !has {
        eprintln!("skipped: the CentOS image is not here");
    }
    has
}
