//! `--userns`, `--uidmap` and `--gidmap`: which ids a container has, inside and outside.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use crate::support::Lay;

/// The lines of a table of ids, as numbers.
fn numbers(text: &str) -> Vec<Vec<u32>> {
    text.lines().map(|line| line.split_whitespace().map(|n| n.parse().unwrap()).collect()).collect()
}

fn maps_of(lay: &Lay, name: &str) -> Vec<Vec<u32>> {
    numbers(&lay.ok(&["exec", name, "cat", "/proc/self/uid_map", "/proc/self/gid_map"]))
}

fn start(lay: &Lay, name: &str, flags: &[&str]) {
    let args = [&["run", "-d", "--name", name, "--network", "none"], flags, &["busybox", "sleep", "1000"]];
    lay.ok(&args.concat());
}

/// First host id that is this test's alone.
fn base(lay: &Lay) -> u32 {
    0x5000_0000 + lay.slot * 0x40_0000
}

/// Ids that are taken, from the names of their files.
fn claims(lay: &Lay) -> usize {
    std::fs::read_dir(lay.root().join("ids")).unwrap().count()
}

/// Runs a command where `mounts`, a script whose `$0` is the test's directory, has changed what is mounted.
fn run_among(lay: &Lay, mounts: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let ours = lay.command(args);
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", &format!("{mounts}; exec \"$@\"")]);
    command.arg(lay.dir()).arg(ours.get_program()).args(ours.get_args());
    command.envs(ours.get_envs().filter_map(|(k, v)| Some((k, v?)))).stdin(Stdio::null());
    let out = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_string();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn a_container_has_as_many_ids_as_it_was_promised() {
    let lay = Lay::new();
    let run = |size: &str, script: &str| lay.sh(&["--network", "none", "--userns", size], "busybox", script);
    for (mode, size) in [("auto", 65_536), ("auto:size=1000", 1000), ("auto:size=100000", 100_000)] {
        let maps = numbers(&run(mode, "cat /proc/self/uid_map /proc/self/gid_map"));
        assert!(maps.len() == 2 && maps.iter().all(|map| map[0] == 0 && map[2] == size), "{mode}: {maps:?}");
    }
    // All that a container brings works with root alone: terminals belong to group 5 elsewhere.
    assert_eq!(
        run("auto:size=1", "id -u; ls /dev/pts; cat /proc/sys/net/ipv4/ping_group_range"),
        "0\nptmx\n0\t0"
    );
    assert_eq!(run("auto:size=100000", "chown 99999 /tmp && stat -c %u /tmp"), "99999");
    for (mode, user, id) in [("auto:size=1000", "1000", "user 1000"), ("auto:size=5", "0:5", "group 5")] {
        let flags = ["run", "--rm", "--network", "none", "--userns", mode, "-u", user, "busybox", "true"];
        let out = lay.run(&flags);
        assert!(out.code == 125 && out.stderr.contains(&format!("has no {id};")), "{}", out.stderr);
    }
    let out = lay.run(&["run", "--rm", "--userns", "auto:size=400000000", "busybox", "true"]);
    assert!(out.code == 125 && out.stderr.contains("no 400000000 ids in a row are free"), "{}", out.stderr);
    assert_eq!(claims(&lay), 0);
    lay.assert_clean();
}

#[test]
fn containers_of_all_sizes_share_no_id() {
    let lay = Lay::new();
    for (name, mode) in [("c1", "auto"), ("c2", "auto:size=70000"), ("c3", "auto:size=1"), ("c4", "auto")] {
        start(&lay, name, &["--userns", mode]);
    }
    let ranges = ["c1", "c2", "c3", "c4"].map(|name| maps_of(&lay, name)[0].clone());
    for (i, a) in ranges.iter().enumerate() {
        for b in &ranges[i + 1..] {
            assert!(a[1] + a[2] <= b[1] || b[1] + b[2] <= a[1], "{ranges:?}");
        }
    }
}

