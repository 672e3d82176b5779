//! The program: which frames an endpoint may send.
//!
//! - From its hardware address, without a VLAN tag.
//! - ARP that says so too, and its own address, or none (RFC 5227).
//! - IPv4 from its own address.
//! - IPv6, where it has an address of it: from that, from the one that follows from its hardware address (RFC 4291), or from
//!   none. It advertises only these as its own, and no routers, whatever headers are before that.
//! - Nothing else.
//!
//! A frame that ends before what is looked at is let through: who gets it finds no address in it either.

use std::net::Ipv6Addr;
use std::os::fd::BorrowedFd;

use super::direct;
use crate::kernel::bpf::Instruction as I;
use crate::network::endpoint::Endpoint;
use crate::network::mac::Mac;

/// `TC_ACT_OK` and `TC_ACT_SHOT`.
const PASS: i32 = 0;
const DROP: i32 = 2;
/// Offset of `vlan_present` in `struct __sk_buff`.
const TAGGED: i16 = 20;
/// Length of the Ethernet header.
const ETHERNET: i32 = 14;
/// What is after the IPv6 header.
const BEYOND: i32 = ETHERNET + 40;

/// An instruction, a jump to a label, or a label.
pub(super) enum Step {
    Do(I),
    Jump(I, &'static str),
    Label(&'static str),
}
use Step::{Do, Jump, Label};

/// The program for an endpoint. What passes goes the ways of the map, if there is one ([`direct`]).
pub(super) fn program(endpoint: &Endpoint, ways: Option<BorrowedFd<'_>>) -> Vec<I> {
    let mac = endpoint.mac;
    let mut steps =
        vec![Do(I::copy_pointer(6, 1)), Do(I::load(0, 6, TAGGED)), Jump(I::jump_unless_equal(0, 0), "drop")];
    steps.extend(has_mac(6, mac));
    steps.push(Do(I::frame(2, 12)));
    steps.push(Jump(I::jump_if_equal(0, libc::ETH_P_IP), "ipv4"));
    steps.push(Jump(I::jump_if_equal(0, libc::ETH_P_ARP), "arp"));
    if endpoint.address6.is_some() {
        steps.push(Jump(I::jump_if_equal(0, libc::ETH_P_IPV6), "ipv6"));
    }
    steps.push(Jump(I::jump(), "drop"));
    let address = u32::from(endpoint.address).cast_signed();
    steps.push(Label("ipv4"));
    steps.push(Do(I::frame(4, ETHERNET + 12)));
    steps.push(Jump(I::jump_if_equal(0, address), "packet"));
    steps.push(Jump(I::jump(), "drop"));
    steps.push(Label("arp"));
    steps.extend(has_mac(ETHERNET + 8, mac));
    steps.push(Do(I::frame(4, ETHERNET + 14)));
    steps.push(Jump(I::jump_if_equal(0, address), "pass"));
    steps.push(Jump(I::jump_if_equal(0, 0), "pass"));
    steps.push(Jump(I::jump(), "drop"));
    if let Some(address) = endpoint.address6 {
        steps.extend(ipv6(address, link_local(mac)));
    }
    steps.push(Label("packet"));
    steps.extend(ways.map(direct::steps).into_iter().flatten());
    steps.extend([Label("pass"), Do(I::set(0, PASS)), Do(I::exit())]);
    steps.extend([Label("drop"), Do(I::set(0, DROP)), Do(I::exit())]);
    assemble(&steps)
}

/// Goes on where the frame has this hardware address there.
fn has_mac(offset: i32, mac: Mac) -> [Step; 4] {
    let [a, b, c, d, e, f] = mac.octets();
    [
        Do(I::frame(4, offset)),
        Jump(I::jump_unless_equal(0, i32::from_be_bytes([a, b, c, d])), "drop"),
        Do(I::frame(2, offset + 4)),
        Jump(I::jump_unless_equal(0, i32::from(u16::from_be_bytes([e, f]))), "drop"),
    ]
}

fn ipv6(address: Ipv6Addr, link_local: Ipv6Addr) -> Vec<Step> {
    const SOURCE: i32 = ETHERNET + 8;
    const NEXT: i32 = ETHERNET + 6;
    const TARGET: i32 = BEYOND + 8;
    let mut steps = vec![Label("ipv6")];
    steps.extend(is_address(SOURCE, address, "protocol", "not global"));
    steps.push(Label("not global"));
    steps.extend(is_address(SOURCE, link_local, "protocol", "not local"));
    steps.push(Label("not local"));
    steps.extend(is_address(SOURCE, Ipv6Addr::UNSPECIFIED, "protocol", "drop"));
    steps.push(Label("protocol"));
    steps.push(Do(I::frame(1, NEXT)));
    steps.push(Jump(I::jump_if_equal(0, libc::IPPROTO_ICMPV6), "icmp"));
    steps.push(Jump(I::jump_if_equal(0, libc::IPPROTO_HOPOPTS), "hops"));
    // Headers that would hide what follows.
    steps.push(Jump(I::jump_if_equal(0, libc::IPPROTO_ROUTING), "drop"));
    steps.push(Jump(I::jump_if_equal(0, libc::IPPROTO_DSTOPTS), "drop"));
    steps.push(Jump(I::jump(), "packet"));
    steps.push(Label("icmp"));
    steps.push(Do(I::frame(1, BEYOND)));
    for forbidden in [ROUTER_ADVERTISEMENT, REDIRECT] {
        steps.push(Jump(I::jump_if_equal(0, forbidden), "drop"));
    }
    steps.push(Jump(I::jump_unless_equal(0, NEIGHBOUR_ADVERTISEMENT), "pass"));
    steps.extend(is_address(TARGET, address, "pass", "other target"));
    steps.push(Label("other target"));
    steps.extend(is_address(TARGET, link_local, "pass", "drop"));
    // Eight bytes of options before a report of who listens to which groups (RFC 3810), and nothing else.
    steps.push(Label("hops"));
    steps.push(Do(I::frame(2, BEYOND)));
    steps.push(Jump(I::jump_unless_equal(0, libc::IPPROTO_ICMPV6 << 8), "drop"));
    steps.push(Do(I::frame(1, BEYOND + 8)));
    for report in LISTENER_REPORTS {
        steps.push(Jump(I::jump_if_equal(0, report), "pass"));
    }
    steps.push(Jump(I::jump(), "drop"));
    steps
}

/// Messages of ICMPv6 (RFC 4861, RFC 2710, RFC 3810).
const ROUTER_ADVERTISEMENT: i32 = 134;
const NEIGHBOUR_ADVERTISEMENT: i32 = 136;
const REDIRECT: i32 = 137;
const LISTENER_REPORTS: [i32; 3] = [131, 132, 143];

/// Jumps where the frame has this address there, or has not.
fn is_address(offset: i32, address: Ipv6Addr, same: &'static str, other: &'static str) -> Vec<Step> {
    let bits = u128::from(address);
    let mut steps = Vec::new();
    for word in 0..4 {
        // The word of these bits alone.
        let value = (bits >> (96 - 32 * word)) as u32;
        steps.push(Do(I::frame(4, offset + 4 * word)));
        steps.push(Jump(I::jump_unless_equal(0, value.cast_signed()), other));
    }
    steps.push(Jump(I::jump(), same));
    steps
}

/// The address that the kernel gives a link with this hardware address.
fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.octets();
    let word = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, word(a ^ 2, b), word(c, 0xff), word(0xfe, d), word(e, f))
}

