//! Networks that are no bridges.

use crate::support::{Lay, eventually, output};

fn start(lay: &Lay, name: &str, network: &str) {
    lay.ok(&["run", "-d", "--name", name, "--network", network, "busybox", "sleep", "1000"]);
}

#[test]
fn a_pair_joins_two_containers_and_nobody_else() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "-d", "ptp", "pair"]);
    start(&lay, "a1", "pair");
    assert_eq!(lay.ok(&["exec", "a1", "ls", "/sys/class/net"]), "eth0\nlo", "its end is there already");
    start(&lay, "a2", "pair");
    for (from, to) in [("a1", "a2"), ("a2", "a1")] {
        lay.ok(&["exec", from, "ping", "-c", "1", "-W", "3", to]);
    }
    assert!(!lay.ok(&["exec", "a1", "ip", "route"]).contains("default"));
    lay.run(&["run", "--rm", "--network", "pair", "busybox", "true"])
        .fails(125, "network pair joins two containers, and has them: ");
    // Either can go and come back.
    for (gone, stays) in [("a1", "a2"), ("a2", "a1")] {
        lay.ok(&["rm", "-f", gone]);
        eventually("the link is gone with its peer", || {
            lay.ok(&["exec", stays, "ls", "/sys/class/net"]) == "lo"
        });
        start(&lay, gone, "pair");
        lay.ok(&["exec", gone, "ping", "-c", "1", "-W", "3", stays]);
        lay.ok(&["exec", stays, "ping", "-c", "1", "-W", "3", gone]);
    }
    lay.ok(&["rm", "-f", "a1", "a2"]);
    lay.ok(&["network", "rm", "pair"]);
    lay.assert_clean();
}

#[test]
fn macvlan_sits_on_a_link_of_the_host() {
    let lay = Lay::new();
    let parent = format!("mv{}", lay.slot);
    lay.run(&["network", "create", "-d", "macvlan", "lan"]).fails(1, "parent=LINK");
    output("ip", &["link", "add", &parent, "type", "veth", "peer", "name", &format!("{parent}p")]);
    for link in [parent.clone(), format!("{parent}p")] {
        output("ip", &["link", "set", &link, "up"]);
    }
    let option = format!("parent={parent}");
    let subnet = format!("{}.0/24", lay.pool());
    lay.ok(&["network", "create", "-d", "macvlan", "--opt", &option, "--subnet", &subnet, "lan"]);
    start(&lay, "a1", "lan");
    start(&lay, "a2", "lan");
    lay.ok(&["exec", "a1", "ping", "-c", "1", "-W", "3", "a2"]);
    assert!(lay.ok(&["exec", "a1", "ip", "route"]).contains(&format!("default via {}.1", lay.pool())));
    lay.run(&["run", "--rm", "--network", "lan", "-p", "80", "busybox", "true"])
        .fails(125, "ports need a bridge");
    // Taken off while it runs, and put back.
    lay.ok(&["network", "disconnect", "lan", "a2"]);
    assert_eq!(lay.ok(&["exec", "a2", "ls", "/sys/class/net"]), "lo");
    lay.ok(&["network", "connect", "lan", "a2"]);
    lay.ok(&["exec", "a2", "ping", "-c", "1", "-W", "3", "a1"]);
    lay.ok(&["rm", "-f", "a1", "a2"]);
    lay.ok(&["network", "rm", "lan"]);
    output("ip", &["link", "del", &parent]);
    lay.run(&["network", "create", "-d", "macvlan", "--opt", &option, "lan"]).fails(1, &parent);
    lay.assert_clean();
}
