//! Requests over netlink, and the kernel's answers to them.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER, protocols::NETLINK_ROUTE};

/// Message that carries an error or an acknowledgement (`NLMSG_ERROR`).
const ERROR: u16 = 2;
/// Bytes of a message's header.
const HEADER: usize = 16;

/// A connection to one part of the kernel, in the network namespace in which it was opened.
pub struct Netlink {
    socket: Socket,
}

impl Netlink {
    /// Links, addresses and routes.
    pub fn route() -> io::Result<Netlink> {
        Netlink::open(NETLINK_ROUTE)
    }

    /// Netfilter.
    pub fn netfilter() -> io::Result<Netlink> {
        Netlink::open(NETLINK_NETFILTER)
    }

    fn open(protocol: isize) -> io::Result<Netlink> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_cap_ack(true)?;
        Ok(Netlink { socket })
    }

    /// Sends one change of links, addresses or routes.
    pub fn change(&self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        header.sequence_number = 1;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut buffer = vec![0; message.buffer_len()];
        message.serialize(&mut buffer);
        self.send(&buffer)
    }

    /// Sends complete messages; the kernel has worked on all of them when this returns.
    ///
    /// # Errors
    /// What the kernel says first about any of them.
    pub fn send(&self, messages: &[u8]) -> io::Result<()> {
        self.socket.send(messages, 0)?;
        let mut buffer: Vec<u8> = Vec::with_capacity(64 * 1024);
        let mut result = Ok(());
        loop {
            buffer.clear();
            // The kernel answers before `send` returns, so an empty queue is the end.
            match self.socket.recv(&mut buffer, libc::MSG_DONTWAIT) {
                Ok(_) => result = result.and_then(|()| first_error(&buffer)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return result,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

fn first_error(mut answers: &[u8]) -> io::Result<()> {
    while let Some(header) = answers.get(..HEADER) {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        if length < HEADER || length > answers.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if let (ERROR, Some(code)) = (kind, answers.get(HEADER..HEADER + 4)) {
            let code = i32::from_ne_bytes([code[0], code[1], code[2], code[3]]);
            if code != 0 {
                return Err(io::Error::from_raw_os_error(-code));
            }
        }
        answers = answers.get((length + 3) & !3..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i32) -> Vec<u8> {
        let mut bytes = 36u32.to_ne_bytes().to_vec();
        bytes.extend(ERROR.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(code.to_ne_bytes());
        bytes.extend([0; 16]);
        bytes
    }

    #[test]
    fn the_first_error_of_several_answers_counts() {
        assert!(first_error(&[answer(0), answer(0)].concat()).is_ok());
        let error = first_error(&[answer(0), answer(-libc::EEXIST), answer(-libc::EPERM)].concat());
        assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EEXIST));
        assert!(first_error(&answer(0)[..20]).is_err(), "a cut answer");
    }
}
