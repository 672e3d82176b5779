//! CPU, memory and processes in exact amounts, measured by what the kernel accounts.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Lay, eventually, output};

/// One test at a time measures CPU time, else they would measure each other.
static QUIET: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn start_burner(lay: &Lay, name: &str, flags: &[&str]) -> i32 {
    let fixed = ["run", "-d", "--name", name, "--network", "none"];
    lay.ok(&[&fixed[..], flags, &["busybox", "sh", "-c", "while :; do :; done"]].concat());
    lay.ok(&["inspect", "-f", "{{.State.Pid}}", name]).parse().unwrap()
}

/// CPU time of a process, in clock ticks of 10 ms (proc_pid_stat(5)).
fn ticks(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// CPUs' worth of time that processes use over some seconds.
fn measure(pids: &[i32], seconds: u64) -> Vec<f64> {
    let before: Vec<u64> = pids.iter().map(|pid| ticks(*pid)).collect();
    let start = Instant::now();
    std::thread::sleep(Duration::from_secs(seconds));
    let passed = start.elapsed().as_secs_f64();
    pids.iter().zip(before).map(|(pid, before)| (ticks(*pid) - before) as f64 / 100.0 / passed).collect()
}

#[test]
fn cpus_are_what_was_asked_for_within_five_percent() {
    let _quiet = QUIET.lock();
    let lay = Lay::new();
    for (name, cpus) in [("quarter", 0.25), ("half", 0.5)] {
        let pid = start_burner(&lay, name, &["--cpus", &cpus.to_string()]);
        // Others may keep the machine busy; the quota is a ceiling at any time, and what is reached when it is quiet.
        let mut best = 0.0;
        for _ in 0..15 {
            best = measure(&[pid], 3)[0].max(best);
            if best / cpus >= 0.95 {
                break;
            }
        }
        assert!((best / cpus - 1.0).abs() <= 0.05, "{cpus}: {best}");
        lay.ok(&["rm", "-f", name]);
    }
    let pid = start_burner(&lay, "one", &["--cpus", "1"]);
    let used = measure(&[pid], 3)[0];
    assert!(used <= 1.05, "{used}");
}

#[test]
fn shares_divide_one_processor_four_to_one() {
    let _quiet = QUIET.lock();
    let lay = Lay::new();
    let many = start_burner(&lay, "many", &["--cpu-shares", "2048", "--cpuset-cpus", "0"]);
    let few = start_burner(&lay, "few", &["--cpu-shares", "512", "--cpuset-cpus", "0"]);
    let used = measure(&[many, few], 5);
    let ratio = used[0] / used[1];
    assert!((ratio / 4.0 - 1.0).abs() <= 0.10, "{used:?}: {ratio}");
}

#[test]
fn memory_over_the_limit_is_killed_and_told() {
    let lay = Lay::new();
    // A filter that keeps 200 MB in memory.
    let hog = ["dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"];
    let flags = ["run", "--name", "hog", "--network", "none", "-m", "64m", "--memory-swap", "64m", "busybox"];
    let out = lay.run(&[&flags[..], &hog].concat()).expect(137);
    assert!(out.stderr.contains("ran out of memory") && out.stderr.contains("64MiB"), "{}", out.stderr);
    let state: Value = serde_json::from_str(&lay.ok(&["inspect", "-f", "{{json .State}}", "hog"])).unwrap();
    assert_eq!((state["OOMKilled"].as_bool(), state["ExitCode"].as_i64()), (Some(true), Some(137)));
    let enough = ["run", "--rm", "--network", "none", "-m", "400m", "busybox"];
    lay.run(&[&enough[..], &hog].concat()).expect(0);
}

#[test]
fn processes_are_counted() {
    let lay = Lay::new();
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 2 & done 2>/dev/null; wait";
    let flags = ["run", "--rm", "--network", "none", "busybox", "sh", "-c", script];
    lay.run(&flags).expect(0);
    let out = lay.run(&[&["run", "--rm", "--network", "none", "--pids-limit", "8"], &flags[4..]].concat());
    assert!(out.code != 0 || out.stderr.contains("fork"), "{out:?}");
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    let lay = Lay::new();
    let refused = |flags: &[&str], words: &str| {
        lay.run(&[&["run", "--rm"], flags, &["busybox", "true"]].concat()).fails(125, words);
    };
    refused(&["-m", "1m"], "6m");
    refused(&["-m", "64m", "--memory-swap", "32m"], "--memory-swap");
    refused(&["--cpus", "1000"], "CPUs");
    refused(&["--cpu-shares", "1"], "--cpu-shares");
    refused(&["--memory-swappiness", "101"], "--memory-swappiness");
    refused(&["--network", "none", "--cpuset-cpus", "900"], "900");
    lay.assert_clean();
}

/// A block device of the test's own, 32 MiB.
struct Loop(String);

impl Loop {
    fn new(lay: &Lay, scheduler: &str) -> Loop {
        let file = lay.dir().join("disk");
        std::fs::File::create(&file).unwrap().set_len(32 << 20).unwrap();
        let args = ["--find", "--show", "--direct-io=on", file.to_str().unwrap()];
        let device = Loop(output("losetup", &args).trim().to_string());
        let name = device.0.trim_start_matches("/dev/");
        std::fs::write(format!("/sys/block/{name}/queue/scheduler"), scheduler).unwrap();
        device
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = std::process::Command::new("losetup").args(["--detach", &self.0]).status();
    }
}

#[test]
fn rates_of_block_devices_are_bounded() {
    let lay = Lay::new();
    let device = Loop::new(&lay, "none");
    let disk = device.0.as_str();
    let seconds = |flag: Option<&str>, rate: &str, command: &str| {
        let limit = format!("{disk}:{rate}");
        let mut flags = vec!["run", "--rm", "--network", "none", "--device", disk];
        flags.extend(flag.iter().flat_map(|flag| [*flag, &limit]));
        let start = Instant::now();
        lay.ok(&[&flags[..], &["busybox", "sh", "-c", command]].concat());
        start.elapsed().as_secs_f64()
    };
    let read = format!("dd if={disk} of=/dev/null bs=1M count=4 iflag=direct 2>/dev/null");
    let write = format!("dd if=/dev/zero of={disk} bs=1M count=4 oflag=direct 2>/dev/null");
    let reads = format!("dd if={disk} of=/dev/null bs=4k count=100 iflag=direct 2>/dev/null");
    let writes = format!("dd if=/dev/zero of={disk} bs=4k count=100 oflag=direct 2>/dev/null");
    for (flag, rate, command) in [
        ("--device-read-bps", "2mb", &read),
        ("--device-write-bps", "2mb", &write),
        ("--device-read-iops", "50", &reads),
        ("--device-write-iops", "50", &writes),
    ] {
        // Two seconds each; the first of them may come as a burst.
        let bounded = seconds(Some(flag), rate, command);
        assert!((1.0..20.0).contains(&bounded), "{flag}: {bounded}");
        let free = seconds(None, rate, command);
        assert!(free < bounded / 2.0, "{flag}: {free} without, {bounded} with");
    }
}

#[test]
fn weights_divide_a_block_device() {
    let _quiet = QUIET.lock();
    let lay = Lay::new();
    // The scheduler that knows weights; the kernel may not have it.
    let Ok(schedulers) = std::fs::read_to_string("/sys/block/loop0/queue/scheduler") else { return };
    if !schedulers.contains("bfq") {
        return;
    }
    let device = Loop::new(&lay, "bfq");
    let disk = device.0.as_str();
    let script = format!(
        "for i in 1 2 3 4; do while :; do dd if={disk} of=/dev/null bs=64k count=512 iflag=direct 2>/dev/null; done & done; wait"
    );
    for (name, weight) in [("light", "10"), ("heavy", "1000")] {
        let flags =
            ["run", "-d", "--name", name, "--network", "none", "--device", disk, "--blkio-weight", weight];
        lay.ok(&[&flags[..], &["busybox", "sh", "-c", &script]].concat());
    }
    let read = |name: &str| {
        let stats: Value =
            serde_json::from_str(&lay.ok(&["stats", "--no-stream", "--format", "json", name])).unwrap();
        stats["Raw"]["ReadBytes"].as_f64().unwrap()
    };
    let before = (read("light"), read("heavy"));
    std::thread::sleep(Duration::from_secs(4));
    let (light, heavy) = (read("light") - before.0, read("heavy") - before.1);
    assert!(heavy > 1.2 * light, "{light} {heavy}");
    lay.ok(&["rm", "-f", "light", "heavy"]);
}

#[test]
fn without_the_killer_processes_wait_for_memory() {
    // Control groups v2 have no such switch.
    if !std::path::Path::new("/sys/fs/cgroup/memory/memory.oom_control").exists() {
        return;
    }
    let lay = Lay::new();
    // Touched by the process itself: what the kernel touches for it ends in an error instead.
    let grow = "BEGIN { s = \"x\"; while (length(s) < 30000000) s = s s; print length(s) }";
    let flags = ["run", "-d", "--name", "waits", "--network", "none", "-m", "16m", "--memory-swap", "16m"];
    lay.ok(&[&flags[..], &["--oom-kill-disable", "busybox", "busybox", "awk", grow]].concat());
    let id = lay.ok(&["inspect", "-f", "{{.Id}}", "waits"]);
    let control = format!("/sys/fs/cgroup/memory{}/{id}/memory.oom_control", lay.cgroup());
    eventually("it waits", || {
        std::fs::read_to_string(&control).is_ok_and(|text| text.contains("under_oom 1"))
    });
    lay.ok(&["update", "-m", "200m", "--memory-swap", "200m", "waits"]);
    assert_eq!(lay.ok(&["wait", "waits"]), "0");
    lay.ok(&["rm", "waits"]);
}

#[test]
fn processors_and_nodes_are_those_that_were_given() {
    let lay = Lay::new();
    let flags = ["--network", "none", "--cpuset-cpus", "0", "--cpuset-mems", "0"];
    let seen = lay.sh(&flags, "busybox", "grep _allowed_list /proc/self/status");
    assert_eq!(seen, "Cpus_allowed_list:\t0\nMems_allowed_list:\t0");
}
