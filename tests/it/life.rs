//! `lay create`, `start`, `restart`, `pause`, `rename`, `attach`, restart policies, health checks, monitors that are killed.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Lay, eventually};

fn start(lay: &Lay, flags: &[&str], script: &str) -> String {
    let base = ["run", "-d", "--network", "none"];
    lay.ok(&[&base[..], flags, &["busybox", "sh", "-c", script]].concat())
}

fn inspect(lay: &Lay, name: &str, template: &str) -> String {
    lay.ok(&["inspect", "-f", template, name])
}

fn state(lay: &Lay, name: &str) -> String {
    inspect(lay, name, "{{.State.Status}}")
}

/// Pids of a container's monitor and of its keeper.
fn monitors(lay: &Lay, id: &str) -> Vec<i32> {
    attendants(lay, id, "monitor")
}

/// Pids of the processes of this kind that a container has outside.
fn attendants(lay: &Lay, id: &str, kind: &str) -> Vec<i32> {
    let dir = lay.root().join("containers").join(id);
    let dir = dir.to_str().unwrap();
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let command = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if command.split('\0').skip(3).take(2).eq([kind, dir]) {
            pids.push(pid);
        }
    }
    pids.sort_unstable();
    pids
}

/// Kilobytes of a process in memory, those of files that it shares included (`VmRSS`, proc_pid_status(5)).
fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_container_is_created_started_and_restarted() {
    let lay = Lay::new();
    let script = "trap 'exit 4' TERM; echo run $(cat /count 2>/dev/null); echo x >> /count; while :; do sleep 0.05; done";
    let id = lay.ok(&["create", "--name", "one", "--network", "none", "busybox", "sh", "-c", script]);
    assert_eq!(state(&lay, "one"), "created");
    assert!(lay.ok(&["ps", "-a"]).contains("Created") && lay.ok(&["ps", "-q"]).is_empty());
    assert_eq!(lay.ok(&["start", "one"]), "one");
    assert_eq!(lay.ok(&["start", &id[..5]]), id[..5], "one that runs stays as it is");
    eventually("it has printed", || lay.ok(&["logs", "one"]) == "run");
    lay.ok(&["restart", "one"]);
    eventually("its files are still there", || lay.ok(&["logs", "one"]) == "run\nrun x");
    lay.ok(&["stop", "one"]);
    assert_eq!(inspect(&lay, "one", "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}"), "exited 4 0");
    lay.ok(&["rm", "one"]);
    lay.run(&["start", "one"]).fails(1, "no such container");
    lay.assert_clean();
}

#[test]
fn what_watches_over_a_container_stays_small() {
    // The tables that a debug build has to relocate are larger by 2 MB.
    let most = if cfg!(debug_assertions) { 5120 } else { 3072 };
    let lay = Lay::new();
    lay.ok(&["network", "create", "small"]);
    let health = ["--health-cmd", "true", "--health-interval", "1s"];
    let script = "echo begun; exec sleep 1000";
    let id = lay
        .ok(&[&["run", "-d", "--network", "small"][..], &health, &["busybox", "sh", "-c", script]].concat());
    let pids = [monitors(&lay, &id), attendants(&lay, &id, "names")].concat();
    assert_eq!(pids.len(), 3, "monitor, keeper and name server");
    let are_small = || pids.iter().all(|pid| resident(*pid) <= most);
    eventually("all are small", are_small);
    lay.ok(&["exec", &id, "busybox", "nslookup", &id[..12]]);
    assert_eq!(lay.ok(&["logs", &id]), "begun");
    eventually("it was asked how it is", || inspect(&lay, &id, "{{.State.Health.Status}}") == "healthy");
    eventually("all are small again", are_small);
    lay.ok(&["rm", "-f", &id]);
    lay.ok(&["network", "rm", "small"]);
    lay.assert_clean();
}

