//! Which system calls a container may use.

use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};

use crate::support::{Lay, output};

const EPERM: i32 = 1;
const ENOSYS: i32 = 38;

/// The program that asks a filter, as a volume.
struct Probe(tempfile::TempDir);

impl Probe {
    fn new() -> Probe {
        let dir = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/seccomp/probe.c");
        let target = dir.path().join("probe");
        output(
            "cc",
            &["-O1", "-static", "-pthread", "-o", target.to_str().unwrap(), source.to_str().unwrap()],
        );
        Probe(dir)
    }

    fn run(&self, lay: &Lay, flags: &[&str], args: &[&str]) -> String {
        let volume = format!("{}:/probe:ro", self.0.path().join("probe").display());
        let fixed = ["run", "--rm", "--network", "none", "-v", &volume];
        lay.ok(&[&fixed, flags, &["busybox", "/probe"], args].concat())
    }

    /// The errno that each refused call gives.
    fn refused(&self, lay: &Lay, flags: &[&str]) -> BTreeMap<u32, i32> {
        table(&self.run(lay, flags, &["0", "470"]))
    }

    /// The errno of one call, 0 where it is allowed.
    fn ask(&self, lay: &Lay, flags: &[&str], call: &[&str]) -> i32 {
        self.run(lay, flags, &[&["-a"], call].concat()).parse().unwrap()
    }
}

fn table(text: &str) -> BTreeMap<u32, i32> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once(' ').unwrap());
    pairs.map(|(number, errno)| (number.parse().unwrap(), errno.parse().unwrap())).collect()
}

/// Writes a profile into a directory.
fn write(dir: &tempfile::TempDir, profile: &Value) -> String {
    let path: PathBuf = dir.path().join("profile.json");
    std::fs::write(&path, profile.to_string()).unwrap();
    format!("seccomp={}", path.display())
}

