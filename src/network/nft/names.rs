//! The table inside a container's network namespace that leads questions for names to who answers them.
//!
//! Ports are rewritten without connection tracking, which would cost every packet of the container, loopback or not.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE};

use super::expr::{Is, Rule};
use super::message::{Batch, kind};
use super::table::{Hook, in_chain};
use super::{Error, failed};
use crate::network::port::Protocol;

const TABLE: &str = "lay-names";
/// The port of name servers.
const PORT: u16 = 53;

/// Leads port 53 of the address to these ports, by UDP and TCP. A table that is there is replaced.
pub(in crate::network) fn lead_to_names(address: Ipv4Addr, udp: u16, tcp: u16) -> Result<(), Error> {
    let mut batch = Batch::default();
    let table = |batch: &mut Batch, kind| {
        batch.push(kind, NLM_F_CREATE, |a| {
            a.text(1, TABLE);
        });
    };
    table(&mut batch, kind::NEW_TABLE);
    table(&mut batch, kind::DELETE_TABLE);
    table(&mut batch, kind::NEW_TABLE);
    // Answers before connection tracking sees them and questions after it: what it knows is consistent.
    for (chain, priority) in [("answers", -300), ("questions", -150)] {
        batch.push(kind::NEW_CHAIN, NLM_F_CREATE, |a| {
            a.text(1, TABLE).text(3, chain).text(7, "filter").nest(4, |a| {
                a.number(1, Hook::Output as u32).bytes(2, &i32::to_be_bytes(priority));
            });
        });
    }
    let here = Ipv4Net::from(address);
    for (protocol, own) in [(Protocol::Udp, udp), (Protocol::Tcp, tcp)] {
        let question = Rule::default().ipv4().destination(Is::Equal, here).port(protocol, PORT);
        let answer = Rule::default().ipv4().source(Is::Equal, here).source_port(protocol, own);
        for (chain, rule) in [
            ("questions", question.set_port(protocol, own)),
            ("answers", answer.set_source_port(protocol, PORT)),
        ] {
            batch.push(kind::NEW_RULE, NLM_F_CREATE | NLM_F_APPEND, |a| in_chain(a, TABLE, chain, rule));
        }
    }
    batch.commit()?.map_err(failed("create", TABLE))
}
