//! A Docker daemon of the suite's own: no bridge, no firewall rules, everything in a directory that goes away.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use super::{eventually, output};

/// A running `dockerd`.
pub struct Docker {
    dir: tempfile::TempDir,
    process: Child,
}

/// One at a time: two daemons would share the machine's `docker` control group.
static ONE: Mutex<()> = Mutex::new(());

/// Runs `with` while a daemon runs.
pub fn with_docker(more: &[&str], with: impl FnOnce(&Docker)) {
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    with(&Docker::start(more));
}

impl Docker {
    fn start(more: &[&str]) -> Docker {
        let dir = tempfile::Builder::new().prefix("lay-docker-").tempdir_in("/var/tmp").unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let process = Command::new("unshare")
            // In namespaces of its own, its mounts and links are gone when it is.
            .args(["--mount", "--net", "sh", "-c", "ip link set lo up; exec dockerd \"$@\"", "dockerd"])
            .args(["--bridge=none", "--iptables=false", "--ip-masq=false", "--host"])
            .arg(format!("unix://{}", path("socket")))
            .args(["--data-root", &path("data"), "--exec-root", &path("exec"), "--pidfile", &path("pid")])
            .args(["--cgroup-parent", &cgroup(dir.path())])
            .args(more)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("dockerd; run scripts/install-deps test");
        let docker = Docker { dir, process };
        let answers = || docker.command(&["version"]).output().is_ok_and(|out| out.status.success());
        let mut left = 400;
        while !answers() {
            left -= 1;
            assert!(left > 0, "dockerd does not start: {}", docker.log());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        docker
    }

    fn log(&self) -> String {
        let mut text = String::new();
        let file = std::fs::File::open(self.path().join("log"));
        let _ = file.and_then(|mut file| file.read_to_string(&mut text));
        text
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Parent of its containers' control groups.
    pub fn cgroup(&self) -> String {
        cgroup(self.path())
    }

    /// A command of the client.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.arg("-H").arg(format!("unix://{}", self.path().join("socket").display()));
        command.args(args).stdin(Stdio::null());
        command
    }

    /// Runs a command that must succeed; what it prints.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let out = self.command(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "docker {args:?}: {stderr}");
        String::from_utf8_lossy(&out.stdout).trim_end().to_string()
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let pid: String = self.process.id().to_string();
        output("kill", &[&pid]);
        let _ = self.process.wait();
        let groups = PathBuf::from("/sys/fs/cgroup");
        eventually("docker's control groups are gone", || remove_groups(&groups, &self.cgroup()));
    }
}

fn cgroup(dir: &Path) -> String {
    format!("/{}", dir.file_name().unwrap().to_str().unwrap())
}

/// The parent of the containers' groups stays behind, empty.
fn remove_groups(root: &Path, group: &str) -> bool {
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten();
    let left = hierarchies.map(|h| h.path().join(&group[1..])).chain([root.join(&group[1..])]);
    left.filter(|path| path.is_dir()).all(|path| std::fs::remove_dir(path).is_ok())
}
