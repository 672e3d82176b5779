//! What networks keep apart, and what containers on one network cannot do to each other.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::support::{Lay, eventually, output, within_netns};

fn start(lay: &Lay, name: &str, flags: &[&str]) -> (i32, String) {
    lay.ok(&[&["run", "-d", "--name", name], flags, &["busybox", "sleep", "1000"]].concat());
    let pid = lay.ok(&["inspect", "-f", "{{.State.Pid}}", name]).parse().unwrap();
    (pid, lay.ok(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", name]))
}

fn pings(lay: &Lay, container: &str, address: &str) -> bool {
    lay.run(&["exec", container, "ping", "-c", "1", "-W", "1", address]).code == 0
}

#[test]
fn networks_do_not_reach_each_other() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "--ipv6", "one"]);
    lay.ok(&["network", "create", "--ipv6", "two"]);
    let (_, a) = start(&lay, "a1", &["--network", "one"]);
    let (_, b) = start(&lay, "b1", &["--network", "two"]);
    let (_, c) = start(&lay, "c1", &[]);
    for (from, to) in [("a1", &b), ("a1", &c), ("b1", &a), ("c1", &a)] {
        assert!(!pings(&lay, from, to), "{from} reaches {to}");
    }
    let six = lay.ok(&["inspect", "-f", "{{.NetworkSettings.GlobalIPv6Address}}", "b1"]);
    assert!(!pings(&lay, "a1", &six));
    // One that is on both is reached from both, and leads from neither to the other.
    lay.ok(&["network", "connect", "two", "a1"]);
    assert!(pings(&lay, "b1", "a1"));
}

#[test]
fn an_internal_network_leads_nowhere() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "--internal", "in"]);
    let (pid, address) = start(&lay, "a1", &["--network", "in"]);
    start(&lay, "a2", &["--network", "in"]);
    assert!(pings(&lay, "a1", "a2"));
    let bridge = lay.ok(&["network", "inspect", "-f", "{{.Bridge}}", "in"]);
    let text = output("ip", &["-4", "-o", "addr", "show", "dev", &bridge]);
    let gateway = text.split_whitespace().nth(3).unwrap().split('/').next().unwrap().to_string();
    // A service of the host that listens everywhere, and a container that makes itself a way to it.
    let service = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let reached = within_netns(pid, || {
        output("ip", &["route", "add", "default", "via", &gateway]);
        let to = format!("{gateway}:{port}").parse().unwrap();
        TcpStream::connect_timeout(&to, Duration::from_millis(500)).is_ok()
    });
    assert!(!reached, "the host's services are out of reach");
    let other =
        lay.sh(&[], "busybox", "ip -4 -o addr show eth0").split_whitespace().nth(3).unwrap().to_string();
    assert!(!pings(&lay, "a1", other.split('/').next().unwrap()));
    // The host reaches the container.
    output("ping", &["-c", "1", "-W", "2", &address]);
    lay.run(&["run", "--rm", "--network", "in", "-p", "80", "busybox", "true"]).fails(125, "not internal");
}

#[test]
fn the_host_s_services_are_reached_at_the_gateway() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "one"]);
    let service = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = service.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || while service.accept().is_ok() {});
    for network in ["bridge", "one"] {
        let flags = ["--network", network, "--add-host", "host:host-gateway"];
        lay.sh(&flags, "busybox", &format!("nc -w 3 host {port} </dev/null"));
    }
}

/// A frame that a container with `CAP_NET_RAW` sends as it likes.
fn send_raw(pid: i32, frame: &[u8]) {
    use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType};
    use nix::sys::socket::{SockaddrLike, bind, send, socket};
    use std::os::fd::AsRawFd;
    within_netns(pid, || {
        let socket =
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), SockProtocol::EthAll).unwrap();
        let interfaces = nix::ifaddrs::getifaddrs().unwrap();
        let address: LinkAddr = interfaces
            .filter(|i| i.interface_name == "eth0")
            .find_map(|i| i.address?.as_link_addr().copied())
            .unwrap();
        assert!(address.len() > 0);
        bind(socket.as_raw_fd(), &address).unwrap();
        send(socket.as_raw_fd(), frame, MsgFlags::empty()).unwrap();
    });
}

