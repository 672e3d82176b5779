//! Containers find each other by name.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};

use crate::support::{Lay, eventually, within_netns};

fn pid(lay: &Lay, name: &str) -> i32 {
    lay.ok(&["inspect", "-f", "{{.State.Pid}}", name]).parse().unwrap()
}

fn address(lay: &Lay, name: &str) -> String {
    lay.ok(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", name])
}

/// The answers of a name server to a container.
fn lookup(lay: &Lay, container: &str, name: &str) -> String {
    let out = lay.run(&["exec", container, "busybox", "nslookup", name]);
    out.stdout + &out.stderr
}

fn start(lay: &Lay, name: &str, flags: &[&str]) {
    let args = [&["run", "-d", "--name", name], flags, &["busybox", "sleep", "1000"]].concat();
    lay.ok(&args);
}

/// Pid of the process that answers a container's questions.
fn server(lay: &Lay, container: &str) -> Option<String> {
    let id = lay.ok(&["inspect", "-f", "{{.Id}}", container]);
    let found =
        std::process::Command::new("pgrep").args(["-f", &format!(" names .*{id} ")]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().next().map(str::to_string)
}

#[test]
fn by_name_alias_id_and_address() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "--ipv6", "web"]);
    start(&lay, "db", &["--network", "web:alias=store.main"]);
    start(&lay, "c2", &["--network", "web"]);
    let db = address(&lay, "db");
    let short = lay.ok(&["ps", "-q", "--filter", "name=db"]);
    for name in ["db", "DB", "store.main", &short, "db.web"] {
        assert!(lookup(&lay, "c2", name).contains(&format!("Address: {db}\n")), "{name}");
    }
    assert!(lookup(&lay, "c2", &db).contains("name = db.web"));
    let six = lay.ok(&["inspect", "-f", "{{.NetworkSettings.GlobalIPv6Address}}", "db"]);
    assert!(lookup(&lay, "c2", "db").contains(&six));
    lay.ok(&["exec", "c2", "ping", "-6", "-c", "1", "-W", "3", "db"]);
    let hosts = lay.ok(&["exec", "c2", "cat", "/etc/hosts"]);
    assert!(hosts.contains(&format!("{db}\tdb store.main {short}\n")), "{hosts}");
    // Another network's names are nobody's.
    lay.ok(&["network", "create", "other"]);
    let text = lay.run(&["run", "--rm", "--network", "other", "busybox", "busybox", "nslookup", "db"]);
    assert!(text.stdout.contains("NXDOMAIN"), "{}", text.stdout);
    // The default network has no names, as Docker's has none.
    let text = lay.sh(&[], "busybox", "cat /etc/hosts /etc/resolv.conf");
    assert!(!text.contains("\tdb") && !text.contains("127.0.0.11"), "{text}");
}

#[test]
fn names_follow_addresses() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "web"]);
    start(&lay, "watcher", &["--network", "web"]);
    let mut last = String::new();
    for _ in 0..3 {
        start(&lay, "db", &["--network", "web"]);
        let now = address(&lay, "db");
        assert_ne!(now, last);
        let text = lookup(&lay, "watcher", "db");
        assert!(text.contains(&format!("Address: {now}\n")), "{text}");
        eventually("the hosts file follows", || {
            lay.ok(&["exec", "watcher", "cat", "/etc/hosts"]).contains(&format!("{now}\tdb "))
        });
        lay.ok(&["rm", "-f", "db"]);
        assert!(lookup(&lay, "watcher", "db").contains("NXDOMAIN"));
        last = now;
    }
    eventually("the hosts file forgets", || {
        !lay.ok(&["exec", "watcher", "cat", "/etc/hosts"]).contains("\tdb ")
    });
}

#[test]
fn who_answers_can_die_and_is_replaced() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "web"]);
    start(&lay, "one", &["--network", "web"]);
    start(&lay, "two", &["--network", "web"]);
    let first = server(&lay, "one").unwrap();
    assert_eq!(lay.ok(&["ps", "-q"]).lines().count(), 2);
    assert_eq!(server(&lay, "one").unwrap(), first, "it goes on");
    crate::support::output("kill", &["-9", &first]);
    eventually("it is dead", || server(&lay, "one").is_none());
    // What was known stays known, and the other container's answers do not depend on it.
    lay.ok(&["exec", "one", "ping", "-c", "1", "-W", "3", "two"]);
    assert!(lookup(&lay, "two", "one").contains("Address: 10."));
    lay.ok(&["ps"]);
    assert!(lookup(&lay, "one", "two").contains("Address: 10."));
    let second = server(&lay, "one").unwrap();
    lay.ok(&["rm", "-f", "one", "two"]);
    eventually("it ends with its container", || {
        !std::path::Path::new("/proc").join(&second).join("fd").exists()
    });
    lay.ok(&["network", "rm", "web"]);
    lay.assert_clean();
}

