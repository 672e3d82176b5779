//! Many at once, and kills at any moment.

use std::process::{Child, Stdio};
use std::time::Duration;

use crate::support::{Lay, Registry};

fn spawn(lay: &Lay, args: &[&str]) -> Child {
    lay.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn all_well(children: Vec<Child>) {
    for child in children {
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn ten_pulls_and_ten_runs_at_once() {
    let lay = Lay::new();
    let images = ["busybox", "layers", "zstd", "docker", "configured"];
    all_well((0..10).map(|i| spawn(&lay, &["pull", "-q", images[i % 5]])).collect());
    assert_eq!(lay.ok(&["images", "-q"]).lines().count(), 5);
    all_well((0..10).map(|_| spawn(&lay, &["run", "--rm", "busybox", "sh", "-c", "sleep 0.2"])).collect());
    all_well(
        (0..10)
            .map(|i| spawn(&lay, &["run", "-d", "--name", &format!("d{i}"), "busybox", "sleep", "50"]))
            .collect(),
    );
    let rows = lay.ok(&["ps", "--format", "{{.Names}}"]);
    assert_eq!(rows.lines().count(), 10);
    let addresses: std::collections::BTreeSet<String> = (0..10)
        .map(|i| lay.ok(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", &format!("d{i}")]))
        .collect();
    assert_eq!(addresses.len(), 10);
    let names: Vec<String> = (0..10).map(|i| format!("d{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    lay.ok(&[&["rm", "-f"], &names[..]].concat());
    lay.ok(&["check"]);
    lay.assert_clean();
}

/// A number that differs from round to round, without a source of randomness that a failure could not repeat.
fn spread(round: u64) -> u64 {
    round.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) >> 33
}

#[test]
fn a_hundred_kills_lose_nothing() {
    let rounds = std::env::var("LAY_TEST_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let fresh = format!("{}/deep/nested/name:v1.2", Registry::shared().address);
    for round in 0..rounds {
        let command: &[&str] = match round % 4 {
            0 => &["pull", "-q", "layers"],
            1 => &["run", "--rm", "busybox", "sleep", "0.05"],
            2 => &["run", "-d", "busybox", "sleep", "0.05"],
            _ => &["pull", "-q", &fresh],
        };
        let mut child = spawn(&lay, command);
        std::thread::sleep(Duration::from_micros(spread(round) % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        if round % 4 == 0 {
            lay.run(&["rmi", "-f", "layers"]);
        }
    }
    let report = lay.ok(&["check"]);
    assert!(report.ends_with("no problems"), "{report}");
    assert_eq!(lay.sh(&[], "busybox", "echo ran"), "ran");
    lay.ok(&["pull", "-q", "layers"]);
    assert_eq!(lay.sh(&[], "layers", "cat /etc/motd2"), "second layer");
    crate::support::eventually("all have ended", || lay.ok(&["ps", "-q"]).is_empty());
    lay.ok(&["prune", "-f", "--containers"]);
    lay.assert_clean();
}

#[test]
fn no_mount_is_seen_while_containers_run_and_none_is_left_by_kills() {
    for form in ["erofs", "loop", "directory"] {
        let lay = Lay::new();
        let run = |args: &[&str]| {
            let out = lay.command(args).env("LAY_LAYER_FORM", form).output().unwrap();
            assert!(out.status.success(), "{form}: {}", String::from_utf8_lossy(&out.stderr));
            String::from_utf8(out.stdout).unwrap().trim_end().to_string()
        };
        let ours = || {
            let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
            mounts.lines().filter(|l| l.contains(lay.dir().to_str().unwrap())).count()
        };
        run(&["pull", "-q", "layers"]);
        let id = run(&["run", "-d", "layers", "sleep", "100"]);
        assert_eq!(run(&["exec", &id, "cat", "/etc/motd2"]), "second layer");
        assert_eq!(ours(), 0, "{form}");
        let attached = || {
            let devices = std::fs::read_dir("/sys/block").unwrap().flatten();
            let files =
                devices.filter_map(|d| std::fs::read_to_string(d.path().join("loop/backing_file")).ok());
            files.filter(|file| file.contains(lay.root().to_str().unwrap())).count()
        };
        assert_eq!(attached() > 0, form == "loop", "{form}");
        let first = run(&["inspect", "-f", "{{.State.Pid}}", &id]);
        let status = std::fs::read_to_string(format!("/proc/{first}/status")).unwrap();
        let monitor = status.lines().find_map(|l| l.strip_prefix("PPid:")).unwrap().trim().to_string();
        for pid in [monitor, first] {
            crate::support::output("kill", &["-KILL", &pid]);
        }
        crate::support::eventually("the mounts and loop devices are gone", || ours() + attached() == 0);
        crate::support::eventually("the container is known to be dead", || run(&["ps", "-q"]).is_empty());
        run(&["rm", &id]);
        lay.assert_clean();
    }
}
