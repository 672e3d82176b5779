//! The whole room on a kernel of its own: every test's thread moves into a fresh network namespace that stands for
//! the host, so that nothing outside is seen or changed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use nix::sched::{CloneFlags, setns, unshare};

use super::*;

mod ipv6;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the test in a namespace of its own, or says why not.
fn isolated(test: impl FnOnce() + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let result = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        run("ip link set lo up");
        test();
    })
    .join();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn own_namespace() -> File {
    File::open("/proc/thread-self/ns/net").unwrap()
}

/// An empty network namespace.
fn namespace() -> File {
    thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        own_namespace()
    })
    .join()
    .unwrap()
}

/// Runs something inside a network namespace. Sockets made there stay there.
fn within<T: Send>(netns: &File, f: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            setns(netns.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
            f()
        });
        inside.join().unwrap()
    })
}

/// Output of a command in the thread's namespace.
fn run(command: &str) -> String {
    let mut words = command.split(' ');
    let out = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn bridge() -> Bridge {
    numbered(0)
}

fn numbered(n: u8) -> Bridge {
    let gateway = Ipv4Addr::new(10, 99, n, 1);
    Bridge { name: format!("lt{n}"), ..Bridge::of(Ipv4Net::new(gateway, 24).unwrap()) }
}

fn endpoint(bridge: &Bridge, last: u8, ports: &[&str]) -> Endpoint {
    let [a, b, c, _] = bridge.gateway.octets();
    let address = Ipv4Addr::new(a, b, c, last);
    let ports = ports.iter().flat_map(|text| PortMapping::parse(text).unwrap()).collect();
    Endpoint { ports, ..Endpoint::new(format!("owner-{c}-{last}"), bridge.clone(), address) }
}

/// A container's namespace on the bridge.
fn container(endpoint: &Endpoint) -> File {
    let netns = namespace();
    attach(netns.as_fd(), endpoint, None).unwrap();
    netns
}

/// Answers every connection to the port with the peer's address, until the test ends.
fn serve(netns: &File, port: u16) {
    let (tcp, udp) = within(netns, || {
        let any = (Ipv6Addr::UNSPECIFIED, port);
        (TcpListener::bind(any).unwrap(), UdpSocket::bind(any).unwrap())
    });
    thread::spawn(move || {
        while let Ok((mut stream, peer)) = tcp.accept() {
            let _ = stream.write_all(peer.ip().to_canonical().to_string().as_bytes());
        }
    });
    thread::spawn(move || {
        let mut buffer = [0; 16];
        while let Ok((_, peer)) = udp.recv_from(&mut buffer) {
            let _ = udp.send_to(peer.ip().to_canonical().to_string().as_bytes(), peer);
        }
    });
}

/// What the server saw as our address, or none if it was not reached.
fn ask(address: impl Into<IpAddr>, port: u16) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address.into(), port), TIMEOUT).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn ask_udp(address: impl Into<IpAddr>, port: u16) -> Option<String> {
    let address = address.into();
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    // Answers from elsewhere do not count.
    socket.connect((address, port)).ok()?;
    socket.send(b"?").ok()?;
    let mut buffer = [0; 64];
    let length = receive(&socket, &mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// A datagram. A wait with a bound ends when a signal comes in, such as that of another test's child (signal(7)).
pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match socket.recv(buffer) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Another host, 192.0.2.2, joined to ours, 192.0.2.1, by a link named like the argument.
fn other_host(link: &str, third: u8) -> File {
    let other = namespace();
    let name = format!("{link}-x");
    run(&format!("ip link add {link} type veth peer name {name}"));
    run(&format!("ip addr add 192.0.{third}.1/24 dev {link}"));
    run(&format!("ip link set {link} up"));
    let mut netlink = socket::Netlink::route().unwrap();
    let mut message = netlink_packet_route::link::LinkMessage::default();
    message.header.index = link::find(&mut netlink, &name).unwrap().unwrap().index;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&other);
    message.attributes.push(netlink_packet_route::link::LinkAttribute::NetNsFd(fd));
    netlink.request(netlink_packet_route::RouteNetlinkMessage::SetLink(message), 0).unwrap();
    within(&other, || {
        run(&format!("ip addr add 192.0.{third}.2/24 dev {name}"));
        run(&format!("ip link set {name} up"));
        run("ip link set lo up");
    });
    other
}

fn forwarding(link: &str) -> bool {
    sysctl::is(link, "forwarding", "1")
}

/// Links and rules of the thread's namespace, for comparison.
fn state() -> String {
    let links = run("ip -br link");
    let names: Vec<&str> = links.lines().filter_map(|line| line.split_whitespace().next()).collect();
    format!("{names:?}\n{}", run("nft list ruleset"))
}

#[test]
fn containers_reach_each_other_and_leave_nothing() {
    isolated(|| {
        let before = state();
        let bridge = bridge();
        ensure_bridge(&bridge).unwrap();
        let (one, two) = (endpoint(&bridge, 2, &["18080:80"]), endpoint(&bridge, 3, &[]));
        let with_bridge = state();
        let (a, b) = (container(&one), container(&two));
        serve(&b, 80);
        within(&a, || {
            run("ping -c 1 -W 2 10.99.0.3");
            run("ping -c 1 -W 2 10.99.0.1");
            run("ping -c 1 -W 2 127.0.0.1");
            assert_eq!(ask(two.address, 80).as_deref(), Some("10.99.0.2"));
            let links = run("ip link show eth0");
            assert!(links.contains("02:42:0a:63:00:02"), "{links}");
            assert!(run("ip route").contains("default via 10.99.0.1 dev eth0"));
        });
        let published = publish(&one).unwrap();
        for endpoint in [&one, &two, &one] {
            detach(None, endpoint).unwrap();
        }
        drop(published);
        assert_eq!(state(), with_bridge);
        remove_bridge(&bridge).unwrap();
        remove_bridge(&bridge).unwrap();
        detach(None, &one).unwrap();
        assert_eq!(state(), before);
    });
}

/// Whether bridged frames pass through the rules for routed packets; `None` where the kernel cannot.
/// Whether one container still reaches another on a bridge that carries nothing but ARP.
fn reaches_past(bridge: &Bridge) -> bool {
    ensure_bridge(bridge).unwrap();
    let (one, mut two) = (endpoint(bridge, 2, &[]), endpoint(bridge, 3, &[]));
    let a = container(&one);
    // The second of that address: the first one's link is gone.
    drop(container(&two));
    detach(None, &two).unwrap();
    two.owner.push('b');
    let b = container(&two);
    serve(&b, 80);
    within(&a, || assert_eq!(ask(two.address, 80).as_deref(), Some("10.99.0.2")));
    run("nft add table bridge closed");
    run("nft add chain bridge closed way { type filter hook forward priority 0 ; policy drop ; }");
    run("nft add rule bridge closed way ether type arp accept");
    let reached =
        within(&a, || ask(two.address, 80)).is_some() && within(&a, || ask_udp(two.address, 80)).is_some();
    // The host itself is no such endpoint.
    within(&a, || run("ping -c 1 -W 2 10.99.0.1"));
    reached
}

#[test]
fn packets_go_from_link_to_link() {
    if crate::kernel::release::version() < Some((6, 7)) {
        eprintln!("skipped: Linux 6.7 is the first that counts such packets");
        return;
    }
    isolated(|| assert!(reaches_past(&bridge())));
    isolated(|| assert!(!reaches_past(&Bridge { bridged: true, ..bridge() })));
}

fn bridge_netfilter(on: bool) -> Option<()> {
    std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", if on { "1" } else { "0" }).ok()
}

#[test]
fn ports_are_reached_from_everywhere() {
    isolated(|| {
        if bridge_netfilter(false).is_none() {
            eprintln!("br_netfilter is not loaded");
        }
        reach_ports();
    });
}

#[test]
fn ports_are_reached_from_everywhere_with_br_netfilter() {
    isolated(|| match bridge_netfilter(true) {
        Some(()) => reach_ports(),
        None => eprintln!("skipped: br_netfilter is not loaded"),
    });
}

fn reach_ports() {
    let bridge = bridge();
    let other = other_host("up0", 2);
    ensure_bridge(&bridge).unwrap();
    let one = endpoint(&bridge, 2, &["18080:80", "18081:80/udp", "127.0.0.1:18082:80", "80"]);
    let (a, b) = (container(&one), container(&endpoint(&bridge, 3, &[])));
    serve(&a, 80);
    let published = publish(&one).unwrap();
    let (loopback, host) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(ask(loopback, 18080).as_deref(), Some("10.99.0.1"));
    assert_eq!(ask(loopback, 18082).as_deref(), Some("10.99.0.1"));
    assert_eq!(ask_udp(loopback, 18081).as_deref(), Some("10.99.0.1"));
    assert!(ask(host, 18080).is_some());
    assert!(ask(bridge.gateway, 18080).is_some());
    let chosen = published.mappings()[3].host_port;
    assert!(chosen != 0 && ask(host, chosen).is_some());
    within(&other, || {
        assert_eq!(ask(host, 18080).as_deref(), Some("192.0.2.2"), "the client's own address is kept");
        assert_eq!(ask_udp(host, 18081).as_deref(), Some("192.0.2.2"));
        assert_eq!(ask(host, 18082), None, "published for loopback only");
    });
    // By way of the host's address, also to itself.
    for netns in [&b, &a] {
        within(netns, || {
            assert!(ask(host, 18080).is_some());
            assert!(ask(bridge.gateway, 18080).is_some());
            assert!(ask_udp(host, 18081).is_some());
        });
    }
    detach(None, &one).unwrap();
    drop(published);
    assert_eq!(ask(loopback, 18080), None);
}

#[test]
fn the_way_out_is_masqueraded_and_there_is_no_way_in() {
    isolated(|| {
        let (bridge, second) = (bridge(), numbered(1));
        let (other, third) = (other_host("up0", 2), other_host("up1", 3));
        ensure_bridge(&bridge).unwrap();
        ensure_bridge(&second).unwrap();
        assert!(forwarding("up0") && forwarding("up1") && !sysctl::forwards_everywhere());
        let (a, b) = (container(&endpoint(&bridge, 2, &[])), container(&endpoint(&second, 2, &[])));
        for netns in [&a, &b, &other, &third] {
            serve(netns, 80);
        }
        let (inside, there) = (Ipv4Addr::new(10, 99, 0, 2), Ipv4Addr::new(192, 0, 2, 2));
        within(&a, || {
            assert_eq!(ask(there, 80).as_deref(), Some("192.0.2.1"));
            run("ping -c 1 -W 2 192.0.2.2");
            run("ip route add 127.9.0.0/16 via 10.99.0.1");
            assert_eq!(ask(Ipv4Addr::new(10, 99, 1, 2), 80), None, "networks are apart");
        });
        // A neighbour that routes through us reaches neither containers nor our other neighbours.
        within(&other, || {
            run("ip route add 10.99.0.0/16 via 192.0.2.1");
            run("ip route add 192.0.3.0/24 via 192.0.2.1");
            assert_eq!(ask(inside, 80), None);
        });
        within(&third, || run("ip route add 192.0.2.0/24 via 192.0.3.1"));
        within(&other, || assert_eq!(ask(Ipv4Addr::new(192, 0, 3, 2), 80), None));
        remove_bridge(&bridge).unwrap();
        assert!(forwarding("up0"), "the second bridge needs it");
        within(&other, || assert_eq!(ask(Ipv4Addr::new(192, 0, 3, 2), 80), None, "still guarded"));
        remove_bridge(&second).unwrap();
        assert!(!forwarding("up0") && !forwarding("up1"));
    });
}

#[test]
fn the_hosts_loopback_is_out_of_reach() {
    isolated(|| {
        let bridge = bridge();
        ensure_bridge(&bridge).unwrap();
        let a = container(&endpoint(&bridge, 2, &[]));
        let listener = TcpListener::bind("127.0.0.1:18090").unwrap();
        listener.set_nonblocking(true).unwrap();
        let connected = within(&a, || {
            // What an attacker with CAP_NET_ADMIN in the container would do.
            run("ip addr del 127.0.0.1/8 dev lo");
            std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").unwrap();
            run("ip route flush table local type local exact 127.0.0.0/8");
            run("ip route add 127.0.0.1 via 10.99.0.1 dev eth0 src 10.99.0.2");
            ask(Ipv4Addr::LOCALHOST, 18090)
        });
        assert_eq!(connected, None);
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    });
}

#[test]
fn a_taken_port_names_its_holder() {
    isolated(|| {
        let bridge = bridge();
        ensure_bridge(&bridge).unwrap();
        let taken = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let before = state();
        let error = publish(&endpoint(&bridge, 2, &["18070:70", &format!("{port}:80")])).unwrap_err();
        let Error::PortInUse { port: reported, holder: Some(holder), .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(*reported, port);
        assert!(holder.ends_with(&format!("(pid {})", std::process::id())), "{holder}");
        assert_eq!(state(), before);
        let first = publish(&endpoint(&bridge, 2, &["18070:70/udp"])).unwrap();
        assert!(matches!(publish(&endpoint(&bridge, 3, &["18070:70/udp"])), Err(Error::PortInUse { .. })));
        drop(first);
        // A process that another test is just starting may hold a copy of the socket until it runs its program.
        let start = Instant::now();
        while publish(&endpoint(&bridge, 3, &["18070:70/udp"])).is_err() {
            assert!(start.elapsed() < TIMEOUT);
        }
        let nowhere = publish(&endpoint(&bridge, 3, &["198.51.100.1:18070:70"])).unwrap_err();
        assert!(matches!(nowhere, Error::Reserve { .. }));
    });
}

#[test]
fn many_make_the_bridge_at_once() {
    isolated(|| {
        let bridge = bridge();
        let host = own_namespace();
        thread::scope(|scope| {
            for n in 2..22 {
                let (bridge, host) = (&bridge, &host);
                scope.spawn(move || {
                    setns(host.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
                    ensure_bridge(bridge).unwrap();
                    let endpoint = endpoint(bridge, n, &[&format!("{}:80", 18100 + u16::from(n))]);
                    let netns = container(&endpoint);
                    let published = publish(&endpoint).unwrap();
                    within(&netns, || drop(run("ping -c 1 -W 2 10.99.0.1")));
                    detach(None, &endpoint).unwrap();
                    drop(published);
                });
            }
        });
        let rules = run("nft list ruleset");
        assert_eq!(rules.matches("table ").count(), 1, "{rules}");
        assert!(!rules.contains("dnat ip to") && rules.matches("masquerade").count() == 3, "{rules}");
    });
}

#[test]
fn attaching_again_replaces_and_foreign_links_stay() {
    isolated(|| {
        let bridge = bridge();
        ensure_bridge(&bridge).unwrap();
        let one = endpoint(&bridge, 2, &[]);
        let first = container(&one);
        let second = container(&one);
        within(&first, || assert!(!run("ip -br link").contains("eth0")));
        within(&second, || drop(run("ping -c 1 -W 2 10.99.0.1")));
        let links = run("ip -br link");
        let name = links.lines().find(|l| l.starts_with("ve")).unwrap().split('@').next().unwrap().to_owned();
        detach(None, &one).unwrap();
        run(&format!("ip link add {name} type veth peer name other-x"));
        let third = container(&one);
        within(&third, || drop(run("ping -c 1 -W 2 10.99.0.1")));
        detach(None, &one).unwrap();
        let links = run("ip -br link");
        assert!(links.contains(&name) && links.matches("\nve").count() == 1, "{links}");
    });
}

#[test]
fn refuses_what_is_not_its_own() {
    isolated(|| {
        let bridge = bridge();
        run("ip link add lt0 type veth peer name lt0-x");
        assert!(matches!(ensure_bridge(&bridge), Err(Error::NotABridge { .. })));
        assert!(matches!(remove_bridge(&bridge), Err(Error::NotABridge { .. })));
        run("ip link del lt0");
        ensure_bridge(&bridge).unwrap();
        let other = Bridge { name: "lt0".to_owned(), ..numbered(7) };
        assert!(matches!(ensure_bridge(&other), Err(Error::TableConflict { .. })));
        assert!(matches!(
            ensure_bridge(&Bridge { gateway: Ipv4Addr::LOCALHOST, ..bridge }),
            Err(Error::AddressOutside { .. })
        ));
        let missing = numbered(9);
        assert_eq!(
            attach(namespace().as_fd(), &endpoint(&missing, 2, &[]), None).unwrap_err().errno(),
            Some(libc::ENODEV)
        );
    });
}

#[test]
fn the_kernel_removes_the_link_of_an_ended_namespace() {
    isolated(|| {
        let bridge = bridge();
        ensure_bridge(&bridge).unwrap();
        let before = state();
        let one = endpoint(&bridge, 2, &["18080:80"]);
        for n in 0..10 {
            let netns = container(&one);
            let published = publish(&one).unwrap();
            drop((netns, published));
            if n % 2 == 0 { drop(unpublish(&one).unwrap()) } else { detach(None, &one).unwrap() }
        }
        let start = Instant::now();
        while state() != before {
            assert!(start.elapsed() < Duration::from_secs(5), "{}", state());
            thread::sleep(Duration::from_millis(5));
        }
    });
}

#[test]
fn a_router_stays_one() {
    isolated(|| {
        let bridge = bridge();
        let (other, third) = (other_host("up0", 2), other_host("up1", 3));
        ensure_bridge(&bridge).unwrap();
        assert_eq!(nft::opened(&bridge.name, nft::OPENED).unwrap().len(), 2);
        let (there, back) = (Ipv4Addr::new(192, 0, 3, 2), "ip route add 192.0.2.0/24 via 192.0.3.1");
        serve(&third, 80);
        within(&third, || drop(run(back)));
        within(&other, || drop(run("ip route add 192.0.3.0/24 via 192.0.2.1")));
        // The owner decides that this host routes.
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        ensure_bridge(&bridge).unwrap();
        within(&other, || assert_eq!(ask(there, 80).as_deref(), Some("192.0.2.2")));
        remove_bridge(&bridge).unwrap();
        assert!(forwarding("up0"));
    });
}

#[test]
fn mends_what_others_broke() {
    isolated(|| {
        let bridge = bridge();
        other_host("up0", 2);
        ensure_bridge(&bridge).unwrap();
        let one = endpoint(&bridge, 2, &["18080:80"]);
        let a = container(&one);
        serve(&a, 80);
        let published = publish(&one).unwrap();
        run("nft flush ruleset");
        ensure_bridge(&bridge).unwrap();
        drop(published);
        let _published = publish(&one).unwrap();
        assert!(ask(Ipv4Addr::LOCALHOST, 18080).is_some());
        run("ip link del lt0");
        detach(None, &one).unwrap();
        ensure_bridge(&bridge).unwrap();
        let a = container(&one);
        within(&a, || drop(run("ping -c 1 -W 2 10.99.0.1")));
        // A half-made bridge: the maker was killed before it was up.
        run("ip link del lt0");
        run("ip link add lt0 type bridge");
        ensure_bridge(&bridge).unwrap();
        let a = container(&one);
        within(&a, || drop(run("ping -c 1 -W 2 10.99.0.1")));
    });
}

#[test]
fn a_namespace_of_another_user_namespace() {
    isolated(|| {
        let bridge = bridge();
        ensure_bridge(&bridge).unwrap();
        let before = own_namespace();
        let mut child = Command::new("unshare").args(["-Urn", "sleep", "60"]).spawn().unwrap();
        let path = format!("/proc/{}/ns/net", child.id());
        let id = |file: &File| std::os::unix::fs::MetadataExt::ino(&file.metadata().unwrap());
        let start = Instant::now();
        let netns = loop {
            let netns = File::open(&path).unwrap();
            if id(&netns) != id(&before) {
                break netns;
            }
            assert!(start.elapsed() < Duration::from_secs(5));
            thread::sleep(Duration::from_millis(2));
        };
        let one = endpoint(&bridge, 2, &[]);
        loopback_up(netns.as_fd()).unwrap();
        attach(netns.as_fd(), &one, None).unwrap();
        within(&netns, || drop(run("ping -c 1 -W 2 10.99.0.1")));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(id(&own_namespace()), id(&before), "came back");
    });
}
