//! The binary with a store and a machine's corner of its own.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::registry::Registry;

/// A store, a bridge, a subnet, id range and control group that no other test has.
pub struct Lay {
    dir: tempfile::TempDir,
    /// Number of this corner.
    pub slot: u32,
    /// Held as long as the number is ours.
    _claim: UnixDatagram,
}

/// How a command ended.
#[derive(Debug)]
pub struct Out {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Out {
    #[track_caller]
    pub fn expect(self, code: i32) -> Out {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// The one message of a failed command, on one line unless there is a list.
    #[track_caller]
    pub fn fails(self, code: i32, words: &str) -> Out {
        let out = self.expect(code);
        assert!(out.stderr.contains(words), "'{words}' is not in: {}", out.stderr);
        assert!(!out.stderr.contains("panicked"), "{}", out.stderr);
        out
    }
}

/// A number that only one test on this machine has: an abstract socket's name is taken once, and free when we end.
fn claim() -> (u32, UnixDatagram) {
    use std::os::linux::net::SocketAddrExt;
    for slot in 0..200 {
        let name = format!("lay-it-{slot}");
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
        if let Ok(socket) = UnixDatagram::bind_addr(&address)
            && !is_left_over(slot)
        {
            return (slot, socket);
        }
    }
    panic!("more than 200 tests at once");
}

/// Whether a run that was killed left something under this number.
fn is_left_over(slot: u32) -> bool {
    let groups = ["/sys/fs/cgroup", "/sys/fs/cgroup/pids"];
    let left = groups.map(|dir| Path::new(dir).join(format!("lay-it-{slot}")));
    left.iter().any(|path| path.exists()) || Path::new("/sys/class/net").join(format!("layit{slot}")).exists()
}

impl Lay {
    /// A corner in which docker.io means the suite's registry.
    pub fn new() -> Lay {
        Lay::with_mirror(&format!("http://{}", Registry::shared().address))
    }

    /// A corner in which docker.io means this mirror.
    pub fn with_mirror(mirror: &str) -> Lay {
        let (slot, claim) = claim();
        let dir = tempfile::Builder::new().prefix("lay-it-").tempdir().unwrap();
        let lay = Lay { dir, slot, _claim: claim };
        lay.configure(&format!("[registry.\"docker.io\"]\nmirrors = [\"{mirror}\"]\n"));
        lay
    }

    /// Writes the configuration: what is given, and the corner's own.
    pub fn configure(&self, registries: &str) {
        let first_id = 0x5000_0000 + self.slot * 0x40_0000;
        let text = format!(
            "{registries}\n[network]\nbridge = \"{}\"\nsubnet = \"{}.0/24\"\npool = \"{}.0/20\"\n[cgroup]\nparent = \"{}\"\n\
             [userns]\nfirst-id = {first_id}\ncount = {}\n",
            self.bridge(),
            self.net(),
            self.pool(),
            self.cgroup(),
            0x40_0000
        );
        std::fs::write(self.dir.path().join("config.toml"), text).unwrap();
    }

    pub fn bridge(&self) -> String {
        format!("layit{}", self.slot)
    }

    /// The first three numbers of its addresses.
    pub fn net(&self) -> String {
        format!("10.112.{}", self.slot)
    }

    /// The first three numbers of the first of the 16 networks that it can make.
    pub fn pool(&self) -> String {
        format!("10.{}.{}", 120 + self.slot / 16, self.slot % 16 * 16)
    }

    pub fn cgroup(&self) -> String {
        format!("/lay-it-{}", self.slot)
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// A directory for the test's own files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lay"));
        command
            .args(args)
            .env("LAY_ROOT", self.root())
            .env("LAY_CONFIG", self.dir.path().join("config.toml"));
        command.env("DOCKER_CONFIG", self.dir.path().join("docker")).env_remove("LAY_DEBUG");
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Out {
        finish(self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Runs a command that reads `input`.
    pub fn run_with(&self, args: &[&str], input: &str) -> Out {
        let mut command = self.command(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_string());
        // Beside the reading, else both sides could wait for each other.
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let out = finish(child);
        let _ = writer.join();
        out
    }

    /// Runs a command that must succeed; its standard output without the last line's end.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        self.run(args).expect(0).stdout.trim_end().to_string()
    }

    /// A build context with this Containerfile.
    pub fn build_context(&self, file: &str) -> PathBuf {
        let dir = self.dir().join("context");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("Containerfile"), file).unwrap();
        dir
    }

    /// Builds it, with more flags.
    #[track_caller]
    pub fn build(&self, file: &str, more: &[&str]) -> Out {
        let dir = self.build_context(file);
        self.run(&[&["build", "--progress", "plain"], more, &[dir.to_str().unwrap()]].concat())
    }

    /// Runs a shell script in a new container that goes away; its output.
    #[track_caller]
    pub fn sh(&self, flags: &[&str], image: &str, script: &str) -> String {
        let args: Vec<&str> = [&["run", "--rm"], flags, &[image, "sh", "-c", script]].concat();
        self.ok(&args)
    }

    /// Waits until a container has said that it is ready, such as to take a signal.
    #[track_caller]
    pub fn ready(&self, name: &str) {
        super::eventually("it is ready", || self.run(&["logs", name]).stdout.contains("ready"));
    }

    /// Nothing of any container is left, in the store or on the machine.
    #[track_caller]
    pub fn assert_clean(&self) {
        let names = |path: PathBuf| -> Vec<String> {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries
                .map(|e| e.file_name().into_string().unwrap())
                .filter(|n| !["names", "making.lock", "last"].contains(&n.as_str()))
                .collect()
        };
        for dir in ["containers", "containers/names", "leases", &format!("networks/{}", self.bridge())] {
            assert_eq!(names(self.root().join(dir)), [""; 0], "{dir}");
        }
        // What is removed behind a command takes a moment.
        super::eventually("the trash is empty", || names(self.root().join("trash")).is_empty());
        let master = format!("master {} ", self.bridge());
        // The kernel takes a moment to remove a link with its namespace.
        super::eventually("the links are gone", || {
            !super::output("ip", &["-o", "link", "show"]).contains(&master)
        });
        let groups = self.cgroups().into_iter().flat_map(|path| {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries.filter(|e| e.path().is_dir()).map(|e| e.path()).collect::<Vec<_>>()
        });
        assert_eq!(groups.collect::<Vec<_>>(), Vec::<PathBuf>::new());
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&self.root().display().to_string()), "{mounts}");
    }

    /// Where its control groups stand, in all hierarchies.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let lines = table.lines().filter(|l| l.contains(" - cgroup"));
        let points = lines.filter_map(|l| l.split(' ').nth(4));
        points.map(|p| Path::new(p).join(self.cgroup().trim_start_matches('/'))).collect()
    }
}

fn finish(child: std::process::Child) -> Out {
    let output = child.wait_with_output().unwrap();
    Out {
        code: output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0)),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Drop for Lay {
    fn drop(&mut self) {
        let ids = self.run(&["ps", "-aq"]).stdout;
        for id in ids.split_whitespace() {
            self.run(&["rm", "-f", id]);
        }
        self.run(&["network", "prune", "-f"]);
        let quiet = |program: &str, args: &[&str]| {
            let _ = Command::new(program).args(args).stderr(Stdio::null()).stdout(Stdio::null()).status();
        };
        quiet("ip", &["link", "delete", &self.bridge()]);
        quiet("nft", &["delete", "table", "inet", &format!("lay-{}", self.bridge())]);
        for group in self.cgroups() {
            let _ = std::fs::remove_dir(group);
        }
    }
}
