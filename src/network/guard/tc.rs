//! Where a program looks at what comes in by a link (tc(8), tc-bpf(8)).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcHeader, TcMessage, TcOption,
};

use super::super::error::Error;
use super::super::link::Link;
use super::super::socket::Netlink;

/// Has the program decide about everything that comes in by the link.
pub(super) fn attach(netlink: &mut Netlink, link: &Link, program: OwnedFd) -> Result<(), Error> {
    let failed = |source: io::Error| Error::Link { operation: "guard", link: link.name.clone(), source };
    // The kernel numbers links from 1 up to what an i32 holds.
    let index = link.index.cast_signed();
    let mut queue = TcMessage::default();
    queue.header.index = index;
    queue.header.parent = TcHandle::CLSACT;
    queue.header.handle = TcHandle { major: u16::MAX, minor: 0 };
    queue.attributes.push(TcAttribute::Kind("clsact".to_owned()));
    netlink
        .request(RouteNetlinkMessage::NewQueueDiscipline(queue), NLM_F_CREATE | NLM_F_EXCL)
        .map_err(failed)?;
    let header = TcHeader {
        index,
        parent: TcHandle { major: u16::MAX, minor: TcHandle::MIN_INGRESS },
        // The priority, and the protocol, as it is sent: all.
        info: 1 << 16 | u32::from((libc::ETH_P_ALL as u16).to_be()),
        ..TcHeader::default()
    };
    let options = vec![
        TcOption::Bpf(TcFilterBpfOption::ProgFd(program.as_raw_fd().unsigned_abs())),
        TcOption::Bpf(TcFilterBpfOption::ProgName("lay-guard".to_owned())),
        // The program's result is what is done.
        TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
    ];
    let attributes = vec![TcAttribute::Kind("bpf".to_owned()), TcAttribute::Options(options)];
    let filter = TcMessage::from_parts(header, attributes);
    let result = netlink.request(RouteNetlinkMessage::NewTrafficFilter(filter), NLM_F_CREATE | NLM_F_EXCL);
    result.map(drop).map_err(failed)
}
