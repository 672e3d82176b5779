//! Keeps an endpoint from taking others' addresses: a program at the host's end of its link that lets through only what bears its
//! own, and leads it straight to the other endpoint. It goes with the link.

mod direct;
mod program;
mod tc;

use std::os::fd::AsFd;

use super::endpoint::Endpoint;
use super::error::Error;
use super::link::Link;
use super::socket::Netlink;
use crate::kernel::bpf;

/// What lists of filters call it.
const NAME: &str = "lay-guard";
/// `BPF_PROG_TYPE_SCHED_CLS`.
const CLASSIFIER: u32 = 3;

/// Guards a link of the bridge whose other end is the endpoint's.
///
/// # Errors
/// When the kernel takes no such program.
pub(super) fn guard(
    netlink: &mut Netlink,
    bridge: &Link,
    link: &Link,
    endpoint: &Endpoint,
) -> Result<(), Error> {
    let failed = |operation| {
        let link = link.name.clone();
        move |source| Error::Link { operation, link, source }
    };
    let ways = match endpoint.bridge.bridged {
        true => None,
        false => direct::ways(netlink, bridge),
    };
    let program = program::program(endpoint, ways.as_ref().map(AsFd::as_fd));
    let program = bpf::load(CLASSIFIER, &program).map_err(failed("make a guard for"))?;
    tc::make_queue(netlink, link).map_err(failed("guard"))?;
    tc::attach(netlink, link, &program, tc::Frames::All, NAME).map_err(failed("guard"))?;
    if let Some(ways) = ways {
        direct::lead(&ways, endpoint.mac, link);
    }
    Ok(())
}
