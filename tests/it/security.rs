//! Known attacks on container engines, each tried on the real binary (see `docs/security.md`).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::image::{Builder, Entry, layer};
use crate::support::{Lay, Registry};

/// Files of the host that nothing may touch.
pub struct Canary(tempfile::TempDir);

impl Canary {
    pub fn new() -> Canary {
        let dir = tempfile::Builder::new().prefix("lay-canary-").tempdir().unwrap();
        for name in ["passwd", "shadow", "dir/file"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        Canary(dir)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    #[track_caller]
    pub fn is_untouched(&self) {
        let mut names: Vec<PathBuf> =
            std::fs::read_dir(self.path()).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        let expected = ["dir", "passwd", "shadow"].map(|name| self.path().join(name));
        assert_eq!(names, expected);
        assert_eq!(std::fs::read_dir(self.path().join("dir")).unwrap().count(), 1);
        for name in ["passwd", "shadow", "dir/file"] {
            assert_eq!(std::fs::read_to_string(self.path().join(name)).unwrap(), name);
        }
    }
}

/// An image of busybox with more entries.
fn image(name: &str, entries: &[Entry<'_>], config: &[(&str, serde_json::Value)]) -> String {
    let builder = Builder::busybox().layer(layer(entries));
    let builder = config.iter().fold(builder, |builder, (field, value)| builder.with(field, value.clone()));
    Registry::shared().push(&format!("library/{name}:latest"), &builder);
    name.to_string()
}

fn hash(path: &str) -> Vec<u8> {
    Sha256::digest(std::fs::read(path).unwrap()).to_vec()
}

#[test]
fn the_host_s_binary_is_not_reached_through_proc() {
    let binary = env!("CARGO_BIN_EXE_lay");
    let before = hash(binary);
    let script: &[u8] = b"#!/proc/self/exe\n";
    let name = image(
        "self-exe",
        &[Entry::File("bin/script", script, 0o755), Entry::Link("bin/link", "/proc/self/exe")],
        &[],
    );
    let lay = Lay::new();
    for userns in ["auto", "host"] {
        let run = ["run", "--rm", "--userns", userns, "--network", "none"];
        for command in ["/proc/self/exe", "/bin/script", "/bin/link"] {
            lay.run(&[&run[..], &[&name, command, "--version"]].concat()).fails(126, "Permission denied");
        }
        lay.ok(&[
            "run",
            "-d",
            "--name",
            "target",
            "--userns",
            userns,
            "--network",
            "none",
            &name,
            "sleep",
            "60",
        ]);
        for command in ["/proc/self/exe", "/bin/script", "/bin/link"] {
            lay.run(&["exec", "target", command, "--version"]).fails(126, "Permission denied");
        }
        // Writing to what others execute while they come in.
        let write = "for i in 1 2 3 4 5 6 7 8; do for exe in /proc/[0-9]*/exe; do (echo x > $exe) 2>/dev/null; done; done; true";
        lay.ok(&["exec", "target", "sh", "-c", write]);
        lay.ok(&["rm", "-f", "target"]);
    }
    assert_eq!(hash(binary), before);
}

#[test]
fn proc_and_sys_are_the_kernel_s() {
    let canary = Canary::new();
    let target = canary.path().to_str().unwrap();
    let lay = Lay::new();
    for (name, link) in [("proc-link", "proc"), ("sys-link", "sys")] {
        let name = image(name, &[Entry::Link(link, target)], &[]);
        lay.run(&["run", "--rm", "--network", "none", &name, "true"]).fails(125, &format!("/{link}"));
    }
    for target in ["/proc", "/proc/sys", "/proc/self"] {
        lay.run(&["run", "--rm", "-v", &format!("/tmp:{target}"), "busybox", "true"]).fails(125, "/proc");
        lay.run(&["run", "--rm", "--tmpfs", target, "busybox", "true"]).fails(125, "/proc");
    }
    let masked = "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c; ls /sys/firmware | wc -l; \
                  echo 1 > /proc/sys/kernel/domainname; echo 1 > /proc/sys/kernel/panic";
    let out = lay.run(&["run", "--rm", "--network", "none", "busybox", "sh", "-c", masked]);
    assert_eq!(out.stdout, "0\n0\n", "{}", out.stderr);
    assert_eq!(out.stderr.matches("Read-only file system").count(), 2, "{}", out.stderr);
    canary.is_untouched();
}

#[test]
fn devices_of_the_image_do_not_count() {
    let canary = Canary::new();
    let passwd = canary.path().join("passwd").display().to_string();
    let entries =
        [Entry::Directory("dev"), Entry::Link("dev/null", &passwd), Entry::Link("dev/console", &passwd)];
    let name = image("dev-null", &entries, &[]);
    let lay = Lay::new();
    for flags in [&["--network", "none"][..], &["--network", "none", "-t"]] {
        let script =
            "echo x > /dev/null; cat /proc/keys /proc/kcore 2>/dev/null | wc -c; stat -c %t:%T /dev/null";
        let text = lay.ok(&[&["run", "--rm"], flags, &[&name, "sh", "-c", script]].concat());
        assert!(text.replace('\r', "").ends_with("0\n1:3"), "{text}");
    }
    let name = image("dev-link", &[Entry::Link("dev", canary.path().to_str().unwrap())], &[]);
    // Inside, the link leads nowhere outside, whether it starts or not.
    lay.run(&["run", "--rm", "--network", "none", &name, "true"]);
    canary.is_untouched();
}

#[test]
fn no_capability_is_inherited() {
    let lay = Lay::new();
    lay.ok(&["run", "-d", "--name", "target", "--network", "none", "busybox", "sleep", "60"]);
    let script = "grep -E 'Cap(Inh|Amb)' /proc/self/status";
    let none = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000";
    assert_eq!(lay.sh(&["--network", "none"], "busybox", script), none);
    assert_eq!(lay.ok(&["exec", "target", "sh", "-c", script]), none);
    assert_eq!(lay.ok(&["exec", "-u", "1", "target", "sh", "-c", "id -u"]), "1");
}

#[test]
fn no_working_directory_is_a_descriptor_of_the_host() {
    let lay = Lay::new();
    // No pipes here: while a shell makes one, it holds its ends itself. Nor may ls be the last command, which replaces it.
    assert_eq!(lay.sh(&["--network", "none"], "busybox", "ls /proc/$$/fd; :"), "0\n1\n2");
    for fd in 3..24 {
        let dir = format!("/proc/self/fd/{fd}");
        let out = lay.run(&["run", "--rm", "--network", "none", "-w", &dir, "busybox", "pwd"]);
        assert_ne!(out.code, 0, "{dir}: {}", out.stdout);
    }
}

#[test]
fn control_groups_are_read_only() {
    let script = "find /sys/fs/cgroup -name cgroup.procs | head -1 | while read f; do echo 0 > $f; done; mkdir /sys/fs/cgroup/x";
    let lay = Lay::new();
    let out = lay.run(&["run", "--rm", "--network", "none", "busybox", "busybox", "sh", "-c", script]);
    assert_eq!(out.stderr.matches("Read-only file system").count(), 2, "{}", out.stderr);
}

#[test]
fn user_numbers_do_not_wrap_around() {
    let lay = Lay::new();
    for user in ["2147483648", "4294967295", "4294967296", "4294967297", "0:4294967296", "-1"] {
        let out = lay.run(&["run", "--rm", "--network", "none", "--user", user, "busybox", "id", "-u"]);
        assert_eq!((out.code, out.stdout.as_str()), (125, ""), "{user}: {}", out.stderr);
    }
}

#[test]
fn hostile_user_files_cost_nothing() {
    let huge = vec![b'x'; 80 << 20];
    let name = image("huge-group", &[Entry::File("etc/group", &huge, 0o644)], &[]);
    let lay = Lay::new();
    let started = Instant::now();
    let mut run = lay.command(&["run", "--rm", "--network", "none", "--user", "alice:video", &name, "id"]);
    let mut child =
        run.stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        most = most.max(line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0));
    }
    assert!(most < 64 << 10, "{most} kB");
    assert!(started.elapsed() < Duration::from_secs(20));
    let fifo = tempfile::tempdir().unwrap();
    let path = fifo.path().join("fifo");
    crate::support::output("mkfifo", &[path.to_str().unwrap()]);
    let name = image("fifo-passwd", &[Entry::Link("etc/passwd", path.to_str().unwrap())], &[]);
    lay.ok(&["pull", "-q", &name]);
    let started = Instant::now();
    lay.run(&["run", "--rm", "--network", "none", "--user", "alice", &name, "id"]).expect(125);
    assert!(started.elapsed() < Duration::from_secs(2), "a pipe of the host is not waited for");
}

#[test]
fn volumes_of_an_image_stay_inside() {
    let canary = Canary::new();
    let volume = format!("/../../../../..{}", canary.path().display());
    let name = image("volume", &[], &[("Volumes", json!({ volume: {}, "/../../etc": {} }))]);
    let lay = Lay::new();
    lay.run(&["run", "--rm", "--network", "none", &name, "true"]);
    canary.is_untouched();
}

#[test]
fn the_store_is_closed_to_others() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let meta = std::fs::metadata(lay.root()).unwrap();
    assert_eq!((meta.mode() & 0o777, meta.uid()), (0o700, 0));
    std::fs::set_permissions(lay.dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let script =
        format!("exec setpriv --reuid 65534 --regid 65534 --clear-groups ls {}", lay.root().display());
    let out = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("Permission denied"));
}

