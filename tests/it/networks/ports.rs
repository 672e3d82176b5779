//! Ports of the host that lead to containers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use serde_json::json;

use crate::support::image::Builder;
use crate::support::{Lay, Registry, eventually, output, within_netns};

/// Says its own name to everybody, on port 80.
const SERVE: &str = "while :; do hostname | nc -l -p 80; done";

fn fetch(address: &str) -> Option<String> {
    let address: SocketAddr = address.parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text.trim().to_string()).filter(|text| !text.is_empty())
}

fn serve(lay: &Lay, name: &str, flags: &[&str], script: &str) {
    let args = [&["run", "-d", "--name", name, "--hostname", name], flags, &["busybox", "sh", "-c", script]]
        .concat();
    lay.ok(&args);
}

/// An address of this host other than loopback.
fn own_address() -> String {
    let text = output("ip", &["-4", "-o", "addr", "show", "scope", "global"]);
    let line = text.lines().find(|line| !line.contains("layit") && !line.contains("lay-")).unwrap();
    line.split_whitespace().nth(3).unwrap().split('/').next().unwrap().to_string()
}

#[test]
fn from_the_host_by_every_address_and_from_other_containers() {
    let lay = Lay::new();
    let port = 21_000 + lay.slot;
    lay.ok(&["network", "create", "one"]);
    lay.ok(&["network", "create", "two"]);
    serve(&lay, "web", &["--network", "one", "-p", &format!("{port}:80")], SERVE);
    let host = own_address();
    for address in ["127.0.0.1", &host] {
        let address = format!("{address}:{port}");
        eventually("the port answers", || fetch(&address).as_deref() == Some("web"));
    }
    // Of its own network, of another, of the default one, and from itself: always by the host's address.
    for network in ["one", "two", "bridge", "container:web"] {
        let mut text = String::new();
        eventually("it is reached from inside", || {
            let args =
                ["run", "--rm", "--network", network, "busybox", "nc", "-w", "2", &host, &port.to_string()];
            text = lay.run(&args).stdout;
            text == "web\n"
        });
    }
    lay.ok(&["rm", "-f", "web"]);
    assert_eq!(fetch(&format!("127.0.0.1:{port}")), None);
}

#[test]
fn one_address_ranges_and_datagrams() {
    let lay = Lay::new();
    let port = 22_000 + 10 * lay.slot;
    let (first, last) = (port, port + 2);
    serve(
        &lay,
        "web",
        &["-p", &format!("127.0.0.1:{first}-{last}:79-81"), "-p", &format!("{port}:53/udp")],
        SERVE,
    );
    eventually("the middle one answers", || {
        fetch(&format!("127.0.0.1:{}", first + 1)).as_deref() == Some("web")
    });
    assert_eq!(fetch(&format!("{}:{}", own_address(), first + 1)), None, "published for loopback alone");
    let shown = lay.ok(&["port", "web"]);
    assert_eq!(
        shown,
        format!(
            "79/tcp -> 127.0.0.1:{first}\n80/tcp -> 127.0.0.1:{}\n81/tcp -> 127.0.0.1:{last}\n53/udp -> 0.0.0.0:{port}",
            first + 1
        )
    );
    assert_eq!(lay.ok(&["port", "web", "80"]), format!("127.0.0.1:{}", first + 1));
    assert_eq!(lay.ok(&["port", "web", "53/udp"]), format!("0.0.0.0:{port}"));
    lay.run(&["port", "web", "53"]).fails(1, "no public port '53/tcp' published for web");
    lay.ok(&["rm", "-f", "web"]);
    serve(&lay, "echo", &["-p", &format!("{port}:53/udp")], "sleep 1000");
    let pid = lay.ok(&["inspect", "-f", "{{.State.Pid}}", "echo"]).parse().unwrap();
    let inside = within_netns(pid, || UdpSocket::bind("0.0.0.0:53").unwrap());
    std::thread::spawn(move || {
        let mut buffer = [0; 16];
        while let Ok((length, client)) = inside.recv_from(&mut buffer) {
            let _ = inside.send_to(&buffer[..length], client);
        }
    });
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    eventually("a datagram comes back", || {
        let mut buffer = [0; 16];
        socket.send_to(b"hello", ("127.0.0.1", port as u16)).unwrap();
        socket.recv(&mut buffer).is_ok_and(|length| &buffer[..length] == b"hello")
    });
}

#[test]
fn what_is_exposed_is_published() {
    let lay = Lay::new();
    let image = Builder::busybox().with("ExposedPorts", json!({"80/tcp": {}, "81/udp": {}}));
    Registry::shared().push("library/exposes:latest", &image);
    lay.ok(&["run", "-d", "--name", "web", "-P", "--expose", "90", "exposes", "sh", "-c", SERVE]);
    let shown = lay.ok(&["port", "web"]);
    let ports: Vec<&str> = shown.lines().filter_map(|line| line.split(" -> ").next()).collect();
    assert_eq!(ports, ["80/tcp", "81/udp", "90/tcp"], "{shown}");
    let address = lay.ok(&["port", "web", "80"]).replace("0.0.0.0", "127.0.0.1");
    eventually("the port answers", || fetch(&address).is_some());
}

