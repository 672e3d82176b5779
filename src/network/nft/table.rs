//! The table of a bridge, as it is created.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};

use super::expr::{Is, Rule};
use super::message::{Attributes, Batch, kind};
use crate::network::bridge::Bridge;

/// Chain with a rule for each published port.
pub(super) const PORTS: &str = "ports";
/// Set of the uplinks that were made to forward.
pub(in crate::network) const OPENED: &str = "opened";
/// The same for IPv6.
pub(in crate::network) const OPENED6: &str = "opened6";
/// Addresses that must never be on a wire.
const LOOPBACK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
/// Addresses that every link has.
const LINK_LOCAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);
/// The source of who has no address yet.
const NOBODY: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128);

/// `enum nf_inet_hooks`.
#[derive(Clone, Copy)]
pub(super) enum Hook {
    Prerouting = 0,
    Input = 1,
    Forward = 2,
    Output = 3,
    Postrouting = 4,
}

/// A batch that creates the whole table, and fails with `EEXIST` where it is there.
pub(super) fn create(table: &str, bridge: &Bridge, comment: &str) -> Batch {
    let mut batch = Batch::default();
    batch.push(kind::NEW_TABLE, NLM_F_CREATE | NLM_F_EXCL, |a| {
        a.text(1, table).number(2, 0).bytes(6, &super::comment(comment));
    });
    let sets = [Some((OPENED, 1)), bridge.ipv6.as_ref().map(|_| (OPENED6, 2))];
    for (set, id) in sets.into_iter().flatten() {
        batch.push(kind::NEW_SET, NLM_F_CREATE, |a| {
            // Type 41 is what nft calls ifname; the kernel only looks at the length.
            a.text(1, table).text(2, set).number(3, 0).number(4, 41).number(5, 16).number(10, id);
            // nft's own note, by which it prints the names: key in the machine's byte order.
            let [a0, a1, a2, a3] = u32::to_ne_bytes(1);
            a.bytes(13, &[0, 4, a0, a1, a2, a3]);
        });
    }
    let mut base = vec![
        ("raw", "filter", Hook::Prerouting, -300),
        ("prerouting", "nat", Hook::Prerouting, -100),
        ("output", "nat", Hook::Output, -100),
        ("postrouting", "nat", Hook::Postrouting, 100),
        ("redirects", "filter", Hook::Output, 0),
        ("forward", "filter", Hook::Forward, 0),
    ];
    if bridge.internal {
        base.push(("input", "filter", Hook::Input, 0));
    }
    batch.push(kind::NEW_CHAIN, NLM_F_CREATE, |a| {
        a.text(1, table).text(3, PORTS);
    });
    for (chain, class, hook, priority) in base {
        batch.push(kind::NEW_CHAIN, NLM_F_CREATE, |a| {
            a.text(1, table).text(3, chain).text(7, class).nest(4, |a| {
                a.number(1, hook as u32).bytes(2, &i32::to_be_bytes(priority));
            });
        });
    }
    for (chain, rule) in rules(bridge) {
        batch.push(kind::NEW_RULE, NLM_F_CREATE | NLM_F_APPEND, |a| in_chain(a, table, chain, rule));
    }
    batch
}

/// Table, chain and expressions of a new rule.
pub(super) fn in_chain(a: &mut Attributes, table: &str, chain: &str, rule: Rule) {
    a.text(1, table).text(2, chain);
    rule.finish(a);
}

fn rules(bridge: &Bridge) -> Vec<(&'static str, Rule)> {
    let mut rules = common(bridge);
    if bridge.ipv6.is_some() {
        rules.extend(ipv6(bridge));
    }
    match bridge.internal {
        true => rules.extend(shut(bridge)),
        false => rules.extend(way_out(bridge)),
    }
    rules
}

