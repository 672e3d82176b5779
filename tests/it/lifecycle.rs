//! `lay run -d`, `ps`, `logs`, `exec`, `stop`, `kill`, `rm`, `wait`.

use std::time::Instant;

use serde_json::Value;

use crate::support::{Lay, eventually};

fn start(lay: &Lay, name: &str, script: &str) -> String {
    lay.ok(&["run", "-d", "--name", name, "--network", "none", "busybox", "sh", "-c", script])
}

#[test]
fn a_detached_container_is_seen_and_stopped() {
    let lay = Lay::new();
    let id = start(&lay, "one", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done");
    lay.ready("one");
    assert_eq!(id.len(), 64);
    let table = lay.ok(&["ps"]);
    assert!(table.contains(&id[..12]) && table.contains("Up ") && table.contains("one"), "{table}");
    let row: Value = serde_json::from_str(&lay.ok(&["ps", "--format", "json"])).unwrap();
    assert_eq!((row["Names"].as_str(), row["State"].as_str()), (Some("one"), Some("running")));
    let start = Instant::now();
    assert_eq!(lay.ok(&["stop", "one"]), "one");
    assert!(start.elapsed().as_secs() < 5, "the signal was enough");
    assert!(lay.ok(&["ps", "-q"]).is_empty());
    assert!(lay.ok(&["ps", "-a"]).contains("Exited (3)"));
    assert_eq!(lay.ok(&["wait", "one"]), "3");
    assert_eq!(lay.ok(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "one"]), "exited 3");
    lay.ok(&["rm", &id[..6]]);
    lay.assert_clean();
}

#[test]
fn one_that_does_not_stop_is_killed() {
    let lay = Lay::new();
    start(&lay, "deaf", "trap '' TERM; while :; do sleep 0.05; done");
    let start = Instant::now();
    lay.ok(&["stop", "-t", "1", "deaf"]);
    let took = start.elapsed().as_secs_f32();
    assert!((1.0..6.0).contains(&took), "{took}");
    assert_eq!(lay.ok(&["wait", "deaf"]), "137");
}

#[test]
fn the_image_s_stop_signal_is_sent() {
    let lay = Lay::new();
    let script = "trap 'exit 10' USR1; echo ready; while :; do sleep 0.05; done";
    lay.ok(&[
        "run",
        "-d",
        "--name",
        "usr",
        "--network",
        "none",
        "--entrypoint",
        "sh",
        "configured",
        "-c",
        script,
    ]);
    lay.ready("usr");
    lay.ok(&["stop", "usr"]);
    assert_eq!(lay.ok(&["wait", "usr"]), "10");
}

#[test]
fn logs_keep_both_streams_and_can_be_followed() {
    let lay = Lay::new();
    start(
        &lay,
        "talk",
        "for i in 1 2 3; do echo out$i; sleep 0.1; echo err$i >&2; sleep 0.1; done; printf end",
    );
    let out = lay.run(&["logs", "-f", "talk"]).expect(0);
    assert_eq!(out.stdout, "out1\nout2\nout3\nend");
    assert_eq!(out.stderr, "err1\nerr2\nerr3\n");
    let tail = lay.run(&["logs", "--tail", "2", "talk"]).expect(0);
    assert_eq!(format!("{}{}", tail.stderr, tail.stdout), "err3\nend");
    let stamped = lay.run(&["logs", "-t", "talk"]).expect(0).stdout;
    assert!(stamped.lines().next().unwrap().ends_with("Z out1"), "{stamped}");
}