#[test]
fn a_taken_port_names_who_has_it() {
    let lay = Lay::new();
    let port = (23_000 + lay.slot).to_string();
    serve(&lay, "web", &["-p", &format!("{port}:80")], SERVE);
    let taken = |address: &str| {
        let publish = format!("{address}{port}:80");
        lay.run(&["run", "--rm", "-p", &publish, "busybox", "true"])
    };
    taken("").fails(125, &format!("port 0.0.0.0:{port}/tcp is already in use by container web"));
    taken("127.0.0.1:").fails(125, "in use by container web");
    lay.ok(&["rm", "-f", "web"]);
    let holder = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    taken("").fails(125, &format!("(pid {})", std::process::id()));
    drop(holder);
    taken("").expect(0);
    lay.assert_clean();
}

#[test]
fn ipv6_leads_in_too() {
    let lay = Lay::new();
    let port = 24_000 + lay.slot;
    lay.ok(&["network", "create", "--ipv6", "six"]);
    // A server for both families.
    let serve_both = "while :; do hostname | nc -l -p 80 :: ; done";
    serve(&lay, "web", &["--network", "six", "-p", &format!("{port}:80")], serve_both);
    let bridge = lay.ok(&["network", "inspect", "-f", "{{.Bridge}}", "six"]);
    let text = output("ip", &["-6", "-o", "addr", "show", "dev", &bridge, "scope", "global"]);
    let gateway = text.split_whitespace().nth(3).unwrap().split('/').next().unwrap().to_string();
    let shown = lay.ok(&["port", "web", "80"]);
    assert_eq!(shown, format!("0.0.0.0:{port}\n[::]:{port}"));
    eventually("it is reached by IPv6", || fetch(&format!("[{gateway}]:{port}")).as_deref() == Some("web"));
}

#[test]
fn other_tables_come_and_go() {
    let lay = Lay::new();
    let port = 25_000 + lay.slot;
    let table = format!("foreign{}", lay.slot);
    let rules = format!(
        "add table inet {table}\nadd chain inet {table} c {{ type filter hook forward priority 0; }}\n\
         add rule inet {table} c accept\n"
    );
    let mut nft = std::process::Command::new("nft")
        .args(["-f", "-"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    nft.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    assert!(nft.wait().unwrap().success());
    serve(&lay, "web", &["-p", &format!("{port}:80")], SERVE);
    output("nft", &["flush", "table", "inet", &table]);
    output("nft", &["delete", "table", "inet", &table]);
    eventually("the port answers", || fetch(&format!("127.0.0.1:{port}")).as_deref() == Some("web"));
}

#[test]
fn of_a_range_the_first_free_port_is_taken() {
    let lay = Lay::new();
    let first = 26_000 + 10 * lay.slot;
    let [second, third, last] = [first + 1, first + 2, first + 3];
    let range = format!("{first}-{last}");
    lay.ok(&["network", "create", "--ipv6", "six"]);
    serve(&lay, "one", &["-p", &format!("{range}:80"), "-p", &format!("{range}:53/udp")], SERVE);
    assert_eq!(
        lay.ok(&["port", "one"]),
        format!("80/tcp -> 0.0.0.0:{first}\n53/udp -> 0.0.0.0:{first}"),
        "datagrams have numbers of their own"
    );
    serve(&lay, "two", &["-p", &format!("127.0.0.1:{range}:80")], SERVE);
    eventually("it answers at the second", || {
        fetch(&format!("127.0.0.1:{second}")).as_deref() == Some("two")
    });
    // A number has to be free for both families.
    let taken = TcpListener::bind(format!("[::1]:{third}")).unwrap();
    serve(&lay, "three", &["--network", "six", "-p", &format!("{range}:80")], SERVE);
    assert_eq!(lay.ok(&["port", "three", "80"]), format!("0.0.0.0:{last}\n[::]:{last}"));
    let ports = lay.ok(&["ps", "--filter", "name=three", "--format", "{{.Ports}}"]);
    assert_eq!(ports, format!("0.0.0.0:{last}->80/tcp, [::]:{last}->80/tcp"));
    let inspected = lay.ok(&["inspect", "-f", "{{json .NetworkSettings.Ports}}", "two"]);
    assert!(inspected.contains(&format!("\"HostPort\":\"{second}\"")), "{inspected}");
    drop(taken);
    let holder = TcpListener::bind(format!("0.0.0.0:{third}")).unwrap();
    lay.run(&["run", "--rm", "-p", &format!("{range}:80"), "busybox", "true"])
        .fails(125, &format!("ports 0.0.0.0:{range}/tcp are all in use, {first} by container one"));
    lay.run(&["run", "--rm", "-p", &format!("127.0.0.1:{third}-{third}:80"), "busybox", "true"])
        .fails(125, &format!("port 127.0.0.1:{third}/tcp is already in use"));
    drop(holder);
    // A new start chooses anew.
    lay.ok(&["rm", "-f", "one"]);
    lay.ok(&["restart", "-t", "0", "two"]);
    assert_eq!(lay.ok(&["port", "two", "80"]), format!("127.0.0.1:{first}"));
    lay.run(&["run", "--rm", "-p", &format!("{range}:80-81"), "busybox", "true"])
        .fails(125, "the ranges differ in length");
    lay.ok(&["rm", "-f", "two", "three"]);
    lay.ok(&["network", "rm", "six"]);
    lay.assert_clean();
}
