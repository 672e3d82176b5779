//! `lay group`: limits that containers and processes share, by their effect.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Lay, eventually};

fn inspect(lay: &Lay, name: &str) -> Value {
    let all: Value = serde_json::from_str(&lay.ok(&["group", "inspect", name])).unwrap();
    all[0].clone()
}

#[test]
fn containers_and_processes_share_a_group_s_budget() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    lay.ok(&["group", "create", "demogrp", "--cpus", "0.3", "-m", "100m", "--memory-swappiness", "0"]);
    lay.run(&["group", "create", "demogrp"]).fails(1, "there is a resource group demogrp already");
    let busy = ["sh", "-c", "while true; do :; done"];
    let run = ["run", "-d", "--network", "none", "--group", "demogrp"];
    for name in ["one", "two"] {
        lay.ok(&[&run[..], &["--name", name, "busybox"], &busy].concat());
    }
    let mut process = lay.command(&[&["group", "exec", "demogrp"], &busy[..]].concat()).spawn().unwrap();
    eventually("the process is in the group", || {
        inspect(&lay, "demogrp")["Processes"].as_array().unwrap().len() == 1
    });
    let used = || inspect(&lay, "demogrp")["Stats"]["cpu"]["usage"].as_u64().unwrap() as f64 / 1e9;
    let (before, started) = (used(), Instant::now());
    std::thread::sleep(Duration::from_secs(3));
    let share = (used() - before) / started.elapsed().as_secs_f64();
    assert!((0.2..0.37).contains(&share), "three busy loops got {share} processors of 0.3");
    lay.run(&["group", "rm", "demogrp"]).fails(1, "resource group demogrp is in use by container");
    lay.ok(&["rm", "-f", "one", "two"]);
    lay.run(&["group", "rm", "demogrp"]).fails(1, "in use by process");
    process.kill().unwrap();
    process.wait().unwrap();
    lay.ok(&["group", "rm", "demogrp"]);
    assert_eq!(lay.ok(&["group", "ls", "--format", "{{.Name}}"]), "");
    lay.assert_clean();
}

#[test]
fn memory_of_a_group_is_bounded_for_all_in_it() {
    let lay = Lay::new();
    lay.ok(&["group", "create", "small", "-m", "40m", "--memory-swap", "40m"]);
    // Each stays below any limit of its own; both together do not fit.
    let eat = "dd if=/dev/zero of=/dev/shm/x bs=1M count=25 2>/dev/null && echo fits; sleep 60";
    let run = ["run", "--network", "none", "--group", "small", "--shm-size", "60m"];
    lay.ok(&[&run[..], &["-d", "--name", "one", "busybox", "sh", "-c", eat]].concat());
    eventually("the first fits", || lay.ok(&["logs", "one"]) == "fits");
    let second = lay.run(
        &[
            &run[..],
            &["--name", "two", "busybox", "sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=25"],
        ]
        .concat(),
    );
    let killed = second.code != 0 || lay.ok(&["ps", "--format", "{{.Names}}"]).is_empty();
    assert!(killed, "50 MB in 40: {}", second.stdout);
    lay.ok(&["rm", "-f", "one", "two"]);
    lay.ok(&["group", "rm", "small"]);
    lay.assert_clean();
}