#[test]
fn exec_joins_a_running_container() {
    let lay = Lay::new();
    start(&lay, "host", "sleep 100");
    let exec = |args: &[&str]| lay.run(&[&["exec"], args].concat());
    let names = |target: &str| {
        let read = ["user", "mnt", "pid", "net", "uts", "ipc", "cgroup"]
            .map(|n| format!("ls -l /proc/{target}/ns/{n} | grep -o '[a-z]*:.[0-9]*'"));
        exec(&["host", "sh", "-c", &read.join(";")]).expect(0).stdout
    };
    assert_eq!(names("1"), names("self"), "all namespaces are the container's");
    let out = exec(&[
        "-u",
        "alice",
        "-w",
        "/tmp",
        "-e",
        "A=b",
        "host",
        "sh",
        "-c",
        "id -u; pwd; echo $A $HOME; exit 4",
    ]);
    assert_eq!((out.stdout.as_str(), out.code), ("1000\n/tmp\nb /home/alice\n", 4));
    assert_eq!(lay.run_with(&["exec", "-i", "host", "cat"], "typed").stdout, "typed");
    exec(&["host", "nosuch"]).fails(127, "nosuch");
    exec(&["host", "/etc/passwd"]).fails(126, "/etc/passwd");
    exec(&["nobody", "true"]).fails(1, "no such container");
    let inside = exec(&["host", "cat", "/proc/self/cgroup"]).expect(0).stdout;
    assert!(inside.lines().all(|l| l.ends_with(":/")), "in the container's control group: {inside}");
    lay.ok(&["kill", "host"]);
    lay.ok(&["wait", "host"]);
    exec(&["host", "true"]).fails(1, "not running");
}

#[test]
fn kill_sends_any_signal_and_rm_needs_force() {
    let lay = Lay::new();
    start(&lay, "sig", "trap 'echo caught' HUP; echo ready; while :; do sleep 0.05; done");
    eventually("it can be caught", || lay.ok(&["logs", "sig"]) == "ready");
    lay.run(&["rm", "sig"]).fails(1, "is running");
    lay.ok(&["kill", "-s", "HUP", "sig"]);
    eventually("the signal arrives", || lay.ok(&["logs", "sig"]) == "ready\ncaught");
    lay.run(&["kill", "-s", "NONSENSE", "sig"]).fails(1, "NONSENSE");
    lay.ok(&["rm", "-f", "sig"]);
    lay.run(&["rm", "sig"]).fails(1, "no such container");
    lay.ok(&["rm", "-f", "sig"]);
    lay.assert_clean();
}

#[test]
fn a_container_outlives_no_reboot_and_no_lost_monitor() {
    let lay = Lay::new();
    let id = start(&lay, "lost", "sleep 100");
    let state = lay.root().join("containers").join(&id).join("state.json");
    let mut record: Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    let pid = record["process"]["pid"].as_i64().unwrap() as i32;
    // As after a reboot: the record is of another boot.
    let boot = record["process"]["boot_id"].take();
    record["process"]["boot_id"] = "another".into();
    std::fs::write(&state, record.to_string()).unwrap();
    assert!(lay.ok(&["ps", "-q"]).is_empty());
    record["process"]["boot_id"] = boot;
    std::fs::write(&state, record.to_string()).unwrap();
    assert_eq!(lay.ok(&["ps", "-q"]).lines().count(), 1);
    // The monitor is killed: the container goes on, and its end is noticed all the same.
    let parent = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let parent: i32 = parent.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().parse().unwrap();
    kill(parent);
    eventually("the monitor is gone", || !std::path::Path::new(&format!("/proc/{parent}")).exists());
    assert_eq!(lay.ok(&["ps", "-q"]).lines().count(), 1);
    kill(pid);
    eventually("its end is noticed", || lay.ok(&["ps", "-q"]).is_empty());
    assert_eq!(lay.ok(&["inspect", "-f", "{{.State.ExitCode}}", "lost"]), "137");
    lay.ok(&["rm", "lost"]);
    lay.assert_clean();
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_failed_start_says_why_and_leaves_no_name_with_rm() {
    let lay = Lay::new();
    let run = |flags: &[&str]| {
        lay.run(
            &[&["run", "-d", "--name", "bad", "--network", "none"], flags, &["busybox", "nosuch"]].concat(),
        )
    };
    run(&["--rm"]).fails(127, "nosuch");
    lay.assert_clean();
    run(&[]).fails(127, "nosuch");
    assert!(lay.ok(&["inspect", "-f", "{{.State.Error}}", "bad"]).contains("nosuch"));
    lay.run(&["run", "--name", "bad", "busybox", "true"]).fails(125, "already in use");
}
