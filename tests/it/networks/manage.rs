//! Networks come, go, and are told about.

use serde_json::Value;

use crate::support::Lay;

fn inspect(lay: &Lay, name: &str) -> Value {
    let all: Value = serde_json::from_str(&lay.ok(&["network", "inspect", name])).unwrap();
    all[0].clone()
}

#[test]
fn three_are_always_there() {
    let lay = Lay::new();
    assert_eq!(
        lay.ok(&["network", "ls", "--format", "{{.Name}} {{.Driver}}"]),
        "bridge bridge\nhost host\nnone null"
    );
    for name in ["bridge", "host", "none"] {
        lay.run(&["network", "rm", name]).fails(1, &format!("network {name} is always there"));
        lay.run(&["network", "create", name]).fails(1, "already");
    }
    assert_eq!(inspect(&lay, "bridge")["Bridge"], lay.bridge());
}

#[test]
fn a_network_is_made_told_about_and_removed() {
    let lay = Lay::new();
    let id = lay.ok(&["network", "create", "--label", "a=b", "--opt", "mtu=1400", "web"]);
    assert_eq!(id.len(), 64);
    lay.run(&["network", "create", "web"]).fails(1, "there is a network web already");
    let value = inspect(&lay, &id[..6]);
    assert_eq!(
        (&value["Name"], &value["Driver"], &value["Internal"], &value["Labels"]["a"]),
        (&"web".into(), &"bridge".into(), &false.into(), &"b".into())
    );
    let link = value["Bridge"].as_str().unwrap().to_string();
    assert!(crate::support::output("ip", &["link", "show", &link]).contains("mtu 1400"));
    assert_eq!(lay.sh(&["--network", "web"], "busybox", "cat /sys/class/net/eth0/mtu"), "1400");
    lay.ok(&["run", "-d", "--name", "one", "--network", "web", "busybox", "sleep", "1000"]);
    let one = inspect(&lay, "web")["Containers"].clone();
    assert_eq!(one.as_object().unwrap().values().next().unwrap()["Name"], "one");
    lay.run(&["network", "rm", "web"]).fails(1, "network web is in use by one");
    assert_eq!(lay.ok(&["network", "prune", "-f"]), "");
    lay.ok(&["rm", "-f", "one"]);
    assert_eq!(lay.ok(&["network", "rm", "web"]), "web");
    lay.run(&["network", "rm", "web"]).fails(1, "no such network: web");
    lay.run(&["run", "--rm", "--network", "web", "busybox", "true"]).fails(125, "no such network: web");
    assert!(!std::path::Path::new("/sys/class/net").join(link).exists());
    lay.assert_clean();
}

#[test]
fn packets_pass_the_bridge_where_that_is_asked_for() {
    let lay = Lay::new();
    lay.run(&["network", "create", "--opt", "bridge.direct=no", "odd"])
        .fails(1, "bridge.direct is true or false");
    for (network, direct) in [("short", "true"), ("long", "false")] {
        lay.ok(&["network", "create", "--opt", &format!("bridge.direct={direct}"), network]);
        for n in ["1", "2"] {
            let name = format!("{network}{n}");
            lay.ok(&["run", "-d", "--name", &name, "--network", network, "busybox", "sleep", "1000"]);
        }
        let (one, two) = (format!("{network}1"), format!("{network}2"));
        let index = lay.ok(&["exec", &two, "cat", "/sys/class/net/eth0/iflink"]);
        let links = crate::support::output("ip", &["-o", "link", "show"]);
        let line = links.lines().find(|line| line.starts_with(&format!("{index}: "))).unwrap();
        let link = line.split([' ', '@']).nth(1).unwrap().to_owned();
        // What the host sends to the second container.
        let sent = || -> u64 {
            let file = format!("/sys/class/net/{link}/statistics/tx_packets");
            std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
        };
        let ping = |count| lay.ok(&["exec", &one, "ping", "-q", "-i", "0.01", "-c", count, "-W", "5", &two]);
        ping("1");
        let before = sent();
        ping("100");
        let passed = sent() - before;
        // The host sends a few of its own.
        if direct == "true" && crate::support::kernel() >= (6, 7) {
            assert!(passed < 50, "{passed} packets passed the bridge");
        } else {
            assert!(passed >= 100, "{passed} of 100 packets passed the bridge");
        }
        let received = lay.ok(&["stats", "--no-stream", "--format", "{{.NetIO}}", &two]);
        assert!(received.contains("kB"), "they are counted: {received}");
    }
}