/// What holds on every bridge.
fn common(bridge: &Bridge) -> Vec<(&'static str, Rule)> {
    let Bridge { name, subnet, .. } = bridge;
    let rule = Rule::default;
    vec![
        // Containers neither forge addresses of other networks nor reach the host's loopback,
        // which route_localnet on the bridge would else let in.
        ("raw", rule().in_link(Is::Equal, name).ipv4().source(Is::Different, *subnet).drop()),
        ("raw", rule().in_link(Is::Equal, name).ipv4().destination(Is::Equal, LOOPBACK).drop()),
        // From other hosts and containers, and from the host itself.
        ("prerouting", rule().ipv4().for_this_host().jump(PORTS)),
        ("output", rule().ipv4().for_this_host().jump(PORTS)),
        // A container that uses a published port of its own network: the answer has to pass here to be undone.
        (
            "postrouting",
            rule().ipv4().source(Is::Equal, *subnet).out_link(Is::Equal, name).translated().masquerade(),
        ),
        // The host by way of 127.0.0.1.
        ("postrouting", rule().ipv4().source(Is::Equal, LOOPBACK).out_link(Is::Equal, name).masquerade()),
        // A hairpin enters and leaves at the bridge, so the host would advise the container of a shorter way, which
        // leads past the translation. (send_redirects of one link does not matter while that of `all` is on.)
        ("redirects", rule().out_link(Is::Equal, name).ipv4().icmp_redirect().drop()),
        ("forward", rule().in_link(Is::Equal, name).out_link(Is::Equal, name).accept()),
    ]
}

/// The same for IPv6, whose loopback never leaves the host.
fn ipv6(bridge: &Bridge) -> Vec<(&'static str, Rule)> {
    let Some(range) = &bridge.ipv6 else { return Vec::new() };
    let name = &bridge.name;
    let rule = Rule::default;
    let foreign = rule().in_link(Is::Equal, name).ipv6().source(Is::Different, range.subnet);
    let mut rules = vec![
        ("raw", foreign.source(Is::Different, LINK_LOCAL).source(Is::Different, NOBODY).drop()),
        ("prerouting", rule().ipv6().for_this_host().jump(PORTS)),
        ("output", rule().ipv6().for_this_host().jump(PORTS)),
        (
            "postrouting",
            rule().ipv6().source(Is::Equal, range.subnet).out_link(Is::Equal, name).translated().masquerade(),
        ),
    ];
    if !bridge.internal {
        let out = rule().ipv6().source(Is::Equal, range.subnet).out_link(Is::Different, name);
        // Before what is said for both, that hosts which forward IPv4 alone stay no router.
        rules.push(("forward", rule().ipv6().between_links_of(OPENED6).drop()));
        rules.push(("postrouting", out.out_link(Is::Different, "lo").masquerade()));
    }
    rules
}

/// To the world, and back.
fn way_out(bridge: &Bridge) -> Vec<(&'static str, Rule)> {
    let Bridge { name, subnet, .. } = bridge;
    let rule = Rule::default;
    let out = rule().ipv4().source(Is::Equal, *subnet).out_link(Is::Different, name);
    vec![
        // Under the host's address. Not on lo: the gateway's own address stays what it is.
        ("postrouting", out.out_link(Is::Different, "lo").masquerade()),
        // Inwards only what belongs to a connection from inside, and published ports.
        ("forward", rule().out_link(Is::Equal, name).known().accept()),
        ("forward", rule().out_link(Is::Equal, name).translated().accept()),
        ("forward", rule().out_link(Is::Equal, name).drop()),
        ("forward", rule().between_links_of(OPENED).drop()),
    ]
}

/// No way out, in or to the host, but for answers to the host and the messages that keep a link going.
fn shut(bridge: &Bridge) -> Vec<(&'static str, Rule)> {
    let name = &bridge.name;
    let rule = Rule::default;
    vec![
        ("forward", rule().in_link(Is::Equal, name).drop()),
        ("forward", rule().out_link(Is::Equal, name).drop()),
        ("forward", rule().between_links_of(OPENED).drop()),
        ("input", rule().in_link(Is::Equal, name).known().accept()),
        ("input", rule().in_link(Is::Equal, name).transport(libc::IPPROTO_ICMP).accept()),
        ("input", rule().in_link(Is::Equal, name).transport(libc::IPPROTO_ICMPV6).accept()),
        ("input", rule().in_link(Is::Equal, name).drop()),
    ]
}