#[test]
fn the_ids_of_the_machine_s_subuid_are_used() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let config = std::fs::read_to_string(lay.dir().join("config.toml")).unwrap();
    let first = base(&lay) + 5;
    let before = config.split("[userns]").next().unwrap();
    std::fs::write(lay.dir().join("config.toml"), before).unwrap();
    let file = |name: &str, text: String| std::fs::write(lay.dir().join(name), text).unwrap();
    file("subuid", format!("ann:100000:65536\ncontainers:{first}:70000\n"));
    file("subgid", format!("containers:{}:70000\n", first + 500));
    let mounts = "mount --bind \"$0/subuid\" /etc/subuid; mount --bind \"$0/subgid\" /etc/subgid";
    let run = |args: &[&str]| run_among(&lay, mounts, args);
    let info = run(&["info", "--format", "{{.UsernsPool}}: {{.UsernsPoolReason}}"]);
    let expected = format!(
        "{first}:70000 (groups {}:70000): /etc/subuid and /etc/subgid give them to containers",
        first + 500
    );
    assert_eq!(info, (Some(0), expected, String::new()));
    let show = ["cat", "/proc/self/uid_map", "/proc/self/gid_map"];
    let (code, started, stderr) =
        run(&["run", "-d", "--name", "one", "--network", "none", "busybox", "sleep", "1000"]);
    assert_eq!(code, Some(0), "{started}{stderr}");
    assert_eq!(maps_of(&lay, "one"), [[0, first, 65_536], [0, first + 500, 65_536]]);
    let other = ["run", "--rm", "--network", "none", "busybox", "true"];
    let (code, _, stderr) = run(&other);
    assert!(code == Some(125) && stderr.contains("no 65536 ids in a row are free"), "{stderr}");
    let small = [&["run", "--rm", "--network", "none", "--userns", "auto:size=4464", "busybox"], &show[..]];
    let (code, maps, stderr) = run(&small.concat());
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(numbers(&maps), [[0, first + 65_536, 4464], [0, first + 500 + 65_536, 4464]]);
}