#[test]
fn sockets_and_advertisements_stay_outside() {
    let name = format!("lay-test-{}", std::process::id());
    let address =
        <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&name)
            .unwrap();
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    assert!(std::fs::read_to_string("/proc/net/unix").unwrap().contains(&name));
    let lay = Lay::new();
    let script = "grep -c @ /proc/net/unix; for f in /proc/sys/net/ipv6/conf/eth*/accept_ra; do cat $f; done";
    assert_eq!(lay.sh(&[], "busybox", script), "0\n0");
}

#[test]
fn a_mount_point_that_is_swapped_leads_nowhere_else() {
    let canary = Canary::new();
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let shared = lay.dir().join("shared");
    std::fs::create_dir_all(shared.join("real")).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (link, target) = (shared.join("point"), canary.path().join("dir"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = std::fs::remove_file(&link);
                let _ = std::os::unix::fs::symlink(&target, &link);
                let _ = std::fs::remove_file(&link);
                let _ = std::fs::create_dir(&link);
                let _ = std::fs::remove_dir(&link);
            }
        });
        let volume = format!("{}:/shared", shared.display());
        let rounds = std::env::var("LAY_TEST_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
        for _ in 0..rounds {
            // Whether it starts depends on the moment; what is mounted where must not.
            lay.run(&[
                "run",
                "--rm",
                "--network",
                "none",
                "-v",
                &volume,
                "--tmpfs",
                "/shared/point",
                "busybox",
                "sh",
                "-c",
                "echo x > /shared/point/new",
            ]);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    canary.is_untouched();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(canary.path().to_str().unwrap()));
}

