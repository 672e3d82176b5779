//! The bridge: addresses, names, published ports.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::registry::has_centos;
use crate::support::{Lay, eventually};

fn address(lay: &Lay, name: &str) -> String {
    lay.ok(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", name])
}

fn fetch(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

const SERVE: &str = "while :; do printf 'HTTP/1.0 200 OK\\r\\n\\r\\nserved' | nc -l -p 80; done";

#[test]
fn each_container_has_an_address_a_route_and_its_files() {
    let lay = Lay::new();
    let net = lay.net();
    let text = lay.sh(
        &["--name", "n1", "--hostname", "n1host"],
        "busybox",
        "ip -o -4 addr show eth0; ip route; cat /etc/hosts /etc/hostname /etc/resolv.conf",
    );
    assert!(text.contains(&format!("inet {net}.")), "{text}");
    assert!(text.contains(&format!("default via {net}.1 dev eth0")), "{text}");
    assert!(
        text.contains("127.0.0.1\tlocalhost") && text.contains("\tn1host\n") && text.contains("nameserver "),
        "{text}"
    );
    lay.assert_clean();
}

#[test]
fn two_containers_reach_each_other_and_the_bridge() {
    let lay = Lay::new();
    lay.ok(&["run", "-d", "--name", "server", "busybox", "sh", "-c", SERVE]);
    let server = address(&lay, "server");
    lay.sh(&[], "busybox", &format!("ping -c 1 -W 3 {server} && ping -c 1 -W 3 {}.1", lay.net()));
    let mut text = String::new();
    eventually("the server answers", || {
        text = lay
            .run(&["run", "--rm", "busybox", "wget", "-q", "-O", "-", &format!("http://{server}/")])
            .stdout;
        text == "served"
    });
    lay.ok(&["rm", "-f", "server"]);
    lay.assert_clean();
}

#[test]
fn a_published_port_is_reached_from_the_host() {
    let lay = Lay::new();
    let port = 20_000 + lay.slot;
    lay.ok(&["run", "-d", "--name", "web", "-p", &format!("{port}:80"), "busybox", "sh", "-c", SERVE]);
    eventually("the port answers", || {
        fetch(&format!("127.0.0.1:{port}")).is_some_and(|text| text.ends_with("served"))
    });
    assert!(lay.ok(&["ps"]).contains(&format!("0.0.0.0:{port}->80/tcp")));
    let taken = lay.run(&["run", "--rm", "--name", "second", "-p", &format!("{port}:80"), "busybox", "true"]);
    let taken = taken.fails(125, &format!("port 0.0.0.0:{port}/tcp is already in use by"));
    assert_eq!(taken.stderr.lines().count(), 1, "{}", taken.stderr);
    lay.ok(&["rm", "-f", "web"]);
    assert_eq!(fetch(&format!("127.0.0.1:{port}")), None);
    lay.assert_clean();
}

#[test]
fn a_free_port_is_chosen_and_told() {
    let lay = Lay::new();
    lay.ok(&["run", "-d", "--name", "any", "-p", "127.0.0.1::80", "busybox", "sh", "-c", SERVE]);
    let ports = lay.ok(&["ps", "--format", "{{.Ports}}"]);
    let address = ports.split("->").next().unwrap().to_string();
    assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{ports}");
    eventually("the port answers", || fetch(&address).is_some_and(|text| text.ends_with("served")));
}

#[test]
fn none_has_only_a_loopback_and_host_the_host_s_links() {
    let lay = Lay::new();
    assert_eq!(lay.sh(&["--network", "none"], "busybox", "ls /sys/class/net"), "lo");
    let host: Vec<String> = std::fs::read_dir("/sys/class/net")
        .unwrap()
        .flatten()
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    let inside = lay.sh(&["--network", "host"], "busybox", "ls /sys/class/net");
    assert!(inside.split_whitespace().any(|link| host.contains(&link.to_string())), "{inside}");
    assert_eq!(
        lay.sh(&["--network", "host"], "busybox", "hostname"),
        crate::support::output("uname", &["-n"]).trim()
    );
}

#[test]
fn addresses_are_given_back_and_hosts_can_be_added() {
    let lay = Lay::new();
    for _ in 0..3 {
        lay.sh(&[], "busybox", "true");
    }
    let text = lay.sh(
        &["--add-host", "db:192.0.2.7", "--dns", "192.0.2.53"],
        "busybox",
        "cat /etc/hosts /etc/resolv.conf",
    );
    assert!(text.contains("192.0.2.7\tdb") && text.ends_with("nameserver 192.0.2.53"), "{text}");
    lay.assert_clean();
}

#[test]
fn centos_curls_from_centos_web() {
    if !has_centos() {
        return;
    }
    let lay = Lay::new();
    lay.ok(&["run", "-d", "--name", "httpd", "centos-web:7"]);
    let server = address(&lay, "httpd");
    lay.ok(&["pull", "-q", "centos:7"]);
    assert!(lay.sh(&[], "centos:7", &format!("ping -c 1 -W 3 {server}")).contains("1 received"));
    eventually("httpd answers", || {
        let code = "curl -s -o /dev/null -w '%{http_code}' --max-time 3";
        let out = lay.run(&["run", "--rm", "centos:7", "sh", "-c", &format!("{code} http://{server}/")]);
        // 403 is the answer of a fresh httpd: its welcome page.
        matches!(out.stdout.as_str(), "200" | "403")
    });
    lay.ok(&["rm", "-f", "httpd"]);
    lay.assert_clean();
}