#[test]
fn start_can_be_attached() {
    let lay = Lay::new();
    lay.ok(&[
        "create",
        "-i",
        "--name",
        "cat",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "cat; echo bye >&2; exit 6",
    ]);
    for text in ["hello", "again"] {
        let out = lay.run_with(&["start", "-ai", "cat"], text).expect(6);
        assert_eq!((out.stdout.as_str(), out.stderr.as_str()), (text, "bye\n"));
    }
    lay.ok(&["create", "--name", "wrong", "--network", "none", "busybox", "/none"]);
    lay.run(&["start", "-a", "wrong"]).fails(127, "/none");
    lay.run(&["start", "wrong"]).fails(1, "/none");
}

#[test]
fn a_created_container_that_is_to_be_removed_waits_for_its_start() {
    let lay = Lay::new();
    lay.ok(&["create", "--rm", "--name", "once", "--network", "none", "busybox", "echo", "hello"]);
    assert_eq!(lay.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]), "once created");
    assert_eq!(lay.ok(&["start", "-a", "once"]), "hello");
    eventually("it is gone", || lay.ok(&["ps", "-aq"]).is_empty());
    start(&lay, &["--rm", "--name", "kept"], "sleep 60");
    lay.ok(&["restart", "-t", "0", "kept"]);
    assert_eq!(state(&lay, "kept"), "running");
    lay.ok(&["stop", "-t", "0", "kept"]);
    lay.assert_clean();
}

#[test]
fn a_failure_is_tried_again_as_often_as_the_policy_says() {
    let lay = Lay::new();
    start(&lay, &["--name", "bad", "--restart", "on-failure:2"], "echo try; exit 3");
    eventually("it has given up", || {
        inspect(&lay, "bad", "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}") == "2 exited 3"
    });
    assert_eq!(lay.ok(&["logs", "bad"]), "try\ntry\ntry");
    start(&lay, &["--name", "good", "--restart", "on-failure"], "exit 0");
    eventually("success is enough", || state(&lay, "good") == "exited");
    assert_eq!(inspect(&lay, "good", "{{.RestartCount}}"), "0");
    lay.run(&["run", "--rm", "--restart", "always", "busybox", "true"]).fails(125, "contradict");
    lay.run(&["run", "--restart", "sometimes", "busybox", "true"]).fails(125, "on-failure");
}

#[test]
fn one_that_is_always_started_again_ends_when_a_user_says_so() {
    let lay = Lay::new();
    for (name, end) in
        [("stopped", &["stop", "-t", "0"][..]), ("killed", &["kill"]), ("removed", &["rm", "-f"])]
    {
        start(&lay, &["--name", name, "--restart", "always"], "sleep 0.1");
        eventually("it was started again", || inspect(&lay, name, "{{.RestartCount}}") != "0");
        // In the middle of a run or of a pause.
        let mut ended = lay.run(&[end, &[name]].concat());
        if name == "killed" {
            eventually("it could be killed", || {
                ended.code == 0 || {
                    ended = lay.run(&["kill", name]);
                    false
                }
            });
        }
        ended.expect(0);
        if name != "removed" {
            eventually("it has ended", || state(&lay, name) == "exited");
            let restarts = inspect(&lay, name, "{{.RestartCount}}");
            std::thread::sleep(Duration::from_millis(400));
            assert_eq!(
                (state(&lay, name), inspect(&lay, name, "{{.RestartCount}}")),
                ("exited".into(), restarts)
            );
            lay.ok(&["rm", name]);
        }
    }
    lay.assert_clean();
}

#[test]
fn a_stop_ends_the_pause_before_a_start() {
    let lay = Lay::new();
    start(&lay, &["--name", "slow", "--restart", "always"], "exit 1");
    eventually("it waits for seconds", || {
        let count: u32 = inspect(&lay, "slow", "{{.RestartCount}}").parse().unwrap();
        count >= 6 && state(&lay, "slow") == "restarting"
    });
    assert!(lay.ok(&["ps"]).contains("Restarting (1)"));
    lay.run(&["exec", "slow", "true"]).fails(1, "is not running");
    let begin = Instant::now();
    lay.ok(&["stop", "slow"]);
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert_eq!(state(&lay, "slow"), "exited");
}

