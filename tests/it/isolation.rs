//! What a container's processes see.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

use crate::support::registry::has_centos;
use crate::support::{Lay, output};

#[test]
fn every_namespace_is_its_own() {
    let lay = Lay::new();
    for name in ["user", "mnt", "pid", "net", "uts", "ipc", "cgroup"] {
        let host = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        let inside = lay.sh(
            &["--network", "none"],
            "busybox",
            &format!("ls -l /proc/self/ns/{name} | grep -o '{name}:.*'"),
        );
        assert_ne!(inside, host.to_str().unwrap(), "{name}");
    }
}

#[test]
fn processes_users_files_and_names_differ_from_the_host_s() {
    let lay = Lay::new();
    let run = |script: &str| lay.sh(&["--network", "none", "--hostname", "inside"], "busybox", script);
    let pids = run("echo $$; ls /proc | grep -c '^[0-9]'");
    assert_eq!(pids.lines().next(), Some("1"));
    assert!(pids.lines().nth(1).unwrap().parse::<u32>().unwrap() <= 3, "{pids}");
    let host_name = output("uname", &["-n"]);
    assert_eq!(run("hostname"), "inside");
    assert_ne!(host_name.trim(), "inside");
    let map: Vec<u32> =
        run("cat /proc/self/uid_map").split_whitespace().map(|n| n.parse().unwrap()).collect();
    assert_eq!((map[0], map[2]), (0, 65_536));
    assert!(map[1] >= 0x5000_0000, "root inside is nobody's id outside: {map:?}");
    let root = format!("test -e {} || echo unseen", lay.root().display());
    assert_eq!(run(&root), "unseen");
}

#[test]
fn two_containers_share_no_id_and_no_file() {
    let lay = Lay::new();
    let map = |name: &str| {
        lay.ok(&["run", "-d", "--name", name, "--network", "none", "busybox", "sleep", "50"]);
        lay.ok(&["exec", name, "cat", "/proc/self/uid_map"])
    };
    let (first, second) = (map("c1"), map("c2"));
    assert_ne!(first, second);
    lay.ok(&["exec", "c1", "touch", "/tmp/mine"]);
    assert_eq!(lay.run(&["exec", "c2", "test", "-e", "/tmp/mine"]).code, 1);
}

