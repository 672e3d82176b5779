//! Keeps an endpoint from taking others' addresses: a program at the host's end of its link that lets through only what bears its
//! own. It goes with the link.

mod program;
mod tc;

use super::endpoint::Endpoint;
use super::error::Error;
use super::link::Link;
use super::socket::Netlink;
use crate::kernel::bpf;

/// `BPF_PROG_TYPE_SCHED_CLS`.
const CLASSIFIER: u32 = 3;

/// Guards a link whose other end is the endpoint's.
///
/// # Errors
/// When the kernel takes no such program.
pub(super) fn guard(netlink: &mut Netlink, link: &Link, endpoint: &Endpoint) -> Result<(), Error> {
    let program = bpf::load(CLASSIFIER, &program::program(endpoint)).map_err(|source| Error::Link {
        operation: "make a guard for",
        link: link.name.clone(),
        source,
    })?;
    tc::attach(netlink, link, program)
}