#[test]
fn what_was_wanted_runs_again_after_a_boot() {
    let lay = Lay::new();
    let wait = "trap 'exit 0' TERM; while :; do sleep 0.05; done";
    let policies = ["no", "on-failure", "always", "unless-stopped"];
    let ids = policies.map(|policy| start(&lay, &["--name", policy, "--restart", policy], wait));
    start(&lay, &["--name", "stopped-always", "--restart", "always"], wait);
    start(&lay, &["--name", "stopped-unless", "--restart", "unless-stopped"], wait);
    lay.ok(&["stop", "stopped-always", "stopped-unless"]);
    // As a power cut would: everything at once, keepers first.
    for id in &ids {
        let pid: i32 = inspect(&lay, id, "{{.State.Pid}}").parse().unwrap();
        monitors(&lay, id).into_iter().for_each(kill);
        kill(pid);
        let stat = format!("/proc/{pid}/stat");
        eventually("it is dead", || std::fs::read_to_string(&stat).map_or(true, |s| s.contains(") Z ")));
    }
    eventually("they are known to be dead", || lay.ok(&["ps", "-q"]).is_empty());
    let mut names: Vec<String> = lay.ok(&["start", "--wanted"]).lines().map(str::to_string).collect();
    names.sort();
    assert_eq!(names, ["always", "on-failure", "stopped-always", "unless-stopped"]);
    // A machine that goes down in order.
    let mut stopped: Vec<String> =
        lay.ok(&["stop", "--all", "--shutdown"]).lines().map(str::to_string).collect();
    stopped.sort();
    assert_eq!(stopped, names);
    assert!(lay.ok(&["ps", "-q"]).is_empty());
    let again = lay.ok(&["start", "--wanted"]);
    assert!(again.contains("unless-stopped") && !again.contains("stopped-unless"), "{again}");
    assert!(!again.contains("on-failure"), "it ended well: {again}");
}

#[test]
fn a_monitor_that_is_killed_has_an_heir() {
    let lay = Lay::new();
    let id = start(
        &lay,
        &["--name", "kept"],
        "while ! test -e /go; do sleep 0.02; done; echo out; echo err >&2; exit 7",
    );
    let [_, monitor] = monitors(&lay, &id)[..] else { panic!("a monitor and a keeper") };
    kill(monitor);
    eventually("it is gone", || monitors(&lay, &id).len() == 1);
    assert_eq!(state(&lay, "kept"), "running");
    lay.ok(&["exec", "kept", "touch", "/go"]);
    assert_eq!(lay.ok(&["wait", "kept"]), "7");
    let logs = lay.run(&["logs", "kept"]).expect(0);
    assert_eq!((logs.stdout.as_str(), logs.stderr.as_str()), ("out\n", "err\n"));
    lay.ok(&["rm", "kept"]);
    // The end itself is not missed either.
    let id = start(&lay, &["--name", "short"], "sleep 0.3; echo last; exit 9");
    kill(monitors(&lay, &id)[1]);
    assert_eq!(lay.ok(&["wait", "short"]), "9");
    assert_eq!(lay.ok(&["logs", "short"]), "last");
    lay.ok(&["rm", "short"]);
    lay.assert_clean();
}

#[test]
fn the_next_command_gives_a_lonely_container_a_monitor() {
    let lay = Lay::new();
    let id = start(&lay, &["--name", "lonely"], "while ! test -e /go; do sleep 0.02; done; exit 5");
    monitors(&lay, &id).into_iter().for_each(kill);
    eventually("they are gone", || monitors(&lay, &id).is_empty());
    assert_eq!(lay.ok(&["ps", "--format", "{{.Names}}"]), "lonely");
    eventually("there is another", || monitors(&lay, &id).len() == 1);
    lay.ok(&["exec", "lonely", "touch", "/go"]);
    let code = lay.ok(&["wait", "lonely"]);
    // Before Linux 6.15, only a zombie tells others than its parent.
    assert!(code == "5" || (code == "137" && crate::support::kernel() < (6, 15)), "{code}");
    lay.ok(&["rm", "lonely"]);
    lay.assert_clean();
}

