//! `lay oci`: bundles by hand, and as the runtime of Docker, containerd and Podman.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Lay, eventually, output, with_docker};

/// A bundle of busybox, and the runtime with a state directory of its own.
pub struct Bundle {
    pub lay: Lay,
    pub path: PathBuf,
}

impl Bundle {
    pub fn new() -> Bundle {
        let lay = Lay::new();
        let path = lay.dir().join("bundle");
        std::fs::create_dir_all(path.join("rootfs")).unwrap();
        lay.ok(&["run", "--name", "base", "--network", "none", "busybox", "true"]);
        let tar = lay.dir().join("base.tar").display().to_string();
        lay.ok(&["export", "-o", &tar, "base"]);
        output("tar", &["-xf", &tar, "-C", path.join("rootfs").to_str().unwrap()]);
        let bundle = Bundle { lay, path };
        bundle.ok(&["spec", "--bundle", bundle.path.to_str().unwrap()]);
        bundle
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.lay.command(&["oci", "--root"]);
        command.arg(self.lay.dir().join("oci")).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let out = self.command(args).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim_end().to_string()
    }

    #[track_caller]
    pub fn fails(&self, args: &[&str], why: &str) {
        let out = self.command(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && stderr.contains(why), "{args:?}: {stderr}");
    }

    /// Writes config.json: a shell script, and what `change` makes of the specification.
    pub fn configure(&self, script: &str, change: impl FnOnce(&mut Value)) {
        let path = self.path.join("config.json");
        let mut spec: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        spec["process"]["args"] = json!(["sh", "-c", script]);
        spec["process"]["env"] = json!(["PATH=/bin"]);
        spec["process"]["terminal"] = json!(false);
        spec["root"]["readonly"] = json!(false);
        spec["linux"]["cgroupsPath"] = json!(format!("{}/oci", self.lay.cgroup()));
        change(&mut spec);
        std::fs::write(path, spec.to_string()).unwrap();
    }

    pub fn bundle(&self) -> &str {
        self.path.to_str().unwrap()
    }

    pub fn status(&self, id: &str) -> String {
        let state: Value = serde_json::from_str(&self.ok(&["state", id])).unwrap();
        state["status"].as_str().unwrap().to_string()
    }

    /// Creates a container whose output goes to a file.
    pub fn create(&self, id: &str) -> PathBuf {
        let out = self.lay.dir().join(format!("{id}.out"));
        let file = std::fs::File::create(&out).unwrap();
        let mut command = self.command(&["create", "--bundle", self.bundle(), id]);
        let status = command.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
        assert!(status.success(), "{}", std::fs::read_to_string(&out).unwrap());
        out
    }
}

#[test]
fn a_container_lives_as_the_specification_says() {
    let bundle = Bundle::new();
    bundle.configure("echo begun; sleep 100", |_| ());
    let out = bundle.create("one");
    assert_eq!(bundle.status("one"), "created");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "", "nothing runs before the start");
    bundle.fails(&["create", "--bundle", bundle.bundle(), "one"], "already exists");
    bundle.ok(&["start", "one"]);
    assert_eq!(bundle.status("one"), "running");
    eventually("it runs", || std::fs::read_to_string(&out).unwrap() == "begun\n");
    bundle.fails(&["start", "one"], "cannot start container one: it is running");
    bundle.fails(&["delete", "one"], "cannot delete container one: it is running");
    assert_eq!(bundle.ok(&["exec", "one", "sh", "-c", "echo $$; exit 0"]).lines().count(), 1);
    assert_eq!(bundle.command(&["exec", "one", "sh", "-c", "exit 9"]).status().unwrap().code(), Some(9));
    assert!(bundle.ok(&["ps", "one"]).contains("sleep 100"));
    bundle.ok(&["pause", "one"]);
    assert_eq!(bundle.status("one"), "paused");
    bundle.ok(&["resume", "one"]);
    bundle.ok(&["update", "--pids-limit", "17", "one"]);
    let stats: Value = serde_json::from_str(&bundle.ok(&["events", "--stats", "one"])).unwrap();
    assert_eq!(stats["data"]["pids"]["limit"], 17);
    assert!(stats["data"]["memory"]["usage"]["usage"].as_u64().unwrap() > 0);
    assert_eq!(bundle.ok(&["list", "-q"]), "one");
    bundle.ok(&["kill", "one", "KILL"]);
    eventually("it ends", || bundle.status("one") == "stopped");
    bundle.fails(&["kill", "one", "TERM"], "container not running");
    bundle.ok(&["delete", "one"]);
    bundle.fails(&["state", "one"], "container does not exist");
    bundle.ok(&["delete", "--force", "one"]);
    assert_eq!(bundle.ok(&["list", "-q"]), "");
}

