//! Rules as lists of nf_tables expressions: each builder method is one condition or action as `nft` writes it.

use std::net::IpAddr;

use ipnet::IpNet;

use super::message::Attributes;
use crate::network::port::Protocol;

const LIST_ELEMENT: u16 = 1;
const REGISTER_VERDICT: u32 = 0;
const REGISTER_1: u32 = 1;
const REGISTER_2: u32 = 2;
/// Offsets in the headers of TCP and UDP.
const SOURCE_PORT: u32 = 0;
const DESTINATION_PORT: u32 = 2;
/// `NFPROTO_IPV4`.
const IPV4: u8 = 2;
/// `NFPROTO_IPV6`.
const IPV6: u8 = 10;

/// Which address of a header.
#[derive(Clone, Copy)]
enum Side {
    Source,
    Destination,
}

impl Side {
    /// Offset in the IPv4 or IPv6 header.
    fn offset(self, net: &IpNet) -> u32 {
        match (net, self) {
            (IpNet::V4(_), Side::Source) => 12,
            (IpNet::V4(_), Side::Destination) => 16,
            (IpNet::V6(_), Side::Source) => 8,
            (IpNet::V6(_), Side::Destination) => 24,
        }
    }
}

/// The bytes of an address as they are sent.
fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// `enum nft_meta_keys`.
#[derive(Clone, Copy)]
enum Meta {
    InName = 6,
    OutName = 7,
    Family = 15,
    Protocol = 16,
}

/// What a comparison asks for (`enum nft_cmp_ops`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    /// Same.
    Equal = 0,
    /// Other.
    Different = 1,
}
use Is::Equal;

/// `ct status dnat` (`IPS_DST_NAT`).
pub(super) const STATUS_DNAT: u32 = 1 << 5;
/// `ct state established,related`: `NF_CT_STATE_BIT` of both.
pub(super) const STATE_KNOWN: u32 = 1 << 1 | 1 << 2;
/// `enum nft_ct_keys`.
const CT_STATE: u32 = 0;
const CT_STATUS: u32 = 2;

/// One rule being written.
#[derive(Default)]
pub(super) struct Rule {
    expressions: Attributes,
}

impl Rule {
    /// `iifname <is> <link>`.
    pub fn in_link(self, is: Is, link: &str) -> Self {
        self.meta(Meta::InName).compare(is, &link_name(link))
    }

    /// `oifname <is> <link>`.
    pub fn out_link(self, is: Is, link: &str) -> Self {
        self.meta(Meta::OutName).compare(is, &link_name(link))
    }

    /// `iifname @set oifname @set`.
    pub fn between_links_of(self, set: &str) -> Self {
        self.meta(Meta::InName).lookup(set).meta(Meta::OutName).lookup(set)
    }

    /// `meta nfproto ipv4`: needed before anything about the IPv4 header.
    pub fn ipv4(self) -> Self {
        self.meta(Meta::Family).compare(Equal, &[IPV4])
    }

    /// `meta nfproto ipv6`.
    pub fn ipv6(self) -> Self {
        self.meta(Meta::Family).compare(Equal, &[IPV6])
    }

    /// `meta nfproto` of the address's family.
    pub fn family_of(self, address: IpAddr) -> Self {
        if address.is_ipv4() { self.ipv4() } else { self.ipv6() }
    }

    /// `ip saddr <is> <net>`, or `ip6 saddr`.
    pub fn source(self, is: Is, net: impl Into<IpNet>) -> Self {
        self.address(Side::Source, is, net.into())
    }

    /// `ip daddr <is> <net>`, or `ip6 daddr`.
    pub fn destination(self, is: Is, net: impl Into<IpNet>) -> Self {
        self.address(Side::Destination, is, net.into())
    }

    fn address(self, side: Side, is: Is, net: IpNet) -> Self {
        let mask = octets(net.netmask());
        // An address's length fits.
        let length = mask.len() as u32;
        self.payload(1, side.offset(&net), length).bits(length, &mask).compare(is, &octets(net.network()))
    }

    /// `meta l4proto <protocol> th dport <port>`.
    pub fn port(self, protocol: Protocol, port: u16) -> Self {
        self.protocol(protocol).payload(2, DESTINATION_PORT, 2).compare(Equal, &port.to_be_bytes())
    }

    /// `meta l4proto <protocol> th sport <port>`.
    pub fn source_port(self, protocol: Protocol, port: u16) -> Self {
        self.protocol(protocol).payload(2, SOURCE_PORT, 2).compare(Equal, &port.to_be_bytes())
    }

    /// `th dport set <port>`.
    pub fn set_port(self, protocol: Protocol, port: u16) -> Self {
        self.write_port(protocol, DESTINATION_PORT, port)
    }

    /// `th sport set <port>`.
    pub fn set_source_port(self, protocol: Protocol, port: u16) -> Self {
        self.write_port(protocol, SOURCE_PORT, port)
    }

    fn protocol(self, protocol: Protocol) -> Self {
        self.transport(match protocol {
            Protocol::Tcp => libc::IPPROTO_TCP,
            Protocol::Udp => libc::IPPROTO_UDP,
        })
    }

    fn write_port(self, protocol: Protocol, offset: u32, port: u16) -> Self {
        // `NFT_PAYLOAD_CSUM_INET`, and where the checksum is in either header.
        const INTERNET_CHECKSUM: u32 = 1;
        let checksum = match protocol {
            Protocol::Tcp => 16,
            Protocol::Udp => 6,
        };
        self.immediate(REGISTER_1, &port.to_be_bytes()).push("payload", |a| {
            a.number(2, 2).number(3, offset).number(4, 2).number(5, REGISTER_1);
            a.number(6, INTERNET_CHECKSUM).number(7, checksum);
        })
    }

