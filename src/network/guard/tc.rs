//! Where a program looks at what comes in by a link (tc(8), tc-bpf(8)).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcHeader, TcMessage, TcOption,
};

use super::super::link::Link;
use super::super::socket::Netlink;

/// Which frames a program is asked about.
#[derive(Clone, Copy)]
pub(super) enum Frames {
    /// All.
    All,
    /// Those of the first EtherType for experiments (IEEE 802), which is to say none.
    Experimental,
}

impl Frames {
    fn protocol(self) -> u16 {
        match self {
            Frames::All => libc::ETH_P_ALL as u16,
            Frames::Experimental => 0x88b5,
        }
    }
}

/// Gives the link a place for programs.
///
/// # Errors
/// `EEXIST` when it has one, and whatever else the kernel says.
pub(super) fn make_queue(netlink: &mut Netlink, link: &Link) -> io::Result<()> {
    let mut queue = TcMessage::default();
    queue.header.index = index(link);
    queue.header.parent = TcHandle::CLSACT;
    queue.header.handle = TcHandle { major: u16::MAX, minor: 0 };
    queue.attributes.push(TcAttribute::Kind("clsact".to_owned()));
    netlink.request(RouteNetlinkMessage::NewQueueDiscipline(queue), NLM_F_CREATE | NLM_F_EXCL).map(drop)
}

/// Has the program decide about frames that come in by the link.
///
/// # Errors
/// `EEXIST` when one is there, and whatever else the kernel says.
pub(super) fn attach(
    netlink: &mut Netlink,
    link: &Link,
    program: &OwnedFd,
    frames: Frames,
    name: &str,
) -> io::Result<()> {
    // The priority, and the protocol, as it is sent.
    let info = 1 << 16 | u32::from(frames.protocol().to_be());
    let options = vec![
        TcOption::Bpf(TcFilterBpfOption::ProgFd(program.as_raw_fd().unsigned_abs())),
        TcOption::Bpf(TcFilterBpfOption::ProgName(name.to_owned())),
        // The program's result is what is done.
        TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
    ];
    let attributes = vec![TcAttribute::Kind("bpf".to_owned()), TcAttribute::Options(options)];
    let filter = TcMessage::from_parts(TcHeader { info, ..incoming(link) }, attributes);
    netlink.request(RouteNetlinkMessage::NewTrafficFilter(filter), NLM_F_CREATE | NLM_F_EXCL).map(drop)
}

/// Id of the program of that name at the link.
///
/// # Errors
/// Whatever the kernel says.
pub(super) fn program_at(netlink: &mut Netlink, link: &Link, name: &str) -> io::Result<Option<u32>> {
    let filters = TcMessage::from_parts(incoming(link), Vec::new());
    let filters = match netlink.dump(&RouteNetlinkMessage::GetTrafficFilter(filters)) {
        // There is no place for any.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => return Ok(None),
        other => other?,
    };
    Ok(filters.iter().find_map(|filter| match filter {
        RouteNetlinkMessage::NewTrafficFilter(filter) => filter.attributes.iter().find_map(|attribute| {
            let TcAttribute::Options(options) = attribute else { return None };
            let named =
                |o: &TcOption| matches!(o, TcOption::Bpf(TcFilterBpfOption::ProgName(n)) if n == name);
            let id = |o: &TcOption| match o {
                TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => Some(*id),
                _ => None,
            };
            options.iter().any(named).then(|| options.iter().find_map(id)).flatten()
        }),
        _ => None,
    }))
}

fn incoming(link: &Link) -> TcHeader {
    TcHeader {
        index: index(link),
        parent: TcHandle { major: u16::MAX, minor: TcHandle::MIN_INGRESS },
        ..TcHeader::default()
    }
}

/// The kernel numbers links from 1 up to what an i32 holds.
fn index(link: &Link) -> i32 {
    link.index.cast_signed()
}