#[test]
fn a_bundle_runs_in_the_foreground() {
    let bundle = Bundle::new();
    bundle.configure("cat; id -u; exit 7", |_| ());
    let mut command = bundle.command(&["run", "--bundle", bundle.bundle(), "fore"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"typed\n").unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!((out.status.code(), out.stdout.as_slice()), (Some(7), b"typed\n0\n".as_slice()));
    assert_eq!(bundle.ok(&["list", "-q"]), "", "nothing is left of it");
    bundle.configure("true", |spec| spec["process"]["args"] = json!(["/none"]));
    bundle.fails(&["run", "--bundle", bundle.bundle(), "none"], "executable file not found");
    assert_eq!(bundle.ok(&["list", "-q"]), "");
}

#[test]
fn hooks_run_in_order_with_the_state() {
    let bundle = Bundle::new();
    let log = bundle.lay.dir().join("hooks");
    let hook = |name: &str| {
        let script = format!("echo {name} $(cat) >> {}", log.display());
        json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"], "timeout": 5}])
    };
    bundle.configure("true", |spec| {
        spec["hooks"] = json!({
            "prestart": hook("prestart"), "createRuntime": hook("createRuntime"),
            "createContainer": hook("createContainer"),
            "startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "echo inside >/from-hook"]}],
            "poststart": hook("poststart"), "poststop": hook("poststop"),
        });
    });
    bundle.ok(&["run", "--bundle", bundle.bundle(), "hooked"]);
    let text = std::fs::read_to_string(&log).unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]);
    assert!(text.lines().all(|line| line.contains("\"id\":\"hooked\"")), "{text}");
    assert_eq!(std::fs::read_to_string(bundle.path.join("rootfs/from-hook")).unwrap(), "inside\n");
    bundle.configure("true", |spec| {
        spec["hooks"] =
            json!({"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo no >&2; exit 3"]}]});
    });
    bundle.fails(&["run", "--bundle", bundle.bundle(), "hooked"], "the hook /bin/sh failed");
    assert_eq!(bundle.ok(&["list", "-q"]), "");
}

#[test]
fn the_whole_specification_is_followed() {
    let bundle = Bundle::new();
    std::fs::create_dir_all(bundle.path.join("rootfs/up")).unwrap();
    std::fs::write(bundle.path.join("rootfs/up/file"), "from below\n").unwrap();
    let script = "cat /up/file; stat -c %t:%T:%a:%u /dev/own; cat /proc/uptime | wc -l; id -u; id -G; umask; \
                  cat /proc/self/oom_score_adj; ls -d /proc/self/fd/5; uname -n; cat /proc/self/timens_offsets";
    bundle.configure(script, |spec| {
        spec["hostname"] = json!("by-spec");
        spec["process"]["user"] = json!({"uid": 5, "gid": 6, "additionalGids": [7, 8], "umask": 0o27});
        spec["process"]["oomScoreAdj"] = json!(321);
        let tmpfs = json!({"destination": "/up", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "mode=1777"]});
        spec["mounts"].as_array_mut().unwrap().push(tmpfs);
        spec["linux"]["devices"] = json!([{"path": "/dev/own", "type": "c", "major": 1, "minor": 7, "fileMode": 0o640, "uid": 5}]);
        spec["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "time"}));
        spec["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1000, "nanosecs": 5}});
    });
    let config = bundle.command(&["run", "--bundle", bundle.bundle(), "--preserve-fds", "3", "whole"]);
    let inherited = "exec 3</dev/null 4</dev/null 5</dev/null; exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", inherited]).arg(config.get_program()).args(config.get_args());
    let out = shell.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    let lines: Vec<&str> = text.lines().collect();
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(
        lines[..9],
        ["from below", "1:7:640:5", "1", "5", "6 7 8", "0027", "321", "/proc/self/fd/5", "by-spec"],
        "{stderr}"
    );
    let clock = text.lines().find(|line| line.starts_with("boottime")).unwrap();
    assert_eq!(clock.split_whitespace().collect::<Vec<_>>(), ["boottime", "1000", "5"]);
    for (field, value) in [("intelRdt", json!({"closID": "x"})), ("rootfsPropagation", json!("sideways"))] {
        bundle.configure("true", |spec| spec["linux"][field] = value);
        bundle.fails(&["run", "--bundle", bundle.bundle(), "refused"], field);
        bundle.configure("true", |spec| drop(spec["linux"].as_object_mut().unwrap().remove(field)));
    }
}

