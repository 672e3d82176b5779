//! Published ports by IPv6, where the container has it and where it has not.

use super::*;

/// Two addresses of ours by which another host knows us; what we send of ourselves bears the first.
const OURS: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)];

fn other_host6() -> File {
    let other = other_host("up0", 2);
    run("ip addr add 2001:db8::1/64 dev up0 nodad");
    run("ip addr add 2001:db8::2/64 dev up0 nodad preferred_lft 0");
    within(&other, || drop(run("ip addr add 2001:db8::9/64 dev up0-x nodad")));
    other
}

#[test]
fn ipv6_of_other_hosts_is_carried_to_a_network_without() {
    isolated(|| {
        let bridge = bridge();
        let other = other_host6();
        ensure_bridge(&bridge).unwrap();
        let one = endpoint(&bridge, 2, &["[::]:18080:80", "[::]:18081:80/udp", "18082:80"]);
        serve(&container(&one), 80);
        let mut published = publish(&one).unwrap();
        assert_eq!(published.mappings().len(), 3);
        let relay = std::mem::take(published.relay());
        let _driven = relay::tests::Driven::of(relay, move |port| one.sockets(port.container_port));
        within(&other, || {
            for ours in OURS {
                assert_eq!(ask(ours, 18080).as_deref(), Some("10.99.0.1"));
                assert_eq!(ask_udp(ours, 18081).as_deref(), Some("10.99.0.1"), "from where it was asked");
                assert_eq!(ask(ours, 18082), None, "IPv4 is what was published");
            }
        });
        assert_eq!(ask(Ipv6Addr::LOCALHOST, 18082).as_deref(), Some("10.99.0.1"), "localhost is both");
    });
}

#[test]
fn ipv6_keeps_its_way_into_a_network_with_it() {
    isolated(|| {
        let range = Ipv6Range { subnet: "fd99::/64".parse().unwrap(), gateway: "fd99::1".parse().unwrap() };
        std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
        let bridge = Bridge { ipv6: Some(range), ..bridge() };
        let other = other_host6();
        ensure_bridge(&bridge).unwrap();
        let address6 = Some("fd99::2".parse().unwrap());
        let one = Endpoint { address6, ..endpoint(&bridge, 2, &["18080:80", "[::1]:18081:80"]) };
        let a = container(&one);
        serve(&a, 80);
        let mut published = publish(&one).unwrap();
        let relay = std::mem::take(published.relay());
        let _driven = relay::tests::Driven::of(relay, move |port| one.sockets(port.container_port));
        within(&other, || {
            // A link's own address takes a moment until it is certain that nobody has it.
            let start = Instant::now();
            while ask(OURS[0], 18080).is_none() && start.elapsed() < Duration::from_secs(20) {}
            assert_eq!(ask(OURS[0], 18080).as_deref(), Some("2001:db8::9"), "the client's own address");
        });
        assert_eq!(ask(OURS[0], 18080).as_deref(), Some("2001:db8::1"));
        for port in [18080, 18081] {
            assert_eq!(ask(Ipv6Addr::LOCALHOST, port).as_deref(), Some("fd99::1"));
        }
    });
}
