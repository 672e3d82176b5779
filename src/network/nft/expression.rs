//! Rules: what packets they fit, and what becomes of them.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::attribute::Body;
use crate::network::port::Protocol;

/// The register that all comparisons use (`NFT_REG_1`), and a second one.
const R1: u32 = 1;
const R2: u32 = 2;
/// `NFT_REG_VERDICT`
const VERDICT: u32 = 0;
const NFPROTO_IPV4: u8 = 2;
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
const CT_STATE: u32 = 0;
const CT_STATUS: u32 = 2;
/// Established and related (`NF_CT_STATE_BIT`).
const ESTABLISHED_RELATED: u32 = 2 | 4;
/// `IPS_DST_NAT`
const DST_NAT: u32 = 1 << 5;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const FIB_ADDRTYPE: u32 = 3;
const FIB_DADDR: u32 = 2;
/// `RTN_LOCAL`
const LOCAL: u32 = 2;

/// Which address of a packet is meant, by its place in the IPv4 header.
#[derive(Clone, Copy, Debug)]
pub enum Address {
    /// Where it comes from.
    Source = 12,
    /// Where it goes to.
    Destination = 16,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// It is thrown away.
    Drop = 0,
    /// It goes on.
    Accept = 1,
}

/// A rule under construction; a packet must fit all that was said.
#[derive(Debug, Default)]
pub struct Rule(Body);

impl Rule {
    /// A rule that every packet fits.
    pub fn new() -> Rule {
        Rule::default()
    }

    /// A rule for IPv4 packets.
    pub fn ipv4() -> Rule {
        Rule::new().meta(META_NFPROTO).compare(true, &[NFPROTO_IPV4])
    }

    pub(super) fn encode(&self, body: &mut Body) {
        body.0.extend(&self.0.0);
    }

    fn expression(mut self, name: &str, fill: impl FnOnce(&mut Body)) -> Rule {
        self.0.nested(1, |element| {
            element.string(1, name);
            element.nested(2, fill);
        });
        self
    }

    fn meta(self, key: u32) -> Rule {
        self.expression("meta", |b| {
            b.number(2, key);
            b.number(1, R1);
        })
    }

    fn compare(self, equal: bool, value: &[u8]) -> Rule {
        self.expression("cmp", |b| {
            b.number(1, R1);
            b.number(2, u32::from(!equal));
            b.nested(3, |data| data.bytes(1, value));
        })
    }

    fn payload(self, base: u32, offset: u32, length: u32) -> Rule {
        self.expression("payload", |b| {
            b.number(1, R1);
            b.number(2, base);
            b.number(3, offset);
            b.number(4, length);
        })
    }

    fn mask(self, mask: &[u8]) -> Rule {
        self.expression("bitwise", |b| {
            b.number(1, R1);
            b.number(2, R1);
            b.number(3, mask.len() as u32);
            b.nested(4, |data| data.bytes(1, mask));
            b.nested(5, |data| data.bytes(1, &vec![0; mask.len()]));
        })
    }

    /// The link on which it came in is this one, or is not.
    pub fn coming_by(self, link: &str, equal: bool) -> Rule {
        self.meta(META_IIFNAME).compare(equal, &padded(link))
    }

    /// The link on which it goes out is this one, or is not.
    pub fn leaving_by(self, link: &str, equal: bool) -> Rule {
        self.meta(META_OIFNAME).compare(equal, &padded(link))
    }

    /// One of its addresses is in this net. Only in rules for IPv4.
    pub fn in_net(self, which: Address, net: Ipv4Net) -> Rule {
        let rule = self.payload(NETWORK_HEADER, which as u32, 4);
        let rule = if net.prefix_len() < 32 { rule.mask(&net.netmask().octets()) } else { rule };
        rule.compare(true, &net.network().octets())
    }

    /// Its destination is an address of this host.
    pub fn for_this_host(self) -> Rule {
        let rule = self.expression("fib", |b| {
            b.number(1, R1);
            b.number(2, FIB_ADDRTYPE);
            b.number(3, FIB_DADDR);
        });
        rule.compare(true, &LOCAL.to_ne_bytes())
    }

    /// Its destination port is this one.
    pub fn for_port(self, protocol: Protocol, port: u16) -> Rule {
        let rule = self.meta(META_L4PROTO).compare(true, &[protocol.number()]);
        rule.payload(TRANSPORT_HEADER, 2, 2).compare(true, &port.to_be_bytes())
    }

    fn conntrack(self, key: u32, bits: u32) -> Rule {
        let rule = self.expression("ct", |b| {
            b.number(2, key);
            b.number(1, R1);
        });
        rule.mask(&bits.to_ne_bytes()).compare(false, &0u32.to_ne_bytes())
    }

    /// It belongs to a connection that was let through, or is about one.
    pub fn established(self) -> Rule {
        self.conntrack(CT_STATE, ESTABLISHED_RELATED)
    }

    /// Its destination was changed.
    pub fn redirected(self) -> Rule {
        self.conntrack(CT_STATUS, DST_NAT)
    }

    /// Its fate.
    pub fn verdict(self, verdict: Verdict) -> Rule {
        self.expression("immediate", |b| {
            b.number(1, VERDICT);
            b.nested(2, |data| data.nested(2, |v| v.number(1, verdict as u32)));
        })
    }

    /// It leaves with the address of the link on which it goes out.
    pub fn masquerade(self) -> Rule {
        self.expression("masq", |_| {})
    }

    /// It goes to another address and port.
    pub fn redirect_to(self, address: Ipv4Addr, port: u16) -> Rule {
        let load = |rule: Rule, register, value: &[u8]| {
            rule.expression("immediate", |b| {
                b.number(1, register);
                b.nested(2, |data| data.bytes(1, value));
            })
        };
        let rule = load(self, R1, &address.octets());
        load(rule, R2, &port.to_be_bytes()).expression("nat", |b| {
            b.number(1, 1);
            b.number(2, u32::from(NFPROTO_IPV4));
            b.number(3, R1);
            b.number(4, R1);
            b.number(5, R2);
            b.number(6, R2);
        })
    }
}

/// Names of links are compared over their whole field.
fn padded(link: &str) -> [u8; 16] {
    let mut field = [0; 16];
    let length = link.len().min(15);
    field[..length].copy_from_slice(&link.as_bytes()[..length]);
    field
}
