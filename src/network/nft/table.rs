//! The table of a bridge, as it is created.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};

use super::expr::{Is, Rule};
use super::message::{Attributes, Batch, kind};
use crate::network::bridge::Bridge;

/// Chain with a rule for each published port.
pub(super) const PORTS: &str = "ports";
/// Set of the uplinks that were made to forward.
pub(super) const OPENED: &str = "opened";
/// Addresses that must never be on a wire.
const LOOPBACK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);

/// `enum nf_inet_hooks`.
#[derive(Clone, Copy)]
enum Hook {
    Prerouting = 0,
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
    batch.push(kind::NEW_SET, NLM_F_CREATE, |a| {
        // Type 41 is what nft calls ifname; the kernel only looks at the length.
        a.text(1, table).text(2, OPENED).number(3, 0).number(4, 41).number(5, 16).number(10, 1);
        // nft's own note, by which it prints the names: key in the machine's byte order.
        let [a0, a1, a2, a3] = u32::to_ne_bytes(1);
        a.bytes(13, &[0, 4, a0, a1, a2, a3]);
    });
    let base = [
        ("raw", "filter", Hook::Prerouting, -300),
        ("prerouting", "nat", Hook::Prerouting, -100),
        ("output", "nat", Hook::Output, -100),
        ("postrouting", "nat", Hook::Postrouting, 100),
        ("redirects", "filter", Hook::Output, 0),
        ("forward", "filter", Hook::Forward, 0),
    ];
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
    let Bridge { name, subnet, .. } = bridge;
    let rule = Rule::default;
    vec![
        // Containers neither forge addresses of other networks nor reach the host's loopback,
        // which route_localnet on the bridge would else let in.
        ("raw", rule().in_link(Is::Equal, name).ipv4().source(Is::Different, *subnet).drop()),
        ("raw", rule().in_link(Is::Equal, name).ipv4().destination(LOOPBACK).drop()),
        // From other hosts and containers, and from the host itself.
        ("prerouting", rule().ipv4().for_this_host().jump(PORTS)),
        ("output", rule().ipv4().for_this_host().jump(PORTS)),
        // To the world under the host's address. Not on lo: the gateway's own address stays what it is.
        (
            "postrouting",
            rule()
                .ipv4()
                .source(Is::Equal, *subnet)
                .out_link(Is::Different, name)
                .out_link(Is::Different, "lo")
                .masquerade(),
        ),
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
        // Inwards only what belongs to a connection from inside, and published ports.
        ("forward", rule().in_link(Is::Equal, name).out_link(Is::Equal, name).accept()),
        ("forward", rule().out_link(Is::Equal, name).known().accept()),
        ("forward", rule().out_link(Is::Equal, name).translated().accept()),
        ("forward", rule().out_link(Is::Equal, name).drop()),
        ("forward", rule().between_links_of(OPENED).drop()),
    ]
}