#[test]
fn subnets_do_not_overlap() {
    let lay = Lay::new();
    let net = lay.net();
    for taken in [format!("{net}.128/25"), "10.0.0.0/8".to_string()] {
        lay.run(&["network", "create", "--subnet", &taken, "n1"]).fails(1, "overlaps with");
    }
    lay.ok(&["network", "create", "n1"]);
    lay.ok(&["network", "create", "n2"]);
    let subnet =
        |name: &str| inspect(&lay, name)["IPAM"]["Config"][0]["Subnet"].as_str().unwrap().to_string();
    assert_ne!(subnet("n1"), subnet("n2"));
    lay.run(&["network", "create", "--subnet", &subnet("n1"), "n3"]).fails(1, "of network n1");
    lay.run(&["network", "create", "--gateway", "192.0.2.1", "n3"]).fails(1, "--gateway");
    lay.run(&["network", "create", "-d", "overlay", "n3"]).fails(1, "--driver");
    lay.run(&["network", "create", "--opt", "enable_icc=false", "n3"]).fails(1, "enable_icc");
    assert_eq!(lay.ok(&["network", "prune", "-f"]), "Deleted Networks:\nn1\nn2");
}

#[test]
fn addresses_are_as_asked_for() {
    let lay = Lay::new();
    let pool = lay.pool();
    let (subnet, range) = (format!("{pool}.0/25"), format!("{pool}.64/28"));
    lay.ok(&[
        "network",
        "create",
        "--subnet",
        &subnet,
        "--ip-range",
        &range,
        "--gateway",
        &format!("{pool}.9"),
        "net",
    ]);
    let show = "ip -4 -o addr show eth0; ip route; cat /sys/class/net/eth0/address";
    let text = lay.sh(&["--network", "net"], "busybox", show);
    assert!(
        text.contains(&format!("inet {pool}.64/25")) && text.contains(&format!("via {pool}.9")),
        "{text}"
    );
    let fixed = format!("{pool}.20");
    let flags = ["--network", "net", "--ip", &fixed, "--mac-address", "02:42:ac:00:00:99"];
    let text = lay.sh(&flags, "busybox", show);
    assert!(text.contains(&format!("inet {fixed}/25")) && text.ends_with("02:42:ac:00:00:99"), "{text}");
    lay.ok(&[
        "run",
        "-d",
        "--name",
        "holder",
        "--network",
        &format!("net:ip={fixed}"),
        "busybox",
        "sleep",
        "1000",
    ]);
    lay.run(&["run", "--rm", "--network", "net", "--ip", &fixed, "busybox", "true"])
        .fails(125, &format!("address {fixed} is in use by container holder"));
    lay.run(&["run", "--rm", "--network", "net", "--ip", "192.0.2.9", "busybox", "true"])
        .fails(125, "not usable");
}

#[test]
fn a_container_comes_and_goes_while_it_runs() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "one"]);
    lay.ok(&["network", "create", "two"]);
    lay.ok(&["run", "-d", "--name", "c1", "--network", "one", "busybox", "sleep", "1000"]);
    lay.run(&["network", "connect", "one", "c1"]).fails(1, "container c1 is on network one already");
    lay.ok(&["network", "connect", "--alias", "second", "two", "c1"]);
    let links = lay.ok(&["exec", "c1", "ls", "/sys/class/net"]);
    assert_eq!(links, "eth0\neth1\nlo");
    assert_eq!(inspect(&lay, "two")["Containers"].as_object().unwrap().len(), 1);
    lay.sh(&["--network", "two"], "busybox", "ping -c 1 -W 3 second && ping -c 1 -W 3 c1");
    lay.ok(&["network", "disconnect", "one", "c1"]);
    assert_eq!(lay.ok(&["exec", "c1", "ls", "/sys/class/net"]), "eth1\nlo");
    assert!(lay.ok(&["exec", "c1", "ip", "route"]).contains("default via"), "another network leads out now");
    lay.run(&["network", "disconnect", "one", "c1"]).fails(1, "container c1 is not on network one");
    lay.ok(&["network", "disconnect", "--force", "one", "c1"]);
    lay.ok(&["network", "rm", "one"]);
    lay.ok(&["rm", "-f", "c1"]);
    lay.ok(&["network", "rm", "two"]);
    lay.assert_clean();
}

#[test]
fn one_container_on_several_networks_and_two_in_one_namespace() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "one"]);
    lay.ok(&["network", "create", "--internal", "in"]);
    let text = lay.sh(
        &["--network", "in", "--network", "one", "--network", "bridge"],
        "busybox",
        "ls /sys/class/net; ip route",
    );
    assert!(text.starts_with("eth0\neth1\neth2\nlo\n") && text.matches("default via").count() == 1, "{text}");
    assert!(text.contains("dev eth1 \n"), "the internal network leads nowhere: {text}");
    lay.ok(&["run", "-d", "--name", "first", "--network", "one", "busybox", "sleep", "1000"]);
    let shared =
        lay.sh(&["--network", "container:first"], "busybox", "ip -4 -o addr show eth0; cat /etc/hostname");
    assert_eq!(shared, lay.ok(&["exec", "first", "sh", "-c", "ip -4 -o addr show eth0; cat /etc/hostname"]));
    lay.run(&["run", "--rm", "--network", "container:gone", "busybox", "true"])
        .fails(125, "no such container");
    lay.run(&["run", "--rm", "--network", "host", "--network", "one", "busybox", "true"])
        .fails(125, "cannot be one of several");
}