    /// `meta l4proto icmp icmp type redirect`.
    pub fn icmp_redirect(self) -> Self {
        const REDIRECT: u8 = 5;
        self.meta(Meta::Protocol)
            .compare(Equal, &[libc::IPPROTO_ICMP as u8])
            .payload(2, 0, 1)
            .compare(Equal, &[REDIRECT])
    }

    /// `meta l4proto <number>`.
    pub fn transport(self, number: i32) -> Self {
        // Protocol numbers are bytes.
        self.meta(Meta::Protocol).compare(Equal, &[number as u8])
    }

    /// `fib daddr type local`.
    pub fn for_this_host(self) -> Self {
        const ADDRESS_TYPE: u32 = 3;
        const FLAG_DESTINATION: u32 = 1 << 1;
        const LOCAL: u32 = 2;
        self.push("fib", |a| {
            a.number(1, REGISTER_1).number(2, ADDRESS_TYPE).number(3, FLAG_DESTINATION);
        })
        .compare(Equal, &LOCAL.to_ne_bytes())
    }

    /// `ct status dnat`.
    pub fn translated(self) -> Self {
        self.conntrack(CT_STATUS, STATUS_DNAT)
    }

    /// `ct state established,related`.
    pub fn known(self) -> Self {
        self.conntrack(CT_STATE, STATE_KNOWN)
    }

    /// `accept`.
    pub fn accept(self) -> Self {
        self.verdict(libc::NF_ACCEPT, None)
    }

    /// `drop`.
    pub fn drop(self) -> Self {
        self.verdict(libc::NF_DROP, None)
    }

    /// `jump <chain>`.
    pub fn jump(self, chain: &str) -> Self {
        const JUMP: i32 = -3;
        self.verdict(JUMP, Some(chain))
    }

    /// `masquerade`.
    pub fn masquerade(self) -> Self {
        self.push("masq", |_| {})
    }

    /// `dnat ip to <address>:<port>`, or `dnat ip6 to`.
    pub fn redirect(self, address: IpAddr, port: u16) -> Self {
        const DESTINATION_NAT: u32 = 1;
        let family = if address.is_ipv4() { IPV4 } else { IPV6 };
        self.immediate(REGISTER_1, &octets(address)).immediate(REGISTER_2, &port.to_be_bytes()).push(
            "nat",
            |a| {
                a.number(1, DESTINATION_NAT)
                    .number(2, u32::from(family))
                    .number(3, REGISTER_1)
                    .number(5, REGISTER_2);
            },
        )
    }

    /// Writes the list into `NFTA_RULE_EXPRESSIONS`.
    pub fn finish(self, rule: &mut Attributes) {
        const EXPRESSIONS: u16 = 4;
        rule.nest(EXPRESSIONS, |a| a.append(self.expressions));
    }

    fn push(mut self, name: &str, fill: impl FnOnce(&mut Attributes)) -> Self {
        self.expressions.nest(LIST_ELEMENT, |a| {
            a.text(1, name).nest(2, fill);
        });
        self
    }

    fn meta(self, key: Meta) -> Self {
        self.push("meta", |a| {
            a.number(1, REGISTER_1).number(2, key as u32);
        })
    }

    /// `base`: 1 network header, 2 transport header.
    fn payload(self, base: u32, offset: u32, length: u32) -> Self {
        self.push("payload", |a| {
            a.number(1, REGISTER_1).number(2, base).number(3, offset).number(4, length);
        })
    }

    /// Register 1 and a mask.
    fn bits(self, length: u32, mask: &[u8]) -> Self {
        self.push("bitwise", |a| {
            a.number(1, REGISTER_1).number(2, REGISTER_1).number(3, length);
            a.data(4, mask).data(5, &vec![0; mask.len()]);
        })
    }

    fn compare(self, is: Is, value: &[u8]) -> Self {
        self.push("cmp", |a| {
            a.number(1, REGISTER_1).number(2, is as u32).data(3, value);
        })
    }

    fn conntrack(self, key: u32, bits: u32) -> Self {
        self.push("ct", |a| {
            a.number(1, REGISTER_1).number(2, key);
        })
        .bits(4, &bits.to_ne_bytes())
        .compare(Is::Different, &[0; 4])
    }

    fn lookup(self, set: &str) -> Self {
        self.push("lookup", |a| {
            a.text(1, set).number(2, REGISTER_1);
        })
    }

    fn immediate(self, register: u32, value: &[u8]) -> Self {
        self.push("immediate", |a| {
            a.number(1, register).data(2, value);
        })
    }

    fn verdict(self, code: i32, chain: Option<&str>) -> Self {
        self.push("immediate", |a| {
            a.number(1, REGISTER_VERDICT).nest(2, |a| {
                a.nest(2, |a| {
                    a.bytes(1, &code.to_be_bytes());
                    if let Some(chain) = chain {
                        a.text(2, chain);
                    }
                });
            });
        })
    }
}

/// A link's name as the kernel compares it: filled up to `IFNAMSIZ`.
pub(super) fn link_name(link: &str) -> [u8; 16] {
    let mut name = [0; 16];
    for (to, from) in name.iter_mut().zip(link.bytes()) {
        *to = from;
    }
    name
}
