use super::*;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};

/// Runs `work` on a thread in a network namespace of its own, which goes away with it.
fn in_own_namespace(work: impl FnOnce() + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
        work();
    });
    thread.join().unwrap();
}

fn namespace() -> File {
    let make = || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        File::open("/proc/thread-self/ns/net").unwrap()
    };
    std::thread::spawn(make).join().unwrap()
}

/// Runs `work` inside a network namespace, on a thread of its own.
fn inside<T: Send + 'static>(netns: &File, work: impl FnOnce() -> T + Send + 'static) -> T {
    let netns = netns.try_clone().unwrap();
    let thread = std::thread::spawn(move || {
        setns(netns.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
        work()
    });
    thread.join().unwrap()
}

fn bridge() -> Bridge {
    Bridge {
        name: "laytest0".into(),
        subnet: "10.99.1.0/24".parse().unwrap(),
        gateway: Ipv4Addr::new(10, 99, 1, 1),
        mtu: None,
    }
}

fn endpoint(owner: &str, last: u8, ports: &str) -> Endpoint {
    let address = Ipv4Addr::new(10, 99, 1, last);
    let ports = if ports.is_empty() { Vec::new() } else { PortMapping::parse(ports).unwrap() };
    Endpoint { owner: owner.repeat(12), bridge: bridge(), address, mac: mac_of(address), ports }
}

/// Serves one connection with a greeting, inside a network namespace.
fn serve(netns: &File, port: u16) -> std::thread::JoinHandle<()> {
    let listener = inside(netns, move || TcpListener::bind(("0.0.0.0", port)).unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"hello").unwrap();
    })
}

fn fetch(address: &str) -> std::io::Result<String> {
    let timeout = std::time::Duration::from_secs(3);
    let mut stream = TcpStream::connect_timeout(&address.parse().unwrap(), timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn two_containers_reach_each_other() {
    in_own_namespace(|| {
        ensure_bridge(&bridge()).unwrap();
        ensure_bridge(&bridge()).unwrap();
        let (a, b) = (namespace(), namespace());
        attach(a.as_fd(), &endpoint("a", 2, "")).unwrap();
        attach(b.as_fd(), &endpoint("b", 3, "")).unwrap();
        let server = serve(&b, 80);
        assert_eq!(inside(&a, || fetch("10.99.1.3:80")).unwrap(), "hello");
        server.join().unwrap();
        let links = inside(&a, || output("ip", &["-o", "link", "show", "eth0"]));
        assert!(links.contains("02:42:0a:63:01:02"), "{links}");
    });
}

#[test]
fn a_published_port_is_reached_from_the_host_and_from_others() {
    in_own_namespace(|| {
        ensure_bridge(&bridge()).unwrap();
        let container = namespace();
        let endpoint = endpoint("c", 4, "18080:80");
        attach(container.as_fd(), &endpoint).unwrap();
        let published = publish(&endpoint).unwrap();
        assert!(matches!(publish(&endpoint), Err(Error::PortInUse { port: 18080, .. })));
        let other = namespace();
        join_directly(&other);
        for from in ["127.0.0.1:18080", "10.99.1.1:18080"] {
            let server = serve(&container, 80);
            assert_eq!(fetch(from).unwrap(), "hello", "{from}");
            server.join().unwrap();
        }
        let server = serve(&container, 80);
        assert_eq!(inside(&other, || fetch("192.0.2.1:18080")).unwrap(), "hello", "another host");
        server.join().unwrap();
        let server = serve(&container, 80);
        assert_eq!(inside(&container, || fetch("10.99.1.1:18080")).unwrap(), "hello", "itself, by the host");
        server.join().unwrap();
        // Not published: another host does not get through.
        inside(&other, || output("ip", &["route", "add", "10.99.1.0/24", "via", "192.0.2.1"]));
        assert!(inside(&other, || fetch("10.99.1.4:80")).is_err());
        drop(published);
        detach(&endpoint).unwrap();
        detach(&endpoint).unwrap();
        assert!(fetch("127.0.0.1:18080").is_err());
    });
}

/// A veth pair between this namespace (192.0.2.1) and another one (192.0.2.2), made by ip(8).
fn join_directly(other: &File) {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/{}/fd/{}", std::process::id(), other.as_raw_fd());
    let script = format!(
        "ip link add up0 type veth peer name up1 && ip addr add 192.0.2.1/24 dev up0 && ip link set up0 up && \
         nsenter --net={path} true && ip link set up1 netns {path}"
    );
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    inside(other, || {
        let script = "ip link set lo up; ip addr add 192.0.2.2/24 dev up1; ip link set up1 up";
        assert!(Command::new("sh").args(["-c", script]).status().unwrap().success());
    });
    sysctl::set("up0", "forwarding", "1").unwrap();
}

#[test]
fn nothing_is_left_after_removal() {
    in_own_namespace(|| {
        let before = (output("nft", &["list", "ruleset"]), output("ip", &["-o", "link"]));
        ensure_bridge(&bridge()).unwrap();
        let container = namespace();
        let endpoint = endpoint("d", 5, "18081:80/udp");
        attach(container.as_fd(), &endpoint).unwrap();
        let published = publish(&endpoint).unwrap();
        assert!(output("nft", &["list", "ruleset"]).contains("dnat ip to 10.99.1.5:80"));
        drop(published);
        detach(&endpoint).unwrap();
        remove_bridge(&bridge()).unwrap();
        remove_bridge(&bridge()).unwrap();
        assert_eq!((output("nft", &["list", "ruleset"]), output("ip", &["-o", "link"])), before);
    });
}

#[test]
fn a_container_does_not_reach_the_host_s_loopback() {
    in_own_namespace(|| {
        ensure_bridge(&bridge()).unwrap();
        let container = namespace();
        attach(container.as_fd(), &endpoint("e", 6, "")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = format!("127.0.0.2:{port}");
        inside(&container, || {
            // As a hostile container would try: loopback addresses by way of the bridge.
            let script = "ip link set lo down; sysctl -qw net.ipv4.conf.all.route_localnet=1; \
                          ip route add 127.0.0.0/8 via 10.99.1.1 dev eth0 2>/dev/null || true";
            Command::new("sh").args(["-c", script]).status().unwrap();
        });
        assert!(inside(&container, move || fetch(&address)).is_err());
    });
}