#[test]
fn a_paused_container_stands_still() {
    let lay = Lay::new();
    start(&lay, &["--name", "clock"], "while :; do echo x >> /ticks; sleep 0.01; done");
    let dir = lay.ok(&["inspect", "-f", "{{.State.Pid}}", "clock"]);
    let ticks = || std::fs::metadata(format!("/proc/{dir}/root/ticks")).map_or(0, |m| m.len());
    eventually("it ticks", || ticks() > 3);
    assert_eq!(lay.ok(&["pause", "clock"]), "clock");
    assert!(lay.ok(&["ps"]).contains("(Paused)"));
    assert_eq!(lay.ok(&["ps", "-q", "-f", "status=paused"]).lines().count(), 1);
    lay.run(&["pause", "clock"]).fails(1, "is paused");
    lay.run(&["exec", "clock", "true"]).fails(1, "lay unpause clock");
    let before = ticks();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(ticks(), before);
    lay.ok(&["unpause", "clock"]);
    lay.run(&["unpause", "clock"]).fails(1, "is not paused");
    eventually("it ticks again", || ticks() > before);
    lay.ok(&["pause", "clock"]);
    let begin = Instant::now();
    lay.ok(&["kill", "clock"]);
    assert_eq!(lay.ok(&["wait", "clock"]), "137");
    assert!(begin.elapsed() < Duration::from_secs(5));
    lay.ok(&["rm", "clock"]);
    start(&lay, &["--name", "asked"], "trap 'exit 8' TERM; echo ready; while :; do sleep 0.02; done");
    eventually("it can be asked", || lay.ok(&["logs", "asked"]) == "ready");
    lay.ok(&["pause", "asked"]);
    lay.ok(&["stop", "asked"]);
    assert_eq!(lay.ok(&["wait", "asked"]), "8");
}

#[test]
fn a_container_takes_another_name() {
    let lay = Lay::new();
    let id = start(&lay, &["--name", "first"], "sleep 60");
    start(&lay, &["--name", "other"], "sleep 60");
    lay.run(&["rename", "first", "other"]).fails(1, "already in use");
    lay.run(&["rename", "first", "no/name"]).fails(1, "invalid container name");
    lay.ok(&["rename", "first", "second"]);
    lay.run(&["inspect", "--type", "container", "first"]).fails(1, "no such container");
    assert_eq!(inspect(&lay, "second", "{{.Id}}"), id);
    lay.ok(&["rename", "other", "first"]);
    lay.ok(&["rm", "-f", "first", "second"]);
    lay.assert_clean();
}

#[test]
fn a_new_name_and_new_limits_at_one_time_both_last() {
    let lay = Lay::new();
    let id = lay.ok(&["create", "--name", "n0", "busybox", "true"]);
    std::thread::scope(|scope| {
        scope.spawn(|| (1..30).for_each(|i| drop(lay.ok(&["rename", &id, &format!("n{i}")]))));
        scope.spawn(|| (1..30).for_each(|i| drop(lay.ok(&["update", "--pids-limit", &i.to_string(), &id]))));
    });
    let fields = "{{.Name}} {{.HostConfig.PidsLimit}}";
    assert_eq!(inspect(&lay, &id, fields), "n29 29");
    lay.ok(&["rm", "n29"]);
    lay.assert_clean();
}