#[test]
fn mounts_stand_in_the_order_and_with_the_source_of_the_specification() {
    let bundle = Bundle::new();
    bundle.configure("busybox awk '{ print $5, $(NF - 1) }' /proc/self/mountinfo", |spec| {
        let more =
            json!({"destination": "/opt", "type": "tmpfs", "source": "named", "options": ["mode=755"]});
        spec["mounts"].as_array_mut().unwrap().push(more);
    });
    let text = bundle.ok(&["run", "--bundle", bundle.bundle(), "order"]);
    let spec: Value =
        serde_json::from_slice(&std::fs::read(bundle.path.join("config.json")).unwrap()).unwrap();
    let wanted = spec["mounts"].as_array().unwrap().iter().map(|m| m["destination"].as_str().unwrap());
    let seen: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    let places: Vec<_> = wanted.map(|path| seen.iter().position(|p| *p == path).expect(path)).collect();
    assert!(places.is_sorted(), "{text}");
    assert!(text.lines().any(|line| line == "/opt named"), "{text}");
}

#[test]
fn without_a_mount_namespace_nothing_is_mounted_on_the_host() {
    let bundle = Bundle::new();
    bundle.configure("ls /proc/self/status /dev/null; readlink /proc/1/ns/mnt; sleep 100", |spec| {
        spec["linux"]["namespaces"] = json!([{"type": "pid"}]);
        spec.as_object_mut().unwrap().remove("hostname");
    });
    let out = bundle.create("shared");
    bundle.ok(&["start", "shared"]);
    eventually("it runs", || std::fs::read_to_string(&out).unwrap().lines().count() >= 2);
    let state: Value = serde_json::from_str(&bundle.ok(&["state", "shared"])).unwrap();
    let namespace = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/mnt")).unwrap();
    assert_eq!(namespace(&state["pid"].to_string()), namespace("self"));
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(bundle.bundle()), "{mounts}");
    assert_eq!(
        bundle.ok(&["exec", "shared", "sh", "-c", "ls -d /bin/busybox /dev/zero"]),
        "/bin/busybox\n/dev/zero"
    );
    bundle.ok(&["delete", "--force", "shared"]);
}