#[test]
fn no_descriptor_and_no_mount_of_the_host_leaks_in() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let file = std::fs::File::open("/etc/hostname").unwrap();
    // Inherited on purpose, as a careless shell would leave it.
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    let fds = lay.sh(&["--network", "none"], "busybox", "ls /proc/self/fd");
    assert_eq!(
        fds.split_whitespace().take(4).collect::<Vec<_>>(),
        ["0", "1", "2", "3"],
        "3 is the list itself"
    );
    assert_eq!(fds.split_whitespace().count(), 4);
    let mounts = lay.sh(&["--network", "none"], "busybox", "cat /proc/self/mountinfo");
    let points: BTreeSet<&str> = mounts.lines().map(|l| l.split(' ').nth(4).unwrap()).collect();
    let known = ["/", "/proc", "/dev", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
    let ours = |p: &&&str| known.contains(p) || ["/proc/", "/dev/", "/sys/"].iter().any(|d| p.starts_with(d));
    assert_eq!(points.iter().filter(|p| !ours(p)).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn capabilities_devices_and_kernel_files_are_docker_s() {
    let lay = Lay::new();
    let run = |script: &str| lay.sh(&["--network", "none"], "busybox", script);
    let caps = run("grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | grep -o '[0-9a-f]*$'");
    // Docker 20.10: docker run --rm busybox grep Cap /proc/self/status
    let docker = "00000000a80425fb";
    assert_eq!(
        caps.split_whitespace().collect::<Vec<_>>(),
        ["0000000000000000", docker, docker, docker, "0000000000000000"]
    );
    let devices = run("ls /dev");
    let expected = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    assert_eq!(devices.split_whitespace().collect::<Vec<_>>().join(" "), expected);
    let masked = "for f in kcore keys timer_list interrupts; do test -e /proc/$f && wc -c < /proc/$f; done | grep -v '^0$'; ls /sys/firmware";
    assert_eq!(run(masked), "", "masked files are empty");
    for path in ["/proc/sys/kernel/panic", "/proc/sysrq-trigger", "/sys/kernel/mm/ksm/run"] {
        assert_ne!(
            lay.run(&[
                "run",
                "--rm",
                "--network",
                "none",
                "busybox",
                "sh",
                "-c",
                &format!("echo 1 > {path}")
            ])
            .code,
            0,
            "{path}"
        );
    }
    assert_eq!(run("mknod /tmp/sda b 8 0 2>/dev/null || echo refused"), "refused");
    assert_eq!(run("mount -t tmpfs none /tmp 2>/dev/null || echo refused"), "refused");
}

#[test]
fn without_a_user_namespace_devices_are_guarded_by_the_control_group() {
    let lay = Lay::new();
    let run = |script: &str| lay.sh(&["--network", "none", "--userns", "host"], "busybox", script);
    assert!(run("cat /proc/self/uid_map").split_whitespace().eq(["0", "0", "4294967295"]));
    assert_eq!(run("mknod /tmp/mem c 1 1 && cat /tmp/mem 2>/dev/null || echo refused"), "refused");
    assert_eq!(run("echo x > /dev/null && echo written"), "written");
}

#[test]
fn capabilities_can_be_added_and_dropped() {
    let lay = Lay::new();
    let effective = |flags: &[&str]| {
        let flags = [&["--network", "none"], flags].concat();
        lay.sh(&flags, "busybox", "grep CapEff /proc/self/status | grep -o '[0-9a-f]*$'")
    };
    assert_eq!(effective(&["--cap-drop", "ALL"]), "0000000000000000");
    assert_eq!(effective(&["--cap-drop", "all", "--cap-add", "CHOWN"]), "0000000000000001");
    lay.run(&["run", "--rm", "--cap-add", "FLY", "busybox"]).fails(125, "FLY");
}

#[test]
fn what_a_container_writes_belongs_to_it_on_disk() {
    let lay = Lay::new();
    lay.ok(&[
        "run",
        "--name",
        "writer",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "echo x > /file; mkdir /d",
    ]);
    let id = lay.ok(&["inspect", "-f", "{{.Id}}", "writer"]);
    let upper = lay.root().join("containers").join(id).join("rw/upper");
    let meta = upper.join("file").metadata().unwrap();
    assert_eq!(
        (meta.uid(), meta.gid()),
        (0, 0),
        "the ids that the container sees, so that a commit needs no shift"
    );
}

#[test]
fn centos_differs_from_the_host() {
    if !has_centos() {
        return;
    }
    let lay = Lay::new();
    let text = lay.sh(
        &["--network", "none"],
        "centos:7",
        "cat /etc/redhat-release; rpm -qa | wc -l; stat -c %U:%G /var/mail /etc/shadow",
    );
    assert_eq!(text.lines().next(), Some("CentOS Linux release 7.9.2009 (Core)"));
    assert!(text.lines().nth(1).unwrap().parse::<u32>().unwrap() > 100, "{text}");
}

#[test]
fn ids_are_mapped_as_told() {
    let lay = Lay::new();
    let dir = lay.dir().join("shared");
    std::fs::create_dir(&dir).unwrap();
    std::os::unix::fs::chown(&dir, Some(1234), Some(1234)).unwrap();
    let bind = format!("{}:/mnt", dir.display());
    let flags = [
        "--network",
        "none",
        "--uidmap",
        "0:1600000000:1000",
        "--uidmap",
        "1000:1700000000",
        "--gidmap",
        "0:1800000000:2000",
    ];
    let script = "cat /proc/self/uid_map /proc/self/gid_map; id -u; touch /tmp/x && stat -c %u:%g /tmp/x";
    let text = lay.sh(&flags, "busybox", script);
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(
        words,
        ["0", "1600000000", "1000", "1000", "1700000000", "1", "0", "1800000000", "2000", "0", "0:0"]
    );
    assert_eq!(lay.sh(&[&flags[..], &["-u", "alice"]].concat(), "busybox", "id -u"), "1000");
    // A mount's files keep their owners, whatever the maps.
    assert_eq!(lay.sh(&[&flags[..], &["-v", &bind]].concat(), "busybox", "stat -c %u /mnt"), "65534");
    let all = ["--network", "none", "--uidmap", "0:1600000000:65536", "-v", &bind];
    assert_eq!(lay.sh(&all, "busybox", "stat -c %u:%g /mnt; touch /mnt/new"), "1234:1234");
    assert_eq!(std::fs::metadata(dir.join("new")).unwrap().uid(), 0);
    lay.ok(&[&["run", "-d", "--name", "mapped"], &all[..], &["busybox", "sleep", "100"]].concat());
    assert_eq!(lay.ok(&["exec", "-u", "alice", "mapped", "id", "-u"]), "1000");
    lay.ok(&["rm", "-f", "mapped"]);
    lay.run(&["run", "--uidmap", "5:5", "busybox", "true"]).fails(125, "id 0");
    lay.run(&["run", "--uidmap", "0:5", "--userns", "host", "busybox", "true"]).fails(125, "contradict");
    lay.assert_clean();
}