#[test]
fn ids_are_mapped_as_told() {
    let lay = Lay::new();
    let base = base(&lay) + 17;
    let flags = [
        format!("--uidmap=0:{base}:1000"),
        format!("--uidmap=1000:{}", base + 5000),
        format!("--gidmap=0:{}:2000", base + 10_000),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    start(&lay, "told", &[&flags[..], &["-u", "1000"]].concat());
    let expected = [vec![0, base, 1000], vec![1000, base + 5000, 1], vec![0, base + 10_000, 2000]];
    assert_eq!(maps_of(&lay, "told"), expected);
    let shown =
        lay.ok(&["inspect", "-f", "{{.HostConfig.UsernsMode}} {{json .HostConfig.IDMappings}}", "told"]);
    let (mode, maps) = shown.split_once(' ').unwrap();
    let maps: serde_json::Value = serde_json::from_str(maps).unwrap();
    assert_eq!(
        (mode, maps["UidMap"][1].as_str()),
        ("private", Some(format!("1000:{}:1", base + 5000).as_str()))
    );
    let pid = lay.ok(&["inspect", "-f", "{{.State.Pid}}", "told"]);
    let outside = std::fs::metadata(format!("/proc/{pid}")).unwrap();
    assert_eq!((outside.uid(), outside.gid()), (base + 5000, base + 10_000 + 1001));
    // Layers, changes and binds hold the ids that the container sees.
    let bind = lay.dir().join("bind");
    std::fs::create_dir(&bind).unwrap();
    std::os::unix::fs::chown(&bind, Some(1000), Some(7)).unwrap();
    let volume = format!("{}:/mnt", bind.display());
    let script = "stat -c %u:%g /mnt; touch /mnt/by-root /mine; chown 7:8 /mnt/by-root /mine";
    let made = [&["run", "--name", "made", "--network", "none", "-v", &volume], &flags[..]].concat();
    assert_eq!(lay.ok(&[&made[..], &["busybox", "sh", "-c", script]].concat()), "1000:7");
    let file = std::fs::metadata(bind.join("by-root")).unwrap();
    assert_eq!((file.uid(), file.gid()), (7, 8));
    lay.ok(&["commit", "made", "taken"]);
    assert_eq!(lay.sh(&["--network", "none"], "taken", "stat -c %u:%g /mine"), "7:8");
    // A second container may have the same ids, but none that has ids of its own.
    start(&lay, "same", &flags);
    assert_eq!(maps_of(&lay, "same"), expected);
    lay.ok(&["rm", "-f", "told", "same", "made"]);
    assert_eq!(claims(&lay), 0);
}

#[test]
fn ids_that_were_told_are_not_given_away() {
    let lay = Lay::new();
    let first = base(&lay);
    let config = std::fs::read_to_string(lay.dir().join("config.toml")).unwrap();
    let shrunk = config.replace(&format!("count = {}", 0x40_0000), "count = 100");
    std::fs::write(lay.dir().join("config.toml"), shrunk).unwrap();
    start(&lay, "told", &["--uidmap", &format!("0:{}:10", first + 20)]);
    let run = |size: &str| {
        let command = ["busybox", "cat", "/proc/self/uid_map"];
        lay.run(&[&["run", "--rm", "--network", "none", "--userns", size][..], &command].concat())
    };
    let maps = numbers(&run("auto:size=70").expect(0).stdout);
    assert_eq!(maps, [[0, first + 30, 70]]);
    run("auto:size=71").expect(125);
    lay.ok(&["rm", "-f", "told"]);
    run("auto:size=100").expect(0);
}

#[test]
fn containers_can_live_in_one_user_namespace() {
    let lay = Lay::new();
    start(&lay, "first", &[]);
    start(&lay, "second", &["--userns", "container:first"]);
    let namespace = |name: &str| {
        let pid = lay.ok(&["inspect", "-f", "{{.State.Pid}}", name]);
        std::fs::read_link(format!("/proc/{pid}/ns/user")).unwrap()
    };
    assert_eq!(namespace("first"), namespace("second"));
    let maps = maps_of(&lay, "first");
    assert_eq!(maps, maps_of(&lay, "second"));
    lay.ok(&["exec", "second", "sh", "-c", "touch /own && test $(stat -c %u /own) = 0"]);
    assert_eq!(lay.run(&["exec", "first", "test", "-e", "/own"]).code, 1, "only ids are shared");
    let signal = "kill -0 $(ps -o pid,args | awk '/sleep 1000/ {print $1; exit}') && echo reached";
    let both = ["--network", "none", "--userns", "container:first", "--pid", "container:first"];
    assert_eq!(lay.sh(&both, "busybox", signal), "reached");
    // The second keeps the ids when the first is gone.
    lay.ok(&["rm", "-f", "first"]);
    assert_eq!(lay.ok(&["exec", "second", "id", "-u"]), "0");
    assert_eq!((maps_of(&lay, "second"), claims(&lay)), (maps, 2));
    let out = lay.run(&["run", "--rm", "--userns", "container:first", "busybox", "true"]);
    assert!(out.code == 125 && out.stderr.contains("no such container: first"), "{}", out.stderr);
    lay.ok(&["rm", "-f", "second"]);
    assert_eq!(claims(&lay), 0);
}

#[test]
fn what_cannot_be_mapped_is_refused_with_the_way_out() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let bind = ["-v", "/sys/kernel:/x:ro", "busybox", "ls", "/x"];
    let out = lay.run(&[&["run", "--rm", "--network", "none"], &bind[..]].concat());
    let said = "the owners of files in /sys/kernel cannot be mapped";
    assert!(out.code == 125 && out.stderr.contains(said), "{}", out.stderr);
    assert!(out.stderr.contains("'--userns host' does without") && out.stderr.lines().count() == 1);
    lay.run(&[&["run", "--rm", "--network", "none", "--userns", "host"], &bind[..]].concat()).expect(0);
    for (flags, reason) in [
        (&["--uidmap", "1:100000:10"][..], "id 0 of the container has to be mapped"),
        (&["--uidmap", "0:100000:10", "--uidmap", "5:200000:10"], "it overlaps with 0:100000:10"),
        (&["--gidmap", "x"], "expected CONTAINER:HOST[:SIZE]"),
        (&["--uidmap", "0:100000:10", "--userns", "host"], "contradict each other"),
        (&["--userns", "mars"], "it is auto, auto:size=N, host"),
        (&["--userns", "auto:size=0"], "the only option is size=N"),
        // As Podman says.
        (&["--userns", "keep-id"], "keep-id is for ordinary users"),
    ] {
        let out = lay.run(&[&["run", "--rm"], flags, &["busybox", "true"]].concat());
        assert!(out.code == 125 && out.stderr.contains(reason), "{flags:?}: {}", out.stderr);
    }
}

#[test]
fn a_store_that_no_container_can_run_from_is_told_of() {
    let lay = Lay::new();
    for name in ["lower", "upper", "work", "store"] {
        std::fs::create_dir(lay.dir().join(name)).unwrap();
    }
    // As in a container.
    let mounts = "mount -t overlay none -o lowerdir=$0/lower,upperdir=$0/upper,workdir=$0/work $0/store";
    let run = |args: &[&str]| run_among(&lay, mounts, args);
    let (code, _, stderr) = run(&["pull", "-q", "busybox"]);
    assert_eq!(code, Some(0), "{stderr}");
    for userns in ["auto", "host"] {
        let (code, _, stderr) =
            run(&["run", "--rm", "--network", "none", "--userns", userns, "busybox", "true"]);
        assert!(code == Some(125) && stderr.contains("it is on overlayfs"), "{stderr}");
    }
    let (code, containers, _) = run(&["ps", "-aq"]);
    assert_eq!((code, containers.as_str()), (Some(0), ""));
}
