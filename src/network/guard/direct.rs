//! The short way from one endpoint of a bridge to another: from link to link, past the bridge.
//!
//! A map of the bridge says which link leads to which hardware address. The guard of the sender's link looks the receiver up, and
//! hands the packet to the other end of that link at once (`bpf_redirect_peer`), in the same pass through the kernel and without
//! the bridge's hooks. What is not in the map, or is no packet of IP, goes to the bridge as ever.
//!
//! The map lives as long as its bridge: a filter there that no frame meets holds it. An entry whose link is gone leads nowhere,
//! which is where the frame would have got; the next link with that address takes the entry's place.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::super::link::Link;
use super::super::mac::Mac;
use super::super::socket::Netlink;
use super::program::Step::{self, Do, Jump};
use super::{CLASSIFIER, tc};
use crate::kernel::bpf::{self, Instruction as I};
use crate::kernel::release;

/// The first Linux that counts such packets at the receiver's link, on which `lay stats` relies.
const COUNTED: (u32, u32) = (6, 7);
/// What the map and what holds it are called.
const NAME: &str = "lay_ways";
/// As many as a bridge's subnet has addresses.
const MOST: u32 = 1 << 16;

/// The bridge's map. None where the kernel has no such way: the bridge does all then.
pub(super) fn ways(netlink: &mut Netlink, bridge: &Link) -> Option<OwnedFd> {
    if release::version() < Some(COUNTED) {
        return None;
    }
    let result = find(netlink, bridge).and_then(|found| match found {
        Some(map) => Ok(Some(map)),
        None => make(netlink, bridge).and_then(|()| find(netlink, bridge)),
    });
    result.inspect_err(|e| tracing::debug!("no direct ways on {}: {e}", bridge.name)).ok().flatten()
}

/// Has packets for the address go to the link's other end. Where the map is full, the bridge carries them.
pub(super) fn lead(ways: &OwnedFd, mac: Mac, link: &Link) {
    let [a, b, c, d, e, f] = mac.octets();
    let key = [u32::from_be_bytes([a, b, c, d]), u32::from(u16::from_be_bytes([e, f]))];
    if let Err(e) = bpf::put(ways.as_fd(), key, link.index) {
        tracing::debug!("no direct way to {}: {e}", link.name);
    }
}

/// What the guard does with a packet that may pass; it goes on behind these where the bridge has to carry it.
pub(super) fn steps(ways: BorrowedFd<'_>) -> Vec<Step> {
    // enum bpf_func_id
    const LOOKUP: i32 = 1;
    const CHANGE_TYPE: i32 = 32;
    const REDIRECT_PEER: i32 = 155;
    const PACKET_HOST: i32 = 0;
    const STACK: u8 = 10;
    let [map, rest] = I::map(1, ways);
    vec![
        // The receiver's hardware address, as `lead` writes it.
        Do(I::frame(4, 0)),
        Do(I::store(STACK, -8, 0)),
        Do(I::frame(2, 4)),
        Do(I::store(STACK, -4, 0)),
        Do(map),
        Do(rest),
        Do(I::copy_pointer(2, STACK)),
        Do(I::add_to_pointer(2, -8)),
        Do(I::call(LOOKUP)),
        Jump(I::jump_if_null(0), "pass"),
        Do(I::load(7, 0, 0)),
        // The link that it came in by took it for somebody else's.
        Do(I::copy_pointer(1, 6)),
        Do(I::set(2, PACKET_HOST)),
        Do(I::call(CHANGE_TYPE)),
        Do(I::copy(1, 7)),
        Do(I::set(2, 0)),
        Do(I::call(REDIRECT_PEER)),
        Do(I::exit()),
    ]
}

fn find(netlink: &mut Netlink, bridge: &Link) -> io::Result<Option<OwnedFd>> {
    match tc::program_at(netlink, bridge, NAME)? {
        Some(id) => bpf::map_of_program(id).map(Some),
        None => Ok(None),
    }
}

/// Another who makes one at the same time is as good.
fn make(netlink: &mut Netlink, bridge: &Link) -> io::Result<()> {
    const UNSPECIFIED: i32 = -1;
    let map = bpf::make_hash(NAME, MOST)?;
    let mut program = I::map(1, map.as_fd()).to_vec();
    program.extend([I::set(0, UNSPECIFIED), I::exit()]);
    let holder = bpf::load(CLASSIFIER, &program)?;
    for result in [
        tc::make_queue(netlink, bridge),
        tc::attach(netlink, bridge, &holder, tc::Frames::Experimental, NAME),
    ] {
        match result {
            Err(e) if e.raw_os_error() == Some(libc::EEXIST) => {}
            other => other?,
        }
    }
    Ok(())
}