#[test]
#[cfg(target_arch = "x86_64")]
fn what_docker_refuses_is_refused() {
    let (lay, probe) = (Lay::new(), Probe::new());
    let ours = probe.refused(&lay, &[]);
    let docker = table(include_str!("docker-20.10.24.txt"));
    let allowed: Vec<_> = docker.iter().filter(|(number, _)| !ours.contains_key(number)).collect();
    assert_eq!(allowed, [], "Docker refuses these");
    let errors: Vec<_> = docker.iter().filter(|(number, errno)| ours[number] != **errno).collect();
    assert_eq!(errors, [], "Docker gives these errors");
    // io_uring_setup, io_uring_enter, io_uring_register, which Docker 25 refuses too.
    let more: Vec<u32> = ours.keys().filter(|number| !docker.contains_key(number)).copied().collect();
    assert_eq!(more, [425, 426, 427]);
    // Calls that no kernel has yet.
    assert_eq!(probe.ask(&lay, &[], &["2000"]), ENOSYS);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn arguments_and_capabilities_matter() {
    let (lay, probe) = (Lay::new(), Probe::new());
    let ask = |flags: &[&str], call: &str| probe.ask(&lay, flags, &call.split(' ').collect::<Vec<_>>());
    // clone with CLONE_NEWUSER, CLONE_NEWNET, SIGCHLD alone; clone3.
    assert_eq!(ask(&[], "56 0x10000011"), EPERM);
    assert_eq!(ask(&[], "56 0x40000000"), EPERM);
    assert_eq!(ask(&[], "56 0x11"), 0);
    assert_eq!(ask(&[], "435"), ENOSYS);
    // socket of AF_INET, AF_NETLINK, AF_ALG, AF_VSOCK, and AF_VSOCK with bits that the kernel drops.
    let families = [("2", 0), ("16", 0), ("38", EPERM), ("40", EPERM), ("0x100000028", EPERM)];
    for (family, errno) in families {
        assert_eq!(ask(&[], &format!("41 {family}")), errno, "{family}");
    }
    // personality of PER_LINUX32, ADDR_NO_RANDOMIZE, and the question.
    assert_eq!([ask(&[], "135 8"), ask(&[], "135 0x40000"), ask(&[], "135 0xffffffff")], [0, EPERM, 0]);
    // mount, unshare, setns, clone3, keyctl, chroot, process_vm_readv.
    let admin = &["--cap-add", "SYS_ADMIN"];
    for call in ["165", "272", "308", "435", "56 0x10000000"] {
        assert_eq!(ask(admin, call), 0, "{call}");
    }
    assert_eq!(ask(admin, "250"), EPERM);
    assert_eq!(ask(&["--cap-drop", "SYS_CHROOT"], "161"), EPERM);
    assert_eq!((ask(&[], "310"), ask(&["--cap-add", "SYS_PTRACE"], "310")), (EPERM, 0));
    let unconfined = probe.refused(&lay, &["--security-opt", "seccomp=unconfined"]);
    assert_eq!(unconfined, BTreeMap::new());
}

#[test]
fn namespaces_and_mounts_of_their_own_need_an_unconfined_container() {
    let lay = Lay::new();
    let script = "busybox unshare -r -m mount -t tmpfs none /tmp && echo mounted";
    let run = |flags: &[&str]| {
        let fixed = ["run", "--rm", "--network", "none"];
        lay.run(&[&fixed, flags, &["busybox", "sh", "-c", script]].concat())
    };
    run(&[]).fails(1, "unshare").fails(1, "Operation not permitted");
    assert_eq!(run(&["--security-opt", "seccomp=unconfined"]).expect(0).stdout, "mounted\n");
}

#[test]
fn every_process_is_filtered() {
    let lay = Lay::new();
    let status =
        "grep -hE '^(Seccomp|NoNewPrivs|CapPrm):' /proc/self/status /proc/1/status | tr -s '\\n\\t' '  '";
    let run = |flags: &[&str]| lay.sh(&[&["--network", "none"], flags].concat(), "busybox", status);
    let of = |capabilities: &str, new: u8, mode: u8| {
        format!("CapPrm: {capabilities} NoNewPrivs: {new} Seccomp: {mode}")
    };
    let (root, none) = ("00000000a80425fb", "0000000000000000");
    let twice = |one: String| format!("{one} {one}");
    assert_eq!(run(&[]), twice(of(root, 0, 2)));
    assert_eq!(run(&["-u", "alice"]), twice(of(none, 0, 2)), "nothing of what installed the filter is left");
    assert_eq!(run(&["--userns", "host"]), twice(of(root, 0, 2)));
    assert_eq!(run(&["--cap-drop", "ALL"]), twice(of(none, 0, 2)));
    let no_new = ["--security-opt", "no-new-privileges"];
    assert_eq!(run(&no_new), twice(of(root, 1, 2)));
    assert_eq!(run(&[&no_new[..], &["-u", "alice"]].concat()), twice(of(none, 1, 2)));
    assert_eq!(run(&["--security-opt", "seccomp=unconfined"]), twice(of(root, 0, 0)));
    assert!(run(&["--init"]).ends_with("Seccomp: 2"), "process 1 as well");
    lay.ok(&["run", "-d", "--name", "c1", "--network", "none", "busybox", "sleep", "50"]);
    for flags in [&["exec"][..], &["exec", "-u", "alice"], &["exec", "--privileged"]] {
        let text = lay.ok(&[flags, &["c1", "grep", "Seccomp:", "/proc/self/status"]].concat());
        assert_eq!(text, "Seccomp:\t2", "{flags:?}");
    }
    assert_eq!(
        lay.ok(&["exec", "-u", "alice", "c1", "grep", "CapPrm", "/proc/self/status"]),
        format!("CapPrm:\t{none}")
    );
}

#[test]
fn profiles_are_docker_s() {
    let (lay, dir) = (Lay::new(), tempfile::tempdir().unwrap());
    let mut profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5, "comment": "no directories",
             "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["rmdir", "unlinkat"], "action": "SCMP_ACT_KILL_PROCESS", "includes": {"minKernel": "4.8"}},
            {"names": ["chmod", "fchmodat"], "action": "SCMP_ACT_ERRNO", "includes": {"minKernel": "99.0"}},
        ],
    });
    let option = write(&dir, &profile);
    let flags = ["run", "--rm", "--network", "none", "--security-opt", &option];
    let sh =
        |more: &[&str], script: &str| lay.run(&[&flags, more, &["busybox", "sh", "-c", script]].concat());
    sh(&[], "mkdir /tmp/x").fails(1, "Input/output error");
    sh(&["--cap-add", "SYS_ADMIN"], "mkdir /tmp/x && chmod 700 /tmp/x").expect(0);
    sh(&["--cap-add", "SYS_ADMIN"], "mkdir /tmp/x; rmdir /tmp/x; echo $?").fails(0, "Bad system call");
    lay.ok(&[
        "run",
        "-d",
        "--name",
        "c1",
        "--network",
        "none",
        "--security-opt",
        &option,
        "busybox",
        "sleep",
        "50",
    ]);
    // The profile was read when the container was made.
    std::fs::remove_file(dir.path().join("profile.json")).unwrap();
    lay.run(&["exec", "c1", "mkdir", "/tmp/x"]).fails(1, "Input/output error");
    profile["syscalls"][0]["excludes"]["caps"] = json!(["CAP_FLY"]);
    let option = write(&dir, &profile);
    lay.run(&["run", "--rm", "--security-opt", &option, "busybox", "true"]).fails(125, "CAP_FLY");
    lay.run(&["run", "--rm", "--security-opt", "seccomp=/nowhere", "busybox", "true"]).fails(125, "/nowhere");
    profile["syscalls"][0] = json!({"names": ["read"], "action": "SCMP_ACT_NOTIFY"});
    let option = write(&dir, &profile);
    lay.run(&["run", "--rm", "--security-opt", &option, "busybox", "true"]).fails(125, "listenerPath");
    lay.run(&["rm", "-f", "c1"]).expect(0);
    lay.assert_clean();
}