/// Runs a command on a terminal, types what is to be typed when it has printed what is expected, and returns all that it showed.
fn on_terminal(lay: &Lay, args: &[&str], typed: &[(&str, &[u8])]) -> (i32, String) {
    use std::io::Read;
    let command: Vec<String> = [env!("CARGO_BIN_EXE_lay")]
        .iter()
        .chain(args)
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
        .collect();
    let mut script = Command::new("script");
    script.args(["-qec", &command.join(" "), "/dev/null"]).env("TERM", "xterm");
    script.env("LAY_ROOT", lay.root()).env("LAY_CONFIG", lay.dir().join("config.toml"));
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
    let mut typed = typed.iter();
    let mut next = typed.next();
    loop {
        while let Some((expected, keys)) = next
            && String::from_utf8_lossy(&shown).contains(expected)
        {
            input.write_all(keys).unwrap();
            next = typed.next();
        }
        match output.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => shown.extend_from_slice(&buffer[..read]),
        }
    }
    let code = child.wait().unwrap().code().unwrap();
    (code, String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn a_terminal_can_leave_and_come_back() {
    let lay = Lay::new();
    lay.ok(&["ps"]);
    let args = ["run", "-it", "--name", "shell", "--network", "none", "busybox", "sh"];
    let (code, shown) = on_terminal(&lay, &args, &[("#", b"echo $((40+2))\n"), ("42", b"\x10\x11")]);
    assert_eq!(code, 0, "{shown}");
    assert_eq!(state(&lay, "shell"), "running");
    let typed: &[(&str, &[u8])] = &[("", b"echo $((50+3))\n"), ("53", b"exit 5\n")];
    let (code, shown) = on_terminal(&lay, &["attach", "shell"], typed);
    assert_eq!(code, 5, "{shown}");
    assert_eq!(inspect(&lay, "shell", "{{.State.ExitCode}}"), "5");
    lay.run(&["attach", "shell"]).fails(1, "is not running");
    lay.ok(&["rm", "shell"]);
    let other_keys =
        ["run", "-it", "--rm", "--detach-keys", "ctrl-x,q", "--network", "none", "busybox", "cat"];
    let (code, shown) = on_terminal(&lay, &other_keys, &[("", b"abc\n"), ("abc\r\nabc", b"\x18q")]);
    assert_eq!(code, 0, "{shown}");
    let name = lay.ok(&["ps", "-q"]);
    lay.ok(&["rm", "-f", &name]);
    lay.assert_clean();
}

#[test]
fn everyone_who_is_attached_sees_everything() {
    let lay = Lay::new();
    let script = "read line; i=0; while [ $i -lt 20000 ]; do echo $i $line; i=$((i+1)); done; exit 2";
    start(&lay, &["-i", "--name", "many"], script);
    let attach = || {
        let mut command = lay.command(&["attach", "many"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    };
    let (first, mut second) = (attach(), attach());
    std::thread::sleep(Duration::from_millis(300));
    second.stdin.take().unwrap().write_all(b"word\n").unwrap();
    let expected: String = (0..20000).map(|i| format!("{i} word\n")).collect();
    let threads = [first, second].map(|child| std::thread::spawn(|| child.wait_with_output().unwrap()));
    for thread in threads {
        let out = thread.join().unwrap();
        assert_eq!(out.status.code(), Some(2));
        assert!(out.stdout == expected.as_bytes(), "{} of {} bytes", out.stdout.len(), expected.len());
    }
    assert_eq!(lay.ok(&["logs", "many"]), expected.trim_end());
    start(&lay, &["--name", "plain"], "echo here; sleep 60");
    let mut child =
        lay.command(&["run", "--rm", "--name", "front", "--network", "none", "busybox", "sleep", "60"]);
    let child = child.spawn().unwrap();
    eventually("it runs", || lay.ok(&["ps"]).contains("front"));
    lay.run(&["attach", "front"]).fails(1, "in the foreground of another command");
    lay.ok(&["rm", "-f", "front"]);
    drop(child.wait_with_output());
}

fn health(lay: &Lay, name: &str) -> Value {
    serde_json::from_str(&inspect(lay, name, "{{json .State.Health}}")).unwrap()
}

#[test]
fn health_checks_find_out_how_a_container_is() {
    let lay = Lay::new();
    let flags =
        ["--name", "patient", "--health-cmd", "echo asked; test -e /well", "--health-interval", "100ms"];
    start(&lay, &[&flags[..], &["--health-retries", "2"]].concat(), "sleep 60");
    assert!(lay.ok(&["ps"]).contains("(health: starting)"));
    eventually("it is unhealthy", || lay.ok(&["ps"]).contains("(unhealthy)"));
    let found = health(&lay, "patient");
    assert!(found["FailingStreak"].as_u64().unwrap() >= 2, "{found}");
    assert_eq!(
        (found["Log"][0]["ExitCode"].as_i64(), found["Log"][0]["Output"].as_str()),
        (Some(1), Some("asked\n"))
    );
    lay.run(&["healthcheck", "run", "patient"]).fails(1, "asked");
    lay.ok(&["exec", "patient", "touch", "/well"]);
    eventually("it is healthy", || lay.ok(&["ps", "-q", "-f", "health=healthy"]).lines().count() == 1);
    lay.ok(&["healthcheck", "run", "patient"]);
    assert_eq!(health(&lay, "patient")["FailingStreak"], 0);
    let slow = [
        "--name",
        "slow",
        "--health-cmd",
        "sleep 30",
        "--health-interval",
        "50ms",
        "--health-timeout",
        "100ms",
    ];
    start(&lay, &[&slow[..], &["--health-retries", "1"]].concat(), "sleep 60");
    eventually("it takes too long", || {
        lay.ok(&["ps"]).contains("slow") && health(&lay, "slow")["Status"] == "unhealthy"
    });
    let log = health(&lay, "slow")["Log"][0].clone();
    assert_eq!(log["ExitCode"], -1);
    assert!(log["Output"].as_str().unwrap().contains("exceeded timeout"), "{log}");
    lay.ok(&["rm", "-f", "slow", "patient"]);
    lay.assert_clean();
}

#[test]
fn an_image_can_say_how_its_containers_are_asked() {
    let lay = Lay::new();
    let file = lay.dir().join("Containerfile");
    std::fs::write(&file, "FROM busybox\nHEALTHCHECK --interval=100ms --retries=1 CMD test -e /well\n")
        .unwrap();
    let file = file.to_str().unwrap();
    let context = lay.dir().join("context");
    std::fs::create_dir(&context).unwrap();
    lay.ok(&["build", "-q", "-t", "asked", "-f", file, context.to_str().unwrap()]);
    let run = |flags: &[&str]| {
        let base = ["run", "-d", "--network", "none"];
        lay.ok(&[&base[..], flags, &["asked", "sleep", "60"]].concat())
    };
    run(&["--name", "sick"]);
    eventually("it is unhealthy", || lay.ok(&["ps"]).contains("(unhealthy)"));
    run(&["--name", "unasked", "--no-healthcheck"]);
    lay.run(&["healthcheck", "run", "unasked"]).fails(1, "no health check");
    assert_eq!(inspect(&lay, "unasked", "{{json .State.Health}}"), "null");
}

#[test]
fn exec_can_go_to_the_background() {
    let lay = Lay::new();
    start(&lay, &["--name", "base"], "sleep 60");
    let script = "while [ ! -e /go ]; do sleep 0.1; done; echo $A > /done";
    assert_eq!(lay.ok(&["exec", "-d", "-e", "A=b", "base", "sh", "-c", script]), "", "it does not wait");
    lay.ok(&["exec", "base", "touch", "/go"]);
    eventually("it was done", || lay.run(&["exec", "base", "cat", "/done"]).stdout == "b\n");
    lay.run(&["exec", "-d", "base", "/none"]).fails(127, "/none");
}

#[test]
fn a_container_has_a_time_to_stop_of_its_own() {
    let lay = Lay::new();
    start(&lay, &["--name", "deaf", "--stop-timeout", "1"], "trap '' TERM; while :; do sleep 0.05; done");
    let begin = Instant::now();
    lay.ok(&["stop", "deaf"]);
    let took = begin.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn the_code_of_one_that_is_removed_at_its_end_is_told() {
    let lay = Lay::new();
    start(&lay, &["--rm", "--name", "short"], "read line; sleep 0.3; exit 6");
    let waits: Vec<_> =
        (0..4).map(|_| lay.command(&["wait", "short"]).stdout(Stdio::piped()).spawn().unwrap()).collect();
    for wait in waits {
        let out = String::from_utf8(wait.wait_with_output().unwrap().stdout).unwrap();
        assert!(out == "6\n" || (out == "137\n" && crate::support::kernel() < (6, 15)), "{out}");
    }
    eventually("it is gone", || lay.ok(&["ps", "-aq"]).is_empty());
    lay.assert_clean();
}
