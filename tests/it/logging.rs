//! `lay logs`: what a container printed, whole, in Docker's format, through rotation, and in the journal.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{Lay, eventually, output, with_docker};

fn start(lay: &Lay, name: &str, flags: &[&str], script: &str) -> String {
    let flags = [&["run", "-d", "--name", name, "--network", "none"], flags].concat();
    lay.ok(&[&flags[..], &["busybox", "sh", "-c", script]].concat())
}

/// Numbers from 1 on, each on a line of its own, as followers and readers must see them.
fn numbers(lay: &Lay, args: &[&str]) -> Vec<u32> {
    let mut child = lay.command(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let numbers = lines.map(|line| line.unwrap().parse().unwrap()).collect();
    assert!(child.wait().unwrap().success());
    numbers
}

/// Prints several bytes that JSON or HTML minds, a line that is too long for one entry, and no end.
const ODD: &str = r#"printf 'a\tb"c\\d<e>&\001\177\r\n\303\244\342\202\254\342\200\250\n\377\376 no text \342\202\n\n'
    head -c 40000 /dev/zero; echo; printf 'no end'"#;

#[test]
fn entries_are_those_of_docker() {
    let lay = Lay::new();
    let id = lay.ok(&["run", "-d", "--name", "odd", "--network", "none", "busybox", "sh", "-c", ODD]);
    lay.ok(&["wait", "odd"]);
    let ours = std::fs::read_to_string(lay.root().join(format!("containers/{id}/log.json"))).unwrap();
    let timeless = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(",\"time\":").next().unwrap().to_string()).collect()
    };
    let archive = lay.dir().join("busybox.tar");
    lay.ok(&["save", "-o", archive.to_str().unwrap(), "busybox"]);
    with_docker(&[], |docker| {
        docker.ok(&["load", "-q", "-i", archive.to_str().unwrap()]);
        docker.ok(&["run", "--name", "odd", "--network", "none", "busybox", "sh", "-c", ODD]);
        let path = docker.ok(&["inspect", "-f", "{{.LogPath}}", "odd"]);
        let theirs = std::fs::read_to_string(path).unwrap();
        assert_eq!(timeless(&ours), timeless(&theirs));
        for args in [&["logs", "odd"][..], &["logs", "-n", "2", "odd"], &["logs", "-n", "0", "odd"]] {
            assert_eq!(lay.ok(args), docker.ok(args), "{args:?}");
        }
    });
}

#[test]
fn times_bound_what_is_shown() {
    let lay = Lay::new();
    let id = start(&lay, "times", &[], "for i in 1 2 3 4 5; do echo $i; sleep 0.3; done");
    lay.ok(&["wait", "times"]);
    let text = lay.ok(&["logs", "-t", "times"]);
    let stamps: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert!(stamps.iter().all(|stamp| stamp.len() == "2024-01-02T15:04:05.000000000Z".len()), "{text}");
    assert_eq!(lay.ok(&["logs", "--since", stamps[2], "times"]), "3\n4\n5");
    assert_eq!(lay.ok(&["logs", "--until", stamps[2], "times"]), "1\n2\n3");
    assert_eq!(lay.ok(&["logs", "--since", stamps[1], "--until", stamps[2], &id]), "2\n3");
    assert_eq!(lay.ok(&["logs", "--since", stamps[3], "-n", "4", "times"]), "4\n5");
    assert_eq!(lay.ok(&["logs", "--since", "10m", "-n", "-1", "times"]), "1\n2\n3\n4\n5");
    assert_eq!(lay.ok(&["logs", "--since", "0s", "times"]), "");
    lay.run(&["logs", "--since", "soon", "times"]).fails(1, "--since");
    lay.run(&["logs", "--tail", "few", "times"]).fails(1, "--tail");
}

#[test]
fn followers_and_readers_get_every_line_of_a_fast_container() {
    let lay = Lay::new();
    const COUNT: u32 = 1_000_000;
    let script = format!("seq 1 {COUNT} & seq 1 1000 >&2; wait");
    start(&lay, "fast", &[], &script);
    let expected: Vec<u32> = (1..=COUNT).collect();
    assert_eq!(numbers(&lay, &["logs", "-f", "fast"]), expected);
    assert_eq!(numbers(&lay, &["logs", "fast"]), expected);
    assert_eq!(lay.run(&["logs", "fast"]).stderr.lines().count(), 1000);
}

