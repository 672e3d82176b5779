//! Flags of `lay run` that loosen or tighten a container: each by its effect.

use crate::support::Lay;

fn none(flags: &[&str], script: &str) -> String {
    let lay = Lay::new();
    let output = lay.sh(&[&["--network", "none"], flags].concat(), "busybox", script);
    lay.assert_clean();
    output
}

#[test]
fn a_privileged_container_may_do_all() {
    let script = "grep -c '0 *0 *4294967295' /proc/self/uid_map; grep Seccomp: /proc/self/status; \
                  mount -t tmpfs x /tmp && echo mounted; test -w /proc/sys/kernel/hostname && echo writable; ls -d /dev/kmsg";
    assert_eq!(none(&["--privileged"], script), "1\nSeccomp:\t0\nmounted\nwritable\n/dev/kmsg");
}

#[test]
fn paths_of_the_system_are_masked_unless_told_otherwise() {
    let script = "grep -c ' /proc/timer_list \\| /proc/sys ' /proc/self/mountinfo; true";
    assert_eq!(none(&[], script), "2");
    assert_eq!(
        none(&["--security-opt", "systempaths=unconfined", "--security-opt", "label=disable"], script),
        "0"
    );
}

#[test]
fn devices_are_given_and_bounded() {
    let script = "stat -c %t:%T /dev/zip; head -c 3 /dev/zip | wc -c; echo x > /dev/zip || echo refused";
    // Major 1, minor 5: what /dev/zero is; the rule for that device lets everybody write it, so another is tried as well.
    assert_eq!(none(&["--device", "/dev/zero:/dev/zip:r"], script), "1:5\n3");
    let script = "mknod /tmp/full c 10 237; head -c 0 /tmp/full && echo usable";
    let host = ["--userns", "host"];
    assert_eq!(none(&[&host[..], &["--device-cgroup-rule", "c 10:237 rwm"]].concat(), script), "usable");
    let refused = "mknod /tmp/full c 10 237; cat /tmp/full 2>&1 | head -1";
    assert!(none(&host, refused).contains("Operation not permitted"));
    let lay = Lay::new();
    lay.run(&["run", "--rm", "--device", "/dev/none", "busybox", "true"]).fails(125, "/dev/none");
    lay.run(&["run", "--rm", "--device", "/etc/passwd", "busybox", "true"]).fails(125, "it is no device");
}

#[test]
fn limits_of_the_process_are_set() {
    let flags = ["--ulimit", "nofile=100:200", "--ulimit", "core=0", "--oom-score-adj", "500"];
    let script = "ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj";
    assert_eq!(none(&flags, script), "100\n200\n0\n500");
}

#[test]
fn shared_memory_and_kernel_parameters_are_its_own() {
    let flags =
        ["--shm-size", "10m", "--sysctl", "kernel.shmmax=12345678", "--sysctl", "net.ipv4.ip_forward=1"];
    let script = "df -k /dev/shm | tail -1 | while read a b c; do echo $b; done; \
                  cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_forward";
    assert_eq!(none(&flags, script), "10240\n12345678\n1");
    let lay = Lay::new();
    let panic = ["run", "--rm", "--sysctl", "kernel.panic=1", "busybox", "true"];
    lay.run(&panic).fails(125, "kernel.panic is not a parameter of a namespace");
}

#[test]
fn namespaces_are_shared_with_the_host_on_request() {
    let own = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap().display().to_string();
    for (flag, name) in [("--pid", "pid"), ("--ipc", "ipc"), ("--uts", "uts"), ("--cgroupns", "cgroup")] {
        let script = format!("busybox readlink /proc/self/ns/{name}");
        assert_eq!(none(&[flag, "host"], &script), own(name), "{flag}");
        assert_ne!(none(&[], &script), own(name), "{flag}");
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(none(&["--uts", "host"], "hostname"), name.trim(), "and the host keeps its name");
}

#[test]
fn namespaces_of_another_container_are_joined() {
    let lay = Lay::new();
    lay.ok(&["run", "-d", "--name", "base", "--network", "none", "busybox", "sleep", "100"]);
    let inside =
        |name: &str| lay.ok(&["exec", "base", "busybox", "readlink", &format!("/proc/self/ns/{name}")]);
    for (flag, name) in [("--pid", "pid"), ("--ipc", "ipc"), ("--uts", "uts")] {
        let script = format!("busybox readlink /proc/self/ns/{name}");
        assert_eq!(lay.sh(&["--network", "none", flag, "container:base"], "busybox", &script), inside(name));
    }
    let script = "ps | grep -c 'sleep 100'; busybox tr '\\0' ' ' </proc/1/cmdline";
    let seen = lay.sh(&["--network", "none", "--pid", "container:base"], "busybox", script);
    assert!(seen.ends_with("sleep 100"), "{seen}");
    lay.ok(&["exec", "base", "sh", "-c", "echo shared > /dev/shm/file"]);
    let shm = lay.sh(&["--network", "none", "--ipc", "container:base"], "busybox", "cat /dev/shm/file");
    assert_eq!(shm, "shared");
    lay.run(&["run", "--rm", "--pid", "container:none", "busybox", "true"]).fails(125, "none");
}

#[test]
fn limits_are_changed_while_a_container_runs() {
    let lay = Lay::new();
    lay.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "100"]);
    lay.ok(&["update", "-m", "50m", "--memory-swap", "60m", "--pids-limit", "9", "--cpus", "0.5", "box"]);
    let stats = lay.ok(&["stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}} {{.PIDs}}", "box"]);
    assert!(stats.starts_with("box ") && stats.ends_with("/ 50MiB 1"), "{stats}");
    let bomb = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done 2>&1; wait";
    let out = lay.run(&["exec", "box", "sh", "-c", bomb]);
    assert!(format!("{}{}", out.stdout, out.stderr).contains("fork"), "{}{}", out.stdout, out.stderr);
    lay.run(&["update", "--kernel-memory", "4m", "box"]).fails(1, "--kernel-memory is not supported");
    lay.run(&["update", "box"]).fails(1, "nothing to update");
    lay.run(&["update", "-m", "1m", "box"]).fails(1, "the minimum is 6m");
    let json = lay.ok(&["stats", "--no-stream", "--format", "json"]);
    assert!(json.contains("\"CPUNanoseconds\""), "{json}");
    lay.ok(&["rm", "-f", "box"]);
    lay.assert_clean();
}

#[test]
fn a_quota_stops_the_processor() {
    let lay = Lay::new();
    let busy = "while true; do :; done";
    let flags =
        ["run", "-d", "--name", "busy", "--network", "none", "--cpu-period", "50000", "--cpu-quota", "10000"];
    lay.ok(&[&flags[..], &["busybox", "sh", "-c", busy]].concat());
    std::thread::sleep(std::time::Duration::from_secs(2));
    let stats: serde_json::Value =
        serde_json::from_str(&lay.ok(&["stats", "--no-stream", "--format", "json", "busy"])).unwrap();
    let raw = |field: &str| stats["Raw"][field].as_u64().unwrap() as f64 / 1e9;
    assert!(raw("ThrottledNanoseconds") > 0.5, "{stats}");
    assert!(raw("CPUNanoseconds") < 0.9, "20 % of two to three seconds: {stats}");
    lay.ok(&["rm", "-f", "busy"]);
}