#[test]
fn port_53_stays_the_container_s_and_streams_are_answered() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "web"]);
    start(&lay, "one", &["--network", "web"]);
    let pid = pid(&lay, "one");
    let answer = within_netns(pid, || {
        let _everywhere = UdpSocket::bind("0.0.0.0:53").unwrap();
        let _streams = std::net::TcpListener::bind("0.0.0.0:53").unwrap();
        let mut stream = TcpStream::connect("127.0.0.11:53").unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        // RFC 1035: id, flags, counts, then "one", type A, class IN.
        let question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03one\x00\x00\x01\x00\x01";
        stream.write_all(&(question.len() as u16).to_be_bytes()).unwrap();
        stream.write_all(question).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        answer
    });
    let own: std::net::Ipv4Addr = address(&lay, "one").parse().unwrap();
    assert!(answer.starts_with(b"\x12\x34") && answer.ends_with(&own.octets()), "{answer:?}");
}

/// A name server that says 192.0.2.80 to everything, until the test ends.
fn upstream(lay: &Lay) -> String {
    let address = format!("127.112.{}.53", lay.slot);
    let socket = UdpSocket::bind((address.as_str(), 53)).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let mut answer = buffer[..length].to_vec();
            (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 80]);
            let _ = socket.send_to(&answer, client);
        }
    });
    address
}

#[test]
fn other_names_are_asked_for_elsewhere() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "web"]);
    lay.ok(&["network", "create", "--internal", "in"]);
    let server = upstream(&lay);
    let ask = |network: &str| {
        let args = [
            "run",
            "--rm",
            "--network",
            network,
            "--dns",
            &server,
            "busybox",
            "busybox",
            "nslookup",
            "-type=a",
            "x.org",
        ];
        let out = lay.run(&args);
        out.stdout + &out.stderr
    };
    let text = ask("web");
    assert!(text.contains("Address: 192.0.2.80"), "{text}");
    assert!(ask("in").contains("NXDOMAIN"), "nothing leaves an internal network");
    let flags = ["--dns-search", "corp.example", "--dns-option", "ndots:3", "--dns", "192.0.2.53"];
    assert_eq!(
        lay.sh(&[&flags[..], &["--network", "web"]].concat(), "busybox", "cat /etc/resolv.conf"),
        "search corp.example\nnameserver 127.0.0.11\noptions ndots:3"
    );
    assert_eq!(
        lay.sh(&flags, "busybox", "cat /etc/resolv.conf"),
        "search corp.example\nnameserver 192.0.2.53\noptions ndots:3"
    );
    let gateway = lay.sh(
        &["--network", "web", "--add-host", "outside:host-gateway"],
        "busybox",
        "ip route | busybox sed -n 's/default via \\([^ ]*\\).*/\\1/p'; busybox sed -n 's/\\toutside//p' /etc/hosts",
    );
    let lines: Vec<&str> = gateway.lines().collect();
    assert!(lines.len() == 2 && lines[0] == lines[1], "{gateway}");
}

#[test]
fn names_follow_a_container_that_is_renamed() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "web"]);
    start(&lay, "old", &["--network", "web"]);
    start(&lay, "asker", &["--network", "web"]);
    lay.ok(&["rename", "old", "new"]);
    let found = format!("Address: {}\n", address(&lay, "new"));
    eventually("the new name is known", || lookup(&lay, "asker", "new").contains(&found));
    assert!(lookup(&lay, "asker", "old").contains("NXDOMAIN"));
    eventually("it stands in the file", || {
        lay.ok(&["exec", "asker", "cat", "/etc/hosts"]).contains("\tnew ")
    });
}

#[test]
fn no_name_server_that_ended_stays_behind() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "web"]);
    let flags = ["run", "-d", "--name", "again", "--restart", "always", "--network", "web"];
    lay.ok(&[&flags[..], &["busybox", "true"]].concat());
    eventually("it started again several times", || {
        lay.ok(&["inspect", "-f", "{{.RestartCount}}", "again"]).parse::<u32>().unwrap() >= 4
    });
    let root = lay.root().display().to_string();
    let monitors: Vec<i32> = processes()
        .filter(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains(&root) && line.contains("\0monitor\0")
        })
        .collect();
    assert!(!monitors.is_empty());
    let is_left = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[0] == "Z" && monitors.contains(&fields[1].parse().unwrap())
    };
    let left = processes().filter(|pid| is_left(*pid)).count();
    assert!(left <= 2, "{left} processes that nobody waited for");
    lay.ok(&["rm", "-f", "again"]);
}

fn processes() -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