#[test]
fn existing_user_and_mount_namespaces_are_joined() {
    let bundle = Bundle::new();
    let ranges = json!([{"containerID": 0, "hostID": 1_500_000_000u32, "size": 65536}]);
    bundle.configure("sleep 100", |spec| {
        spec["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        spec["linux"]["uidMappings"] = ranges.clone();
        spec["linux"]["gidMappings"] = ranges;
    });
    std::os::unix::fs::chown(&bundle.path, Some(1_500_000_000), None).unwrap();
    output("chown", &["-R", "1500000000:1500000000", bundle.path.join("rootfs").to_str().unwrap()]);
    bundle.create("first");
    bundle.ok(&["start", "first"]);
    let state: Value = serde_json::from_str(&bundle.ok(&["state", "first"])).unwrap();
    let namespace = |name: &str| format!("/proc/{}/ns/{name}", state["pid"]);
    let link = |name: &str| std::fs::read_link(namespace(name)).unwrap().display().to_string();

    let script = "busybox readlink /proc/self/ns/user; busybox readlink /proc/self/ns/net; id -u; echo x >/dev/null && echo devices";
    bundle.configure(script, |spec| {
        for kind in spec["linux"]["namespaces"].as_array_mut().unwrap() {
            match kind["type"].as_str().unwrap() {
                "user" => kind["path"] = json!(namespace("user")),
                "network" => kind["path"] = json!(namespace("net")),
                _ => {}
            }
        }
        let linux = spec["linux"].as_object_mut().unwrap();
        linux.remove("uidMappings");
        linux.remove("gidMappings");
        linux["cgroupsPath"] = json!(format!("{}/second", bundle.lay.cgroup()));
    });
    let text = bundle.ok(&["run", "--bundle", bundle.bundle(), "second"]);
    assert_eq!(text, format!("{}\n{}\n0\ndevices", link("user"), link("net")));
    bundle.ok(&["delete", "--force", "first"]);

    // Another's mount namespace is joined, and stays as it is.
    let mut sleeper = Command::new("unshare").args(["--mount", "sleep", "100"]).spawn().unwrap();
    let own = std::fs::read_link("/proc/self/ns/mnt").unwrap();
    let theirs = format!("/proc/{}/ns/mnt", sleeper.id());
    eventually("it has its own", || std::fs::read_link(&theirs).unwrap() != own);
    output("chown", &["-R", "0:0", bundle.path.join("rootfs").to_str().unwrap()]);
    bundle.configure("busybox readlink /proc/self/ns/mnt; ls -d /bin/busybox", |spec| {
        spec["linux"]["namespaces"] = json!([{"type": "pid"}, {"type": "mount", "path": theirs}]);
        spec.as_object_mut().unwrap().remove("hostname");
    });
    let mounts = || std::fs::read_to_string(format!("/proc/{}/mountinfo", sleeper.id())).unwrap();
    let before = mounts();
    let text = bundle.ok(&["run", "--bundle", bundle.bundle(), "third"]);
    assert_eq!(text, format!("{}\n/bin/busybox", std::fs::read_link(&theirs).unwrap().display()));
    assert_eq!(mounts(), before);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn priorities_are_set_and_unknown_capabilities_told() {
    let bundle = Bundle::new();
    bundle.configure("cat /proc/self/stat; busybox ionice -p $$; grep CapBnd /proc/self/status", |spec| {
        spec["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 7});
        spec["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 6});
        let set = json!(["CAP_KILL", "CAP_FLY"]);
        spec["process"]["capabilities"] = json!({"bounding": set, "permitted": set, "effective": set});
    });
    let log = bundle.lay.dir().join("log").display().to_string();
    let text = bundle.ok(&["--log", &log, "run", "--bundle", bundle.bundle(), "nice"]);
    let lines: Vec<&str> = text.lines().collect();
    let stat: Vec<&str> = lines[0].rsplit_once(')').unwrap().1.split_whitespace().collect();
    // Fields 19 (nice) and 41 (policy) of proc_pid_stat(5); SCHED_BATCH is 3.
    assert_eq!((stat[16], stat[38]), ("7", "3"), "{text}");
    assert_eq!(lines[1], "best-effort: prio 6");
    assert_eq!(lines[2], "CapBnd:\t0000000000000020");
    assert!(std::fs::read_to_string(&log).unwrap().contains("CAP_FLY is unknown"));
}

#[test]
fn a_raced_terminal_leads_nowhere_outside() {
    let bundle = Bundle::new();
    let canary = bundle.lay.dir().join("canary");
    std::fs::create_dir(&canary).unwrap();
    std::fs::write(canary.join("console"), "untouched").unwrap();
    // No tmpfs over /dev: the bundle's own directory is what is used, and raced for.
    bundle.configure("stat -c %t:%T /dev/console; echo typed >/dev/console", |spec| {
        spec["process"]["terminal"] = json!(true);
        spec["mounts"]
            .as_array_mut()
            .unwrap()
            .retain(|m| !m["destination"].as_str().unwrap().starts_with("/dev"));
    });
    let dev = bundle.path.join("rootfs/dev");
    std::fs::create_dir_all(dev.join("pts")).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for name in ["console", "pts", "ptmx"] {
                    let _ = std::fs::remove_file(dev.join(name));
                    let _ = std::os::unix::fs::symlink(canary.join("console"), dev.join(name));
                    let _ = std::fs::remove_file(dev.join(name));
                    let _ = std::fs::File::create_new(dev.join(name));
                }
            }
        });
        for _ in 0..40 {
            let _ = bundle.command(&["run", "--bundle", bundle.bundle(), "raced"]).output().unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(std::fs::read_to_string(canary.join("console")).unwrap(), "untouched");
    assert_eq!(std::fs::read_dir(&canary).unwrap().count(), 1);
    bundle.command(&["delete", "--force", "raced"]).output().unwrap();
}

/// A link by which the binary is the runtime.
fn runtime(dir: &Path) -> PathBuf {
    let link = dir.join("lay-oci");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lay"), &link).unwrap();
    link
}

/// `busybox` as an archive.
fn archive(lay: &Lay) -> String {
    lay.ok(&["pull", "-q", "busybox"]);
    let path = lay.dir().join("busybox.tar").display().to_string();
    lay.ok(&["save", "-o", &path, "busybox"]);
    path
}

#[test]
fn docker_and_containerd_drive_it() {
    let lay = Lay::new();
    let (runtime, image) = (runtime(lay.dir()).display().to_string(), archive(&lay));
    with_docker(&["--add-runtime", &format!("lay={runtime}")], |docker| {
        docker.ok(&["load", "-q", "-i", &image]);
        let run = |flags: &[&str], command: &[&str]| {
            let fixed = ["run", "--runtime", "lay", "--network", "none"];
            docker.command(&[&fixed, flags, &["busybox"], command].concat()).output().unwrap()
        };
        let out = run(&["--rm"], &["sh", "-c", "id -u; grep Seccomp: /proc/self/status; exit 3"]);
        let text = String::from_utf8_lossy(&out.stdout);
        assert_eq!((out.status.code(), text.as_ref()), (Some(3), "0\nSeccomp:\t2\n"));
        assert_eq!(run(&["--rm"], &["/none"]).status.code(), Some(127));
        let tty = run(&["--rm", "-t"], &["tty"]);
        assert_eq!(String::from_utf8_lossy(&tty.stdout).trim(), "/dev/pts/0");
        assert!(run(&["-d", "--name", "long"], &["sleep", "100"]).status.success());
        assert_eq!(docker.ok(&["exec", "-u", "alice", "long", "id", "-u"]), "1000");
        assert_eq!(docker.ok(&["exec", "-t", "long", "tty"]).trim(), "/dev/pts/0");
        docker.ok(&["pause", "long"]);
        assert!(docker.ok(&["ps", "--format", "{{.Status}}"]).contains("Paused"));
        docker.ok(&["unpause", "long"]);
        docker.ok(&["update", "--memory", "60m", "--memory-swap", "60m", "long"]);
        assert!(
            docker.ok(&["stats", "--no-stream", "--format", "{{.MemUsage}}", "long"]).ends_with("/ 60MiB")
        );
        docker.ok(&["restart", "-t", "0", "long"]);
        assert!(docker.ok(&["ps", "--format", "{{.Status}}"]).starts_with("Up"));
        docker.ok(&["rm", "-f", "long"]);

        let socket = docker.path().join("exec/containerd/containerd.sock").display().to_string();
        let ctr = |args: &[&str]| output("ctr", &[&["--address", &socket], args].concat());
        ctr(&["images", "import", &image]);
        let name = "docker.io/library/busybox:latest";
        let group = |name: &str| format!("{}/{name}", docker.cgroup());
        let (short, long) = (group("short"), group("long"));
        let run = [
            "run",
            "--rm",
            "--cgroup",
            &short,
            "--runc-binary",
            &runtime,
            name,
            "short",
            "echo",
            "by containerd",
        ];
        assert_eq!(ctr(&run), "by containerd\n");
        ctr(&["run", "-d", "--cgroup", &long, "--runc-binary", &runtime, name, "long", "sleep", "100"]);
        assert!(ctr(&["task", "exec", "--exec-id", "e", "long", "id"]).starts_with("uid=0"));
        ctr(&["task", "pause", "long"]);
        assert!(ctr(&["task", "ls"]).contains("PAUSED"));
        ctr(&["task", "resume", "long"]);
        ctr(&["task", "rm", "-f", "long"]);
        ctr(&["containers", "rm", "long"]);
    });
}

#[test]
fn podman_drives_it() {
    let lay = Lay::new();
    let (runtime, image) = (runtime(lay.dir()).display().to_string(), archive(&lay));
    let dir = |name: &str| lay.dir().join(name).display().to_string();
    let (root, state) = (dir("podman"), dir("podman-run"));
    let podman = |args: &[&str]| {
        let fixed = ["--root", &root, "--runroot", &state, "--storage-driver", "vfs", "--runtime", &runtime];
        let mut command = Command::new("podman");
        command.args(fixed).args(["--cgroup-manager", "cgroupfs"]).args(args).output().unwrap()
    };
    let ok = |args: &[&str]| {
        let out = podman(args);
        assert!(out.status.success(), "podman {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim_end().to_string()
    };
    let group = lay.cgroup();
    let flags = [
        "--ulimit",
        "nofile=1024:4096",
        "--ulimit",
        "nproc=4096:4096",
        "--network",
        "none",
        "--cgroup-parent",
        &group,
    ];
    ok(&["load", "-q", "-i", &image]);
    let run = |more: &[&'static str], command: &[&'static str]| {
        let all: Vec<&str> = [&["run"], &flags[..], more, &["busybox"], command].concat();
        podman(&all)
    };
    let out = run(&["--rm"], &["sh", "-c", "id -u; exit 4"]);
    assert_eq!(
        (out.status.code(), out.stdout.as_slice()),
        (Some(4), b"0\n".as_slice()),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert!(run(&["-d", "--name", "long"], &["sleep", "100"]).status.success());
    assert_eq!(ok(&["exec", "long", "id", "-u"]), "0");
    ok(&["pause", "long"]);
    ok(&["unpause", "long"]);
    assert!(ok(&["top", "long"]).contains("sleep 100"));
    ok(&["restart", "-t", "0", "long"]);
    ok(&["rm", "-f", "-t", "0", "long"]);
    let left = || {
        let hierarchies = std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
        let groups = hierarchies.map(|h| h.path().join(&group[1..]).join("conmon"));
        groups.filter(|path| path.is_dir() && std::fs::remove_dir(path).is_err()).count()
    };
    eventually("podman's helper has ended", || left() == 0);
    let _ = Command::new("umount").args(["-l", &root]).stderr(Stdio::null()).status();
}

#[test]
fn home_is_the_user_s() {
    let bundle = Bundle::new();
    let passwd = bundle.path.join("rootfs/etc/passwd");
    std::fs::write(&passwd, "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n").unwrap();
    bundle.configure("echo $HOME; sleep 100", |_| ());
    let out = bundle.create("home");
    bundle.ok(&["start", "home"]);
    eventually("it runs", || std::fs::read_to_string(&out).unwrap() == "/root\n");
    let home = |flags: &[&str]| bundle.ok(&[&["exec"], flags, &["home", "sh", "-c", "echo $HOME"]].concat());
    assert_eq!(home(&["-u", "1000"]), "/home/alice");
    assert_eq!(home(&["-u", "7"]), "/");
    assert_eq!(home(&["-e", "HOME=/tmp"]), "/tmp");
    std::fs::remove_file(&passwd).unwrap();
    output("mkfifo", &[passwd.to_str().unwrap()]);
    assert_eq!(home(&[]), "/", "a pipe is not waited for");
    bundle.ok(&["delete", "--force", "home"]);
}

#[test]
fn flags_mean_what_they_mean_to_runc() {
    let bundle = Bundle::new();
    let template = bundle.lay.dir().join("template");
    std::fs::create_dir(&template).unwrap();
    bundle.ok(&["spec", "--bundle", template.to_str().unwrap()]);
    let spec: Value = serde_json::from_slice(&std::fs::read(template.join("config.json")).unwrap()).unwrap();
    assert_eq!(spec["process"]["terminal"], true);
    assert!(spec["process"]["capabilities"]["inheritable"].is_null(), "{spec}");
    assert_eq!(spec["linux"]["resources"]["devices"], json!([{"allow": false, "access": "rwm"}]));
    bundle.configure("sleep 100", |_| ());
    bundle.create("flags");
    bundle.ok(&["--rootless=true", "--criu", "none", "start", "flags"]);
    assert_eq!(bundle.ok(&["exec", "-u", "5:6", "-g", "44", "-g", "45", "flags", "id", "-G"]), "6 44 45");
    let caps = bundle.ok(&["exec", "--cap", "CAP_NET_ADMIN", "flags", "grep", "CapEff", "/proc/self/status"]);
    assert_eq!(caps, "CapEff:\t0000000020001420", "one more than the container's");
    assert_eq!(bundle.command(&["exec", "flags", "none"]).status().unwrap().code(), Some(255));
    bundle.ok(&["kill", "flags", "0"]);
    bundle.ok(&["update", "--memory", "50m", "flags"]);
    let stats: Value = serde_json::from_str(&bundle.ok(&["events", "--stats", "flags"])).unwrap();
    assert_eq!(stats["data"]["memory"]["usage"]["limit"], 50 << 20);
    bundle.ok(&["pause", "flags"]);
    bundle.fails(&["exec", "flags", "true"], "it is paused");
    let waiting = bundle.command(&["exec", "--ignore-paused", "flags", "echo", "later"]).spawn().unwrap();
    bundle.ok(&["resume", "flags"]);
    assert_eq!(waiting.wait_with_output().unwrap().stdout, b"later\n");
    bundle.ok(&["delete", "--force", "flags"]);
    bundle.fails(&["kill", "flags", "0"], "container does not exist");
    bundle.configure("true", |spec| {
        let atime =
            json!({"destination": "/opt", "type": "bind", "source": "/tmp", "options": ["bind", "atime"]});
        spec["mounts"].as_array_mut().unwrap().push(atime);
    });
    bundle.ok(&["run", "--no-subreaper", "--bundle", bundle.bundle(), "flags"]);
}