#[test]
fn a_follower_goes_through_rotation() {
    let lay = Lay::new();
    let flags = ["--log-opt", "max-size=50k", "--log-opt", "max-file=4"];
    let script = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); seq $((i*50-49)) $((i*50)); [ $((i%8)) = 0 ] && sleep 0.02; done; true";
    let id = start(&lay, "round", &flags, script);
    assert_eq!(numbers(&lay, &["logs", "-f", "round"]), (1..=20_000).collect::<Vec<_>>());
    let dir = lay.root().join("containers").join(id);
    let size = |name: &str| std::fs::metadata(dir.join(name)).map(|m| m.len()).unwrap_or(0);
    for name in ["log.json.1", "log.json.2", "log.json.3"] {
        assert!((51_200..51_400).contains(&size(name)), "{name}: {}", size(name));
    }
    assert_eq!(size("log.json.4"), 0);
    let kept = numbers(&lay, &["logs", "round"]);
    assert_eq!(kept, (20_001 - kept.len() as u32..=20_000).collect::<Vec<_>>());
    let last = numbers(&lay, &["logs", "-n", "1500", "round"]);
    assert_eq!(last, (18_501..=20_000).collect::<Vec<_>>(), "over the bounds of files");
    lay.ok(&["rm", "round"]);
    lay.assert_clean();
}

#[test]
fn drivers_that_keep_nothing_here_say_so() {
    let lay = Lay::new();
    start(&lay, "quiet", &["--log-driver", "none"], "echo x");
    lay.ok(&["wait", "quiet"]);
    lay.run(&["logs", "quiet"]).fails(1, "--log-driver none");
    let run = |flags: &[&str]| lay.run(&[&["run", "--rm"], flags, &["busybox", "true"]].concat());
    run(&["--log-driver", "syslog"]).fails(125, "json-file, journald or none");
    run(&["--log-opt", "max-size=much"]).fails(125, "max-size=much");
    run(&["--log-driver", "none", "--log-opt", "max-size=1m"]).fails(125, "none takes none");
    if !Path::new("/run/systemd/journal/socket").exists() {
        let flags = ["run", "-d", "--log-driver", "journald", "--network", "none", "busybox", "true"];
        lay.run(&flags).fails(125, "run systemd-journald");
    }
}

/// A journald of the test's own, in a mount namespace where it has `/run` and `/var/log` for itself.
struct Journald {
    process: Child,
    dir: PathBuf,
}

impl Journald {
    fn start(dir: &Path) -> Journald {
        let script = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/log/journal && mount -t tmpfs tmpfs /var/log \
             && exec /lib/systemd/systemd-journald";
        let process = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let journald = Journald { process, dir: dir.to_path_buf() };
        let socket = format!("/proc/{}/root/run/systemd/journal/socket", journald.process.id());
        eventually("journald listens", || Path::new(&socket).exists());
        journald
    }

    /// Runs a script where the journal is; its output.
    fn run(&self, lay: &Lay, script: &str) -> String {
        let pid = self.process.id().to_string();
        let config = self.dir.join("config.toml");
        let env = [format!("LAY_ROOT={}", lay.root().display()), format!("LAY_CONFIG={}", config.display())];
        let set = format!("lay={}; {script}", env!("CARGO_BIN_EXE_lay"));
        output("nsenter", &["--mount", "--target", &pid, "env", &env[0], &env[1], "sh", "-c", &set])
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_journal_keeps_what_it_is_given() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let journald = Journald::start(lay.dir());
    let run = "$lay run -d --name talk --network none --log-driver journald --log-opt tag=web busybox sh -c";
    let script = "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three";
    journald.run(&lay, &format!("{run} '{script}' >/dev/null; $lay wait talk >/dev/null"));
    let entries = || journald.run(&lay, "journalctl -o json CONTAINER_NAME=talk");
    eventually("the entries are there", || entries().lines().count() == 3);
    let shown =
        journald.run(&lay, "journalctl -o cat CONTAINER_TAG=web SYSLOG_IDENTIFIER=web IMAGE_NAME=busybox");
    assert_eq!(shown, "one\ntwo\nthree\n");
    assert_eq!(journald.run(&lay, "journalctl -o cat -p err CONTAINER_NAME=talk"), "two\n");
    assert_eq!(journald.run(&lay, "$lay logs talk 2>/dev/null"), "one\nthree\n");
    assert_eq!(journald.run(&lay, "$lay logs -f talk 2>&1"), "one\ntwo\nthree\n");
    assert_eq!(journald.run(&lay, "$lay logs -n 1 talk"), "three\n");
}