/// A server that answers each request, given its head, with what a function says; it runs as long as this process.
fn server(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut head) = (stream.unwrap(), Vec::new());
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            let _ = stream.write_all(&answer(&String::from_utf8_lossy(&head)));
        }
    });
    address.to_string()
}

fn unauthorized(challenge: &str) -> Vec<u8> {
    format!("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .into_bytes()
}

/// What the suite's registry answers to a request.
fn of_registry(head: &str) -> Vec<u8> {
    use std::io::{Read, Write};
    let (line, rest) = head.split_once("\r\n").unwrap();
    let accepted: String = rest
        .lines()
        .filter(|l| l.to_ascii_lowercase().starts_with("accept:"))
        .map(|l| format!("{l}\r\n"))
        .collect();
    let mut stream = std::net::TcpStream::connect(&Registry::shared().address).unwrap();
    let line = line.replace("HTTP/1.1", "HTTP/1.0");
    write!(stream, "{line}\r\nHost: registry\r\n{accepted}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn credentials_stay_with_their_registry() {
    use std::sync::{Arc, Mutex};
    for challenge in ["Basic realm=\"other\"", "Bearer realm=\"http://OTHER/token\",service=\"other\""] {
        let lay = Lay::new();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (record, challenge) = (Arc::clone(&seen), challenge.to_string());
        let own: Arc<Mutex<String>> = Arc::default();
        let address = Arc::clone(&own);
        let other = server(move |head| {
            record.lock().unwrap().push(head.to_ascii_lowercase());
            unauthorized(&challenge.replace("OTHER", &address.lock().unwrap()))
        });
        own.lock().unwrap().clone_from(&other);
        let elsewhere = other.clone();
        // The registry wants a password, and sends everybody elsewhere for its blobs.
        let registry = server(move |head| {
            if !head.to_ascii_lowercase().contains("authorization: basic dxnlcjpzzwnyzxq=") {
                return unauthorized("Basic realm=\"registry\"");
            }
            match head.split(' ').nth(1) {
                Some(path) if path.contains("/blobs/") => {
                    format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{elsewhere}{path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
                }
                _ => of_registry(head),
            }
        });
        lay.ok(&["login", "-u", "user", "-p", "secret", &registry]);
        let out = lay.run(&["pull", "-q", &format!("{registry}/library/busybox")]);
        assert_ne!(out.code, 0);
        let heads = seen.lock().unwrap();
        assert!(!heads.is_empty(), "it was sent there: {}", out.stderr);
        assert!(heads.iter().all(|head| !head.contains("authorization:")), "{heads:?}");
    }
}

#[test]
fn nothing_of_an_image_runs_on_the_host() {
    let canary = Canary::new();
    let poison = format!("#!/bin/sh\necho poisoned > {}/passwd\n", canary.path().display());
    let tools = [
        "bin/tar",
        "bin/gzip",
        "bin/unpigz",
        "usr/bin/newuidmap",
        "usr/bin/getent",
        "sbin/ldconfig",
        "bin/mount",
    ];
    let libraries = [
        "lib/libnss_files.so.2",
        "lib/x86_64-linux-gnu/libnss_files.so.2",
        "etc/ld.so.preload",
        "etc/nsswitch.conf",
    ];
    let files: Vec<_> =
        tools.iter().chain(&libraries).map(|path| Entry::File(path, poison.as_bytes(), 0o755)).collect();
    let name = image("poisoned", &files, &[]);
    let lay = Lay::new();
    lay.ok(&["run", "-d", "--name", "victim", "--network", "none", &name, "sleep", "100"]);
    lay.ok(&["exec", "-u", "alice", "victim", "id"]);
    let path = lay.dir().join("out.tar").display().to_string();
    lay.ok(&["export", "-o", &path, "victim"]);
    lay.ok(&["diff", "victim"]);
    lay.ok(&["commit", "victim", "taken"]);
    lay.ok(&["save", "-o", &path, "taken"]);
    lay.ok(&["load", "-i", &path]);
    lay.ok(&["stats", "--no-stream", "victim"]);
    lay.ok(&["rm", "-f", "victim"]);
    canary.is_untouched();
}