#[test]
fn files_of_libcgroup_are_read_and_rules_place_containers() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let (config, rules) = (lay.dir().join("cgconfig.conf"), lay.dir().join("cgrules.conf"));
    let text = "group demogrp { perm { task { uid = root; } }\n cpu { cpu.shares = 512; }\n cpuset { cpuset.cpus = 0; cpuset.mems = 0; }\n\
                memory { memory.limit_in_bytes = 64m; memory.kmem.limit_in_bytes = 1m; } }\n";
    std::fs::write(&config, text).unwrap();
    std::fs::write(&rules, "*:while1 demogrp/\n").unwrap();
    let imported = lay.run(&["group", "import", config.to_str().unwrap()]);
    assert_eq!((imported.code, imported.stdout.as_str()), (0, "demogrp\n"));
    assert!(imported.stderr.contains("memory.kmem.limit_in_bytes was not taken over"));
    lay.ok(&["group", "import", rules.to_str().unwrap()]);
    let group = inspect(&lay, "demogrp");
    assert_eq!(group["Resources"]["memory"], 64 << 20);
    assert_eq!(group["Rules"][0]["command"], "while1");
    let placed = |args: &[&str]| {
        lay.ok(&[&["run", "-d", "--name", "placed", "--network", "none", "busybox"], args].concat());
        let pid = lay.ok(&["inspect", "-f", "{{.State.Pid}}", "placed"]);
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        lay.ok(&["rm", "-f", "placed"]);
        groups.contains("/groups/demogrp/")
    };
    assert!(!placed(&["sleep", "60"]));
    lay.ok(&["group", "rule", "demogrp", "--command", "sleep"]);
    assert!(placed(&["sleep", "60"]), "by its command");
    lay.ok(&["group", "rule", "demogrp", "--reset", "--image", "busybox"]);
    assert!(placed(&["sh", "-c", "sleep 60"]), "by its image");
    lay.ok(&["group", "apply"]);
    let mut sleeper = std::process::Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
    let pid = sleeper.id().to_string();
    lay.ok(&["group", "attach", "demogrp", &pid]);
    assert!(std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap().contains("/groups/demogrp/"));
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    lay.run(&["run", "--rm", "--group", "none", "busybox", "true"])
        .fails(125, "no such resource group: none");
    lay.run(&["group", "import", "/etc/passwd"]).fails(1, "line 1");
    lay.ok(&["group", "rm", "demogrp"]);
    lay.assert_clean();
}

#[test]
fn files_as_the_manual_pages_have_them_are_read() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let import = |name: &str, text: &str| {
        let path = lay.dir().join(name);
        std::fs::write(&path, text).unwrap();
        lay.run(&["group", "import", path.to_str().unwrap()])
    };
    let config = "mount { cpu = \"/mnt/cgroups/cpu\"; }\ndefault { perm { task { uid = root; } } }\n\
        group daemons/www {\n perm { task { uid = root; gid = webmaster; fperm = 770; } admin { uid = root; dperm = 775; } }\n\
        cpu { cpu.shares = \"1000\"; } }\ngroup default { cpu { cpu.shares = 500; } }\n\
        template users/%u { cpu { cpu.shares = 10; } }\nnamespace { cpu = daemons/www; }\n";
    let imported = import("cgconfig.conf", config);
    assert_eq!(
        (imported.code, imported.stdout.as_str()),
        (0, "daemons-www\ndefault\n"),
        "{}",
        imported.stderr
    );
    assert!(imported.stderr.contains("template users/%u was not taken over"), "{}", imported.stderr);
    let rules = "student cpu,memory users/%u/\n*:sleep * daemons/www\n@nosuchgroup * default/\n% memory x/\n* * default/\n";
    let imported = import("cgrules.conf", rules);
    let told: Vec<&str> = imported.stderr.lines().collect();
    assert_eq!((imported.code, told.len()), (0, 2), "{told:?}");
    assert!(told[0].contains("line 1 was not taken over") && told[1].contains("line 4"), "{told:?}");
    // The first line that fits counts, and not the first group by name.
    for (args, group) in [(["sleep", "60"], "daemons-www"), (["tail", "-f"], "default")] {
        let run = ["run", "-d", "--name", "placed", "--network", "none", "busybox"];
        lay.ok(&[&run[..], &args, &["/dev/null"][..usize::from(args[0] == "tail")]].concat());
        let pid = lay.ok(&["inspect", "-f", "{{.State.Pid}}", "placed"]);
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        lay.ok(&["rm", "-f", "placed"]);
        assert!(groups.contains(&format!("/groups/{group}/")), "{groups}");
    }
    // A rule for a group that is not there changes nothing.
    import("more.conf", "a * default/\nb * nowhere/\n").fails(1, "no such resource group: nowhere");
    assert_eq!(inspect(&lay, "default")["Rules"].as_array().unwrap().len(), 2);
    lay.ok(&["group", "rm", "daemons-www", "default"]);
    lay.assert_clean();
}