fn mac(lay: &Lay, name: &str) -> [u8; 6] {
    let text = lay.ok(&["inspect", "-f", "{{.NetworkSettings.MacAddress}}", name]);
    let bytes: Vec<u8> = text.split(':').map(|part| u8::from_str_radix(part, 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

/// ARP's "`address` is at `mac`", for `to`.
fn claim(from: [u8; 6], to: [u8; 6], mac: [u8; 6], address: &str, target: &str) -> Vec<u8> {
    let octets = |text: &str| text.parse::<std::net::Ipv4Addr>().unwrap().octets();
    [&to[..], &from, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2], &mac, &octets(address), &to, &octets(target), &[0; 18]]
        .concat()
}

/// What a container believes to be the hardware address of another.
fn believes(pid: i32, address: &str) -> String {
    within_netns(pid, || output("ip", &["neigh", "show", address]))
}

#[test]
fn nobody_takes_another_s_address() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "one"]);
    for network in ["bridge", "one"] {
        let name = |role: &str| format!("{role}-{network}");
        let (victim, server, thief) = (name("victim"), name("server"), name("thief"));
        let (victim_pid, victim_address) = start(&lay, &victim, &["--network", network]);
        let (_, server_address) = start(&lay, &server, &["--network", network]);
        let (thief_pid, _) = start(&lay, &thief, &["--network", network]);
        let (own, other) = (mac(&lay, &thief), mac(&lay, &server));
        assert!(pings(&lay, &victim, &server_address));
        let right = believes(victim_pid, &server_address);
        assert!(right.contains("lladdr"), "{right}");
        let to = mac(&lay, &victim);
        for frame in [
            claim(own, to, own, &server_address, &victim_address),
            claim(other, to, own, &server_address, &victim_address),
            claim(own, [0xff; 6], own, &server_address, &server_address),
        ] {
            for _ in 0..5 {
                send_raw(thief_pid, &frame);
            }
        }
        std::thread::sleep(Duration::from_millis(200));
        let lladdr = |text: &str| text.split("lladdr ").nth(1).map(|rest| rest[..17].to_string());
        assert_eq!(lladdr(&believes(victim_pid, &server_address)), lladdr(&right), "{network}");
        // Nor does the bridge send it the server's frames.
        assert!(pings(&lay, &victim, &server_address));
        // Its own claims are heard: it is not simply cut off.
        assert!(pings(&lay, &thief, &server_address));
        lay.ok(&["rm", "-f", &victim, &server, &thief]);
    }
}

#[test]
fn an_address_that_was_not_given_does_not_work() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "one"]);
    let (_, victim) = start(&lay, "victim", &["--network", "one"]);
    let (pid, own) = start(&lay, "thief", &["--network", "one", "--cap-add", "NET_ADMIN"]);
    let free = format!("{}.77", victim.rsplit_once('.').unwrap().0);
    lay.ok(&["exec", "thief", "ip", "addr", "add", &format!("{free}/24"), "dev", "eth0"]);
    let ping =
        |from: &str| lay.run(&["exec", "thief", "ping", "-c", "1", "-W", "1", "-I", from, &victim]).code;
    assert_eq!((ping(&own), ping(&free) != 0), (0, true));
    within_netns(pid, || output("ip", &["link", "set", "eth0", "address", "02:42:00:00:00:aa"]));
    assert_ne!(ping(&own), 0, "nor another hardware address");
}

#[test]
fn a_guest_cannot_become_the_host_s_router() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "--ipv6", "one"]);
    let bridge = lay.ok(&["network", "inspect", "-f", "{{.Bridge}}", "one"]);
    let setting = format!("/proc/sys/net/ipv6/conf/{bridge}/accept_ra");
    assert_eq!(std::fs::read_to_string(setting).unwrap().trim(), "0");
}

#[test]
fn two_hundred_find_each_other() {
    let lay = Lay::new();
    // A subnet for all of them.
    let subnet = format!("{}.0/23", lay.pool());
    lay.ok(&["network", "create", "--subnet", &subnet, "--opt", "mtu=1500", "big"]);
    let count = std::env::var("LAY_TEST_CONTAINERS").ok().and_then(|n| n.parse().ok()).unwrap_or(12usize);
    let name = |n: usize| format!("c{n:03}");
    let pids: Vec<i32> = (0..count)
        .map(|n| start(&lay, &name(n), &["--network", "big", "--userns", "auto:size=1024"]).0)
        .collect();
    let addresses: Vec<String> =
        (0..count).map(|n| lay.ok(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", &name(n)])).collect();
    let servers: Vec<TcpListener> =
        pids.iter().map(|pid| within_netns(*pid, || TcpListener::bind("0.0.0.0:7000").unwrap())).collect();
    for (from, pid) in pids.iter().enumerate() {
        within_netns(*pid, || {
            for (to, address) in addresses.iter().enumerate() {
                let to_address = format!("{address}:7000").parse().unwrap();
                let reached = TcpStream::connect_timeout(&to_address, Duration::from_secs(3));
                assert!(reached.is_ok(), "{from} does not reach {to}: {reached:?}");
            }
        });
        for server in &servers {
            let (mut stream, _) = server.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let _ = stream.read(&mut [0]);
        }
    }
    eventually("the last one is known by name", || pings(&lay, &name(0), &name(count - 1)));
}