/// Labels become distances. All are forward, and no longer than the program.
fn assemble(steps: &[Step]) -> Vec<I> {
    let mut labels = std::collections::BTreeMap::new();
    let mut at = 0i16;
    for step in steps {
        match step {
            Label(name) => drop(labels.insert(*name, at)),
            _ => at += 1,
        }
    }
    let mut program = Vec::new();
    for step in steps {
        match step {
            Label(_) => {}
            Do(instruction) => program.push(*instruction),
            Jump(instruction, label) => {
                let here = program.len() as i16;
                let there = labels.get(label).copied().unwrap_or(at);
                program.push(I { offset: there - here - 1, ..*instruction });
            }
        }
    }
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::bridge::Bridge;

    /// Runs a program as the kernel does.
    fn passes(program: &[I], frame: &[u8]) -> bool {
        let mut r0 = 0u32;
        let mut at = 0;
        loop {
            let i = &program[at];
            let load = |length: usize| {
                let bytes = frame.get(i.immediate as usize..i.immediate as usize + length)?;
                Some(bytes.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)))
            };
            let mut jump = false;
            match i.code {
                0xbf => {}
                0x61 => r0 = 0,
                0x20 | 0x28 | 0x30 => match load(match i.code {
                    0x20 => 4,
                    0x28 => 2,
                    _ => 1,
                }) {
                    Some(value) => r0 = value,
                    None => return true,
                },
                0x56 => jump = r0 != i.immediate as u32,
                0x16 => jump = r0 == i.immediate as u32,
                0x05 => jump = true,
                0xb4 => r0 = i.immediate as u32,
                0x95 => return r0 == PASS as u32,
                code => panic!("instruction {code:#x}"),
            }
            at += if jump { i.offset as usize + 1 } else { 1 };
        }
    }

    const MAC: [u8; 6] = [0x02, 0x42, 10, 1, 0, 2];
    const OTHER: [u8; 6] = [0x02, 0x42, 10, 1, 0, 3];

    fn endpoint(six: bool) -> Endpoint {
        let bridge = Bridge::of("10.1.0.0/24".parse().unwrap());
        let mut endpoint = Endpoint::new("c".to_string(), bridge, [10, 1, 0, 2].into());
        endpoint.address6 = six.then(|| "fd00::2".parse().unwrap());
        endpoint
    }

    fn frame(mac: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
        [&[0xff; 6][..], &mac, &kind.to_be_bytes(), payload].concat()
    }

    fn ipv4(source: [u8; 4]) -> Vec<u8> {
        [&[0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0][..], &source, &[10, 1, 0, 3]].concat()
    }

    fn arp(mac: [u8; 6], address: [u8; 4]) -> Vec<u8> {
        [&[0, 1, 8, 0, 6, 4, 0, 2][..], &mac, &address, &OTHER, &[10, 1, 0, 3]].concat()
    }

    fn ipv6_packet(source: &str, next: u8, beyond: &[u8]) -> Vec<u8> {
        let source: Ipv6Addr = source.parse().unwrap();
        [&[0x60, 0, 0, 0, 0, 0, next, 255][..], &source.octets(), &[0xff; 16], beyond].concat()
    }

    fn advertisement(target: &str) -> Vec<u8> {
        let target: Ipv6Addr = target.parse().unwrap();
        [&[136, 0, 0, 0, 0, 0, 0, 0][..], &target.octets()].concat()
    }

    #[test]
    fn only_its_own_addresses_pass() {
        let program = program(&endpoint(false), None);
        let may = |frame: Vec<u8>| passes(&program, &frame);
        assert!(may(frame(MAC, 0x0800, &ipv4([10, 1, 0, 2]))));
        assert!(!may(frame(OTHER, 0x0800, &ipv4([10, 1, 0, 2]))));
        assert!(!may(frame(MAC, 0x0800, &ipv4([10, 1, 0, 3]))));
        assert!(!may(frame(MAC, 0x0800, &ipv4([0, 0, 0, 0]))));
        assert!(may(frame(MAC, 0x0806, &arp(MAC, [10, 1, 0, 2]))));
        assert!(may(frame(MAC, 0x0806, &arp(MAC, [0, 0, 0, 0]))), "a probe");
        assert!(!may(frame(MAC, 0x0806, &arp(MAC, [10, 1, 0, 1]))), "the gateway's");
        assert!(!may(frame(MAC, 0x0806, &arp(OTHER, [10, 1, 0, 2]))));
        assert!(!may(frame(MAC, 0x86dd, &ipv6_packet("fe80::42:aff:fe01:2", 17, &[]))), "there is no IPv6");
        assert!(
            !may(frame(MAC, 0x8100, &[0; 40])) && !may(frame(MAC, 38, &[0x42; 40])),
            "tags, spanning trees"
        );
    }

    #[test]
    fn ipv6_passes_where_it_is() {
        let program = program(&endpoint(true), None);
        let may = |payload: Vec<u8>| passes(&program, &frame(MAC, 0x86dd, &payload));
        let local = "fe80::42:aff:fe01:2";
        for own in ["fd00::2", local, "::"] {
            assert!(may(ipv6_packet(own, 17, &[0; 8])), "{own}");
        }
        for other in ["fd00::3", "fe80::1", "fd00::1:0:0:2", "::1"] {
            assert!(!may(ipv6_packet(other, 17, &[0; 8])), "{other}");
        }
        assert!(may(ipv6_packet(local, 58, &advertisement("fd00::2"))));
        assert!(may(ipv6_packet(local, 58, &advertisement(local))));
        assert!(!may(ipv6_packet(local, 58, &advertisement("fd00::1"))), "another's");
        assert!(!may(ipv6_packet(local, 58, &[134; 16])), "a router");
        assert!(!may(ipv6_packet(local, 58, &[137; 40])), "a redirect");
        assert!(may(ipv6_packet(local, 58, &[128; 40])), "ping");
        let report = [58, 0, 5, 2, 0, 0, 1, 0, 143, 0, 0, 0];
        assert!(may(ipv6_packet(local, 0, &report)));
        let hidden = [&[58, 0, 5, 2, 0, 0, 1, 0][..], &advertisement("fd00::1")].concat();
        assert!(!may(ipv6_packet(local, 0, &hidden)));
        assert!(!may(ipv6_packet(local, 60, &hidden)));
    }
}