/// From the filter on, the container's start makes no call but `execve(2)`.
#[test]
fn a_profile_may_refuse_what_a_start_needs() {
    let (lay, dir) = (Lay::new(), tempfile::tempdir().unwrap());
    let used = [
        "setgroups",
        "setresuid",
        "setresgid",
        "capset",
        "capget",
        "chdir",
        "getcwd",
        "close",
        "close_range",
        "sendmsg",
        "recvmsg",
        "setsid",
        "clone3",
        "fchmod",
    ];
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": used, "action": "SCMP_ACT_KILL_PROCESS"}]});
    let option = write(&dir, &profile);
    for more in [&[][..], &["-u", "alice"], &["--security-opt", "no-new-privileges"], &["--init"]] {
        let fixed = ["run", "--rm", "--network", "none", "--security-opt", &option];
        lay.run(&[&fixed, more, &["busybox", "/bin/busybox", "echo", "started"]].concat()).expect(0);
    }
}

#[test]
fn a_listener_is_handed_to_its_agent() {
    let (lay, dir) = (Lay::new(), tempfile::tempdir().unwrap());
    let path = dir.path().join("agent");
    let agent = UnixListener::bind(&path).unwrap();
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": path, "listenerMetadata": "meta",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]});
    let option = write(&dir, &profile);
    let flags = ["--network", "none", "--security-opt", &option];
    let hear = std::thread::spawn(move || [receive(&agent), receive(&agent)]);
    // The agent closes the listener; the kernel then answers ENOSYS.
    let run = [&["run", "-d", "--name", "c1"], &flags[..], &["busybox", "sleep", "50"]].concat();
    let id = lay.ok(&run);
    lay.run(&["exec", "c1", "mkdir", "/tmp/x"]).fails(1, "Function not implemented");
    let [first, second] = hear.join().unwrap();
    let pid: Value = lay.ok(&["inspect", "-f", "{{.State.Pid}}", "c1"]).parse().unwrap();
    for (state, status) in [(&first, "creating"), (&second, "running")] {
        assert_eq!(state["fds"], json!(["seccompFd"]));
        assert_eq!(state["metadata"], "meta");
        assert_eq!(state["state"]["id"], id);
        assert_eq!(state["state"]["status"], status);
        assert_eq!(state["state"]["pid"], pid);
    }
    assert_eq!(first["pid"], pid);
    assert_ne!(second["pid"], pid);
    drop(dir);
    lay.run(&[&["run", "--rm"], &flags[..], &["busybox", "true"]].concat()).fails(125, "profile");
}

/// A container process state; the descriptor beside it must be a listener, and is closed.
fn receive(agent: &UnixListener) -> Value {
    let (stream, _) = agent.accept().unwrap();
    let mut data = vec![0; 16 * 1024];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message =
        recvmsg(&stream, &mut [IoSliceMut::new(&mut data)], &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    let fds: Vec<_> = rights.flatten().collect();
    assert_eq!(fds.len(), 1);
    let number = std::os::fd::AsRawFd::as_raw_fd(&fds[0]);
    let kind = std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
    assert_eq!(kind, Path::new("anon_inode:seccomp notify"));
    serde_json::from_slice(&data[..message.bytes]).unwrap()
}
