//! `lay` as an ordinary user: one of the test's own, who exists in a mount namespace alone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{Registry, eventually};

/// A user with a home, and perhaps with ranges of ids.
struct User {
    dir: tempfile::TempDir,
    id: u32,
}

struct Out {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Puts files over those of `/etc`, and becomes the user.
const AS_USER: &str = "dir=$1 id=$2; shift 2
for file in passwd group subuid subgid; do mount --bind \"$dir/etc/$file\" /etc/$file; done
exec setpriv --reuid \"$id\" --regid \"$id\" --clear-groups \
    env -i HOME=\"$dir/home\" LAY_CONFIG=\"$dir/config.toml\" PATH=/usr/bin:/bin:/usr/sbin:/sbin \"$@\"";

impl User {
    fn new(has_ranges: bool) -> User {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = 58_000 + std::process::id() % 450 * 16 + NEXT.fetch_add(1, Ordering::Relaxed) % 16;
        let dir = tempfile::Builder::new().prefix("lay-user-").tempdir().unwrap();
        let user = User { dir, id };
        std::fs::create_dir(user.path("etc")).unwrap();
        std::fs::create_dir(user.path("home")).unwrap();
        std::os::unix::fs::chown(user.path("home"), Some(id), Some(id)).unwrap();
        std::fs::set_permissions(user.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let with = |file: &str, line: &str| {
            let mut text = std::fs::read_to_string(Path::new("/etc").join(file)).unwrap_or_default();
            text.push_str(line);
            std::fs::write(user.path("etc").join(file), text).unwrap();
            // What is mounted over has to be there.
            std::fs::File::options().append(true).create(true).open(Path::new("/etc").join(file)).unwrap();
        };
        with("passwd", &format!("laytest:x:{id}:{id}::{}:/bin/sh\n", user.path("home").display()));
        with("group", &format!("laytest:x:{id}:\n"));
        for file in ["subuid", "subgid"] {
            with(file, &if has_ranges { format!("laytest:{}:65536\n", user.first()) } else { String::new() });
        }
        let mirror =
            format!("[registry.\"docker.io\"]\nmirrors = [\"http://{}\"]\n", Registry::shared().address);
        std::fs::write(user.path("config.toml"), mirror).unwrap();
        // The build directory may be closed to others.
        std::fs::copy(env!("CARGO_BIN_EXE_lay"), user.path("lay")).unwrap();
        user
    }

    /// First id of its ranges.
    fn first(&self) -> u32 {
        0x2000_0000 + (self.id - 58_000) * 0x1_0000
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Out {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-ec", AS_USER, "sh"]);
        command.arg(self.dir.path()).arg(self.id.to_string()).arg(self.path("lay")).args(args);
        let out = command.current_dir(self.path("home")).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_string();
        Out { code: out.status.code(), stdout: text(&out.stdout), stderr: text(&out.stderr) }
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert_eq!(out.code, Some(0), "{args:?}: {}{}", out.stdout, out.stderr);
        out.stdout
    }

    #[track_caller]
    fn sh(&self, flags: &[&str], script: &str) -> String {
        self.ok(&[&["run", "--rm"], flags, &["busybox", "sh", "-c", script]].concat())
    }

    /// Nothing of the user's runs, and no file of a container is left.
    fn assert_clean(&self) {
        eventually("all processes have ended", || processes_of(self.id..self.id + 1) == 0);
        assert_eq!(processes_of(self.first()..self.first() + 65_536), 0);
        let containers = self.path("home/.local/share/lay/containers");
        let left = std::fs::read_dir(containers).unwrap().flatten().filter(|e| e.file_name().len() == 64);
        assert_eq!(left.count(), 0);
    }
}

fn processes_of(ids: std::ops::Range<u32>) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let owners = processes.filter(|e| e.file_name().to_string_lossy().parse::<u32>().is_ok());
    owners.filter(|e| e.metadata().is_ok_and(|meta| ids.contains(&meta.uid()))).count()
}

#[test]
fn an_ordinary_user_pulls_runs_and_removes() {
    let user = User::new(true);
    user.ok(&["pull", "-q", "busybox"]);
    let maps = user.sh(&["--network", "none"], "id -u; cat /proc/self/uid_map");
    let fields: Vec<&str> = maps.split_whitespace().collect();
    let (id, first) = (user.id.to_string(), user.first().to_string());
    assert_eq!(fields, ["0", "0", &id, "1", "1", &first, "65536"]);
    let info = user.ok(&["info", "--format", "{{.Rootless}} {{.LayerForm}}"]);
    assert_eq!(info, "true directory");

    std::fs::create_dir(user.path("home/shared")).unwrap();
    std::os::unix::fs::chown(user.path("home/shared"), Some(user.id), Some(user.id)).unwrap();
    let bind = format!("{}:/mnt", user.path("home/shared").display());
    user.sh(
        &["--network", "none", "-v", &bind],
        "echo own > /mnt/own; touch /mnt/other; busybox chown 5:6 /mnt/other",
    );
    let owner = |name: &str| std::fs::metadata(user.path("home/shared").join(name)).unwrap().uid();
    assert_eq!((owner("own"), owner("other")), (user.id, user.first() + 4));

    let devices =
        "echo x > /dev/null && head -c 3 /dev/zero | wc -c; mknod /tmp/mem c 1 1 2>/dev/null || echo none";
    assert_eq!(user.sh(&["--network", "none"], devices), "3\nnone");
    assert_eq!(
        user.run(&["run", "--rm", "--network", "none", "busybox", "sh", "-c", "exit 7"]).code,
        Some(7)
    );
    assert_eq!(user.run(&["run", "--rm", "--network", "none", "busybox", "/none"]).code, Some(127));
    let limited = user.run(&["run", "--rm", "--network", "none", "-m", "64m", "busybox", "true"]);
    let delegated = limited.stderr.is_empty();
    assert!(delegated || limited.stderr.contains("limits are not applied"), "{}", limited.stderr);
    let auto = user.run(&["run", "--rm", "--userns", "auto", "busybox", "true"]);
    assert!(auto.code == Some(125) && auto.stderr.contains("needs root"), "{}", auto.stderr);
    user.assert_clean();
}

#[test]
fn a_user_s_containers_live_and_change_as_root_s_do() {
    let user = User::new(true);
    user.ok(&["pull", "-q", "busybox"]);
    // Its processes have an id that the user cannot signal from inside of another namespace.
    user.ok(&["run", "-d", "--name", "other", "--network", "none", "-u", "99", "busybox", "sleep", "1000"]);
    assert_eq!(user.ok(&["ps", "--format", "{{.Names}}"]), "other");
    assert_eq!(user.ok(&["exec", "other", "id", "-u"]), "99");
    assert_eq!(user.ok(&["exec", "-u", "alice", "other", "id", "-u"]), "1000");
    assert_eq!(user.ok(&["exec", "-u", "0", "other", "sh", "-c", "echo deep > /root-s; id -u"]), "0");
    user.ok(&["stop", "-t", "0", "other"]);
    assert_eq!(user.ok(&["wait", "other"]), "137");
    let changes = user.ok(&["diff", "other"]);
    assert!(changes.contains("A /root-s"), "{changes}");
    user.ok(&["commit", "other", "made"]);
    assert_eq!(user.ok(&["run", "--rm", "--network", "none", "made", "cat", "/root-s"]), "deep");
    user.ok(&["save", "-o", "made.tar", "made"]);
    user.ok(&["rmi", "made"]);
    user.ok(&["load", "-i", "made.tar"]);
    assert_eq!(user.ok(&["run", "--rm", "--network", "none", "made", "stat", "-c", "%u", "/root-s"]), "0");
    user.ok(&["rm", "other"]);
    user.ok(&["run", "-d", "--name", "forced", "--network", "none", "-u", "99", "busybox", "sleep", "1000"]);
    user.ok(&["rm", "-f", "forced"]);
    user.ok(&["rmi", "made", "busybox"]);
    assert_eq!(user.ok(&["images", "-q"]), "");
    assert!(user.ok(&["check"]).ends_with("no problems"));
    user.assert_clean();
}

#[test]
fn a_user_s_containers_share_namespaces() {
    let user = User::new(true);
    user.ok(&["pull", "-q", "busybox"]);
    for name in ["one", "two"] {
        user.ok(&["run", "-d", "--name", name, "--network", "none", "busybox", "sleep", "1000"]);
    }
    let run = |flags: &[&str], script: &str| {
        user.ok(&[&["run", "--rm", "--network", "none"], flags, &["busybox", "sh", "-c", script]].concat())
    };
    let processes = run(&["--pid", "container:one"], "ps -o pid,args");
    assert!(processes.contains("1 sleep 1000"), "{processes}");
    assert_eq!(
        run(&["--uts", "container:one", "--ipc", "container:one"], "hostname"),
        user.ok(&["exec", "one", "hostname"])
    );
    user.ok(&[
        "run",
        "-d",
        "--name",
        "third",
        "--network",
        "none",
        "--userns",
        "container:one",
        "busybox",
        "sleep",
        "1000",
    ]);
    let users = |name: &str| {
        let pid = user.ok(&["inspect", "-f", "{{.State.Pid}}", name]);
        std::fs::read_link(format!("/proc/{pid}/ns/user")).unwrap()
    };
    assert_eq!(users("one"), users("third"));
    assert_ne!(users("one"), users("two"));
    // One that is shared already can be shared once more, and ids of the range are as they are elsewhere.
    assert_eq!(run(&["--pid", "container:third", "-u", "99"], "id -u"), "99");
    let both = ["run", "--rm", "--pid", "container:one", "--ipc", "container:two", "busybox", "true"];
    let out = user.run(&both);
    assert!(out.code == Some(125) && out.stderr.contains("user namespaces of their own"), "{}", out.stderr);
    for (flag, value, reason) in [
        ("--userns", "host:1", "it is auto, auto:size=N, host, keep-id"),
        ("--userns", "auto:size=10", "needs root"),
        ("--uidmap", "0:0:1", "need root"),
        ("--pid", "container:none", "no such container: none"),
    ] {
        let out = user.run(&["run", "--rm", flag, value, "busybox", "true"]);
        assert!(out.code == Some(125) && out.stderr.contains(reason), "{flag} {value}: {}", out.stderr);
    }
    user.ok(&["rm", "-f", "one", "two", "third"]);
    user.assert_clean();
}

#[test]
fn a_user_can_keep_its_ids() {
    let user = User::new(true);
    let start = ["run", "--rm", "--network", "none", "--userns", "keep-id"];
    let keep = |flags: &[&str], script: &str| {
        user.run(&[&start[..], flags, &["busybox", "sh", "-c", script]].concat())
    };
    let missing = keep(&[], "true");
    assert!(missing.code == Some(125) && missing.stderr.contains("lay pull busybox"), "{}", missing.stderr);
    user.ok(&["pull", "-q", "busybox"]);
    let (id, first) = (user.id, user.first());
    let out = keep(&[], "id -u; id -g; grep CapEff /proc/self/status; cat /proc/self/uid_map");
    let words: Vec<&str> = out.stdout.split_whitespace().collect();
    // All ids of the range, with the user's own among them, as Podman's keep-id has them.
    let (own, map) = (id.to_string(), [[0, first, id], [id, id, 1], [id + 1, first + id, 65_536 - id]]);
    let map: Vec<String> = map.iter().flatten().map(u32::to_string).collect();
    assert_eq!(words[..4], [&own, &own, "CapEff:", "0000000000000000"], "{}", out.stderr);
    assert_eq!(words[4..], map);
    // The image's files are root's, whom the user is not.
    assert_eq!(
        keep(&[], "stat -c %u:%g /bin/busybox; touch /bin/x 2>/dev/null || echo no").stdout,
        "0:0\nno"
    );
    let shared = user.path("home/shared");
    std::fs::create_dir(&shared).unwrap();
    std::os::unix::fs::chown(&shared, Some(id), Some(id)).unwrap();
    let bind = format!("{}:/mnt", shared.display());
    keep(&["-v", &bind], "touch /mnt/own");
    assert_eq!(keep(&["-v", &bind, "-u", "0"], "stat -c %u /mnt/own; touch /mnt/root").stdout, own);
    let owner = |name: &str| std::fs::metadata(shared.join(name)).unwrap().uid();
    assert_eq!((owner("own"), owner("root")), (id, first));

    let script = "echo deep > /root-s; chown 7:8 /root-s; exec sleep 1000";
    let flags =
        ["run", "-d", "--name", "kept", "--userns", "keep-id", "-u", "0", "busybox", "sh", "-c", script];
    user.ok(&flags);
    eventually("the file is there", || user.ok(&["diff", "kept"]).contains("A /root-s"));
    assert_eq!(user.ok(&["exec", "-u", &own, "kept", "id", "-u"]), own);
    assert_eq!(user.ok(&["exec", "kept", "stat", "-c", "%u:%g", "/root-s"]), "7:8");
    let other = ["run", "--rm", "--network", "none", "--pid", "container:kept", "busybox", "id", "-u"];
    assert_eq!(user.ok(&other), own, "who shares with it keeps its ids as well");
    user.ok(&["fork", "--name", "copy", "kept"]);
    assert_eq!(user.ok(&["exec", "copy", "stat", "-c", "%u:%g", "/root-s"]), "7:8");
    user.ok(&["exec", "-u", "0", "kept", "sh", "-c", &format!("rm /bin/true; mkdir /own; chown {own} /own")]);
    user.ok(&["commit", "kept", "made"]);
    user.ok(&["export", "-o", "kept.tar", "kept"]);
    user.ok(&["import", "kept.tar", "flat"]);
    let script = "stat -c %u:%g /root-s /own /bin/sh; ls /bin/true 2>/dev/null || echo gone";
    for image in ["made", "flat"] {
        for flags in [&["run", "--rm", "--network", "none"][..], &start] {
            let out = user.ok(&[flags, &[image, "sh", "-c", script]].concat());
            assert_eq!(out, format!("7:8\n{own}:0\n0:0\ngone"), "{image} {flags:?}");
        }
    }
    assert!(user.ok(&["check"]).ends_with("no problems"));
    let out = user.run(&["commit", "none", "made"]);
    assert!(out.code == Some(1) && out.stderr.contains("no such container"), "{}", out.stderr);
    user.ok(&["rm", "-f", "kept", "copy"]);
    user.ok(&["rmi", "made", "flat", "busybox"]);
    let layers = user.path("home/.local/share/lay/keep-id/layers");
    assert_eq!(std::fs::read_dir(layers).unwrap().count(), 0);
    user.assert_clean();
}

/// Whether pasta finds an interface to take packets to.
#[test]
fn a_user_builds_as_root_does() {
    let user = User::new(true);
    let context = user.path("home/context");
    std::fs::create_dir(&context).unwrap();
    let file = "FROM busybox AS base
RUN --mount=type=cache,target=/cache echo cached > /cache/file; echo made > /made; chown 5:6 /made; mkdir /deep
COPY --chown=7:8 copied /deep/
FROM base
RUN rm -r /deep && mkdir /deep && id -u > /deep/id
";
    std::fs::write(context.join("Containerfile"), file).unwrap();
    std::fs::write(context.join("copied"), "copied\n").unwrap();
    for path in [&context, &context.join("Containerfile"), &context.join("copied")] {
        std::os::unix::fs::chown(path, Some(user.id), Some(user.id)).unwrap();
    }
    let built = user.run(&["build", "--network", "none", "-t", "mine", "context"]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let run = ["run", "--rm", "--network", "none"];
    let script = "stat -c %u:%g /made; cat /deep/id; ls /deep; ls -d /cache 2>/dev/null; true";
    assert_eq!(user.ok(&[&run[..], &["mine", "sh", "-c", script]].concat()), "5:6\n0\nid");
    let again = user.run(&["build", "--network", "none", "-t", "mine", "context"]).stderr;
    assert_eq!(again.matches("CACHED").count(), 3, "{again}");
    // What comes out belongs to the user.
    user.ok(&["build", "-q", "-o", "out", "--target", "base", "context"]);
    for name in ["out/made", "out/deep/copied"] {
        assert_eq!(std::fs::metadata(user.path("home").join(name)).unwrap().uid(), user.id, "{name}");
    }
    user.ok(&["build", "-q", "--squash", "-t", "one", "context"]);
    user.ok(&["build", "-q", "--cache-to", "type=local,dest=cache", "context"]);
    assert!(user.ok(&["prune", "-f", "--build-cache"]).contains("Total reclaimed space"));
    let other = user.run(&["build", "--cache-from", "type=local,src=cache", "context"]).stderr;
    assert_eq!(other.matches("CACHED").count(), 3, "{other}");
    user.assert_clean();
}

fn has_route() -> bool {
    let has = !crate::support::output("ip", &["route", "show", "default"]).is_empty();
    if !has {
        eprintln!("no default route: pasta is not tried");
    }
    has
}

#[test]
fn ports_reach_a_user_s_container() {
    let user = User::new(true);
    user.ok(&["pull", "-q", "busybox"]);
    // The first is what is taken without a word.
    user_s_ports(&user, &[], "cannot be published");
    if has_route() {
        user_s_ports(&user, &["--network", "pasta"], "Failed to bind");
    }
    let out = user.run(&["run", "--rm", "--network", "none", "-p", "80:80", "busybox", "true"]);
    assert!(out.code == Some(125) && out.stderr.contains("--publish needs"), "{}", out.stderr);
    user.assert_clean();
}

fn user_s_ports(user: &User, network: &[&str], refusal: &str) {
    let script = "mkdir -p /www && echo from a user > /www/index.html && busybox httpd -f -p 80 -h /www";
    let flags =
        [&["run", "-d", "--name", "web", "-p", "127.0.0.1::80"], network, &["busybox", "sh", "-c", script]];
    user.ok(&flags.concat());
    let ports = user.ok(&["inspect", "-f", "{{json .NetworkSettings.Ports}}", "web"]);
    let ports: serde_json::Value = serde_json::from_str(&ports).unwrap();
    let port: u16 = ports["80/tcp"][0]["HostPort"].as_str().unwrap().parse().unwrap();
    let get = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    eventually("the page is served", || get().is_ok_and(|text| text.contains("from a user")));
    let addresses = user.ok(&["exec", "web", "ip", "-o", "address"]);
    assert!(addresses.contains("inet 10.0.2.100/24"), "{addresses}");
    // What listens on the host's loopback is the host's own.
    let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    own.set_nonblocking(true).unwrap();
    let gateway = format!("nc -w 2 10.0.2.2 {} </dev/null", own.local_addr().unwrap().port());
    user.run(&["exec", "web", "timeout", "3", "sh", "-c", &gateway]);
    assert_eq!(own.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    let taken = format!("127.0.0.1:{port}:80");
    let out = user.run(&[&["run", "--rm", "-p", &taken], network, &["busybox", "true"]].concat());
    assert!(out.code == Some(125) && out.stderr.contains(refusal), "{}", out.stderr);
    // Of a range, a port that is taken is passed over.
    let range = format!("127.0.0.1:{port}-{}:80", port.saturating_add(9));
    user.ok(
        &[&["run", "-d", "--name", "next", "-p", &range], network, &["busybox", "sleep", "1000"]].concat()
    );
    let chosen = user.ok(&["port", "next", "80"]);
    let chosen: u16 = chosen.strip_prefix("127.0.0.1:").unwrap().parse().unwrap();
    assert!(chosen > port && chosen <= port.saturating_add(9), "{chosen}");
    user.ok(&["rm", "-f", "web", "next"]);
    user.assert_clean();
}

#[test]
fn a_user_without_ranges_has_one_id() {
    let user = User::new(false);
    let warning = "will belong to one user: /etc/subuid gives this user no range of ids";
    let first = user.run(&["pull", "-q", "busybox"]);
    assert!(first.code == Some(0) && first.stderr.contains(warning), "{}", first.stderr);
    let second = user.run(&[
        "run",
        "--rm",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "id -u; cat /proc/self/uid_map",
    ]);
    assert_eq!(second.stderr, "", "it is said once");
    let id = user.id.to_string();
    assert_eq!(second.stdout.split_whitespace().collect::<Vec<_>>(), ["0", "0", &id, "1"]);
    let other = user.run(&["run", "--rm", "--network", "none", "-u", "5", "busybox", "true"]);
    assert!(other.code == Some(125) && other.stderr.contains("user 5"), "{}", other.stderr);
    let kept = user.run(&["run", "--rm", "--userns", "keep-id", "busybox", "true"]);
    assert!(kept.stderr.contains("needs ids beside this user's own: /etc/subuid"), "{}", kept.stderr);
    user.ok(&["rmi", "busybox"]);
    user.assert_clean();
}

#[test]
fn files_logs_and_events_are_the_user_s() {
    for has_ranges in [true, false] {
        let user = User::new(has_ranges);
        user.ok(&["pull", "-q", "busybox"]);
        let run = |name: &str, script: &str| {
            user.ok(&["run", "-d", "--name", name, "--network", "none", "busybox", "sh", "-c", script]);
        };
        run("runs", "echo said; mkdir /d; echo of the container > /d/f; chmod 600 /d/f; sleep 100");
        run("ended", "mkdir /d; echo of the container > /d/f");
        user.ok(&["wait", "ended"]);
        let file = user.path("home/own");
        std::fs::write(&file, "of the user").unwrap();
        std::os::unix::fs::chown(&file, Some(user.id), Some(user.id)).unwrap();
        for name in ["runs", "ended"] {
            eventually("the file is there", || {
                user.run(&["cp", &format!("{name}:/d/f"), "probe"]).code == Some(0)
            });
            user.ok(&["cp", "own", &format!("{name}:/in")]);
            user.ok(&["cp", &format!("{name}:/d"), &format!("out-{name}")]);
            user.ok(&["cp", &format!("{name}:/in"), &format!("back-{name}")]);
            let out = user.path(&format!("home/out-{name}/f"));
            assert_eq!(std::fs::read_to_string(&out).unwrap(), "of the container\n");
            assert_eq!(std::fs::metadata(&out).unwrap().uid(), user.id);
            let back = user.path(&format!("home/back-{name}"));
            assert_eq!(std::fs::read_to_string(back).unwrap(), "of the user");
        }
        assert_eq!(user.ok(&["exec", "runs", "cat", "/in"]), "of the user");
        assert_eq!(user.ok(&["logs", "runs"]), "said");
        assert!(user.ok(&["top", "runs"]).contains("sleep 100"));
        let format = ["events", "--since", "10m", "--until", "0s", "--format", "{{.Action}}"];
        assert!(user.ok(&format).contains("start"));
        user.ok(&["rm", "-f", "runs", "ended"]);
        user.assert_clean();
    }
}

/// This user has no control group here, unless one was delegated to the test's session.
#[test]
fn what_a_container_uses_is_measured_without_a_control_group() {
    let user = User::new(true);
    user.ok(&["pull", "-q", "busybox"]);
    let script =
        "i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done; sleep 100 & sleep 100 & echo ready; wait";
    user.ok(&["run", "-d", "--name", "one", "--network", "none", "busybox", "sh", "-c", script]);
    let shares = ["--pid", "container:one", "--userns", "container:one", "--ipc", "private"];
    let run = ["run", "-d", "--name", "two", "--network", "none"];
    user.ok(&[&run[..], &shares, &["busybox", "sleep", "100"]].concat());
    eventually("it has done its work", || user.ok(&["logs", "one"]) == "ready");
    let stats = |name: &str| -> serde_json::Value {
        serde_json::from_str(&user.ok(&["stats", "--no-stream", "--format", "json", name])).unwrap()
    };
    let (one, two) = (stats("one"), stats("two"));
    assert!(one["Raw"]["CPUNanoseconds"].as_u64() >= Some(10_000_000), "{one}");
    assert!(one["Raw"]["MemoryBytes"].as_u64() > Some(100_000), "{one}");
    // Whoever is in its pid namespace counts.
    assert_eq!(
        (&one["NetIO"], &one["PIDs"], &two["PIDs"]),
        (&"0B / 0B".into(), &4.into(), &1.into()),
        "{one}"
    );
    if one["Raw"]["MemoryPeakBytes"].is_null() {
        assert!(one["Raw"]["ThrottledNanoseconds"].is_null(), "nobody counts it: {one}");
    }
    let table = user.ok(&["stats", "--no-stream"]);
    assert!(table.lines().count() == 3 && table.contains(" one ") && table.contains(" two "), "{table}");
    user.ok(&["rm", "-f", "two", "one"]);
    user.assert_clean();
}
