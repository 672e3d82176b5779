//! What a monitor and those who attach to its container say to each other: packets over a socket in the container's directory,
//! the first byte of each tells its kind.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen,
    recv, send, socket_with,
};

use super::error::Error;
use super::exit::Exit;
use super::files::{on, remove_if_there};

/// Longest content of a packet, in bytes.
pub const MOST: usize = 64 * 1024;
/// The socket's name.
const NAME: &str = "monitor.sock";

/// One packet.
#[derive(Debug)]
pub enum Packet {
    /// To the container's stdin.
    Input(Vec<u8>),
    /// Nothing more will be typed.
    EndOfInput,
    /// The user's terminal has this many columns and rows.
    Size(u16, u16),
    /// From its stdout, or its terminal.
    Stdout(Vec<u8>),
    /// From its stderr.
    Stderr(Vec<u8>),
    /// It ended.
    Exit(Exit),
}

impl Packet {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let with = |kind: u8, content: &[u8]| [&[kind], content].concat();
        match self {
            Packet::Input(data) => with(0, data),
            Packet::EndOfInput => with(1, &[]),
            Packet::Size(columns, rows) => with(2, &[columns.to_le_bytes(), rows.to_le_bytes()].concat()),
            Packet::Stdout(data) => with(3, data),
            Packet::Stderr(data) => with(4, data),
            Packet::Exit(exit) => with(5, &serde_json::to_vec(exit).unwrap_or_default()),
        }
    }

    /// From bytes; none of what is no packet.
    pub fn decode(bytes: &[u8]) -> Option<Packet> {
        let (kind, content) = bytes.split_first()?;
        Some(match kind {
            0 => Packet::Input(content.to_vec()),
            1 => Packet::EndOfInput,
            2 => {
                let number = |at: usize| Some(u16::from_le_bytes(content.get(at..at + 2)?.try_into().ok()?));
                Packet::Size(number(0)?, number(2)?)
            }
            3 => Packet::Stdout(content.to_vec()),
            4 => Packet::Stderr(content.to_vec()),
            5 => Packet::Exit(serde_json::from_slice(content).ok()?),
            _ => return None,
        })
    }
}

/// Receives a packet: nothing at the other side's end. What cannot be understood counts as that too.
pub fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Result<Option<Packet>, Errno> {
    loop {
        match recv(socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) | Err(Errno::CONNRESET) => return Ok(None),
            Ok((read, _)) => return Ok(Packet::decode(&buffer[..read])),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// Sends a packet.
pub fn transmit(socket: &OwnedFd, bytes: &[u8]) -> Result<(), Errno> {
    loop {
        match send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// The socket on which a monitor is reached. One that a dead monitor left is replaced.
pub fn listen_in(dir: &Path) -> Result<OwnedFd, Error> {
    let failed = |e: Errno| Error::System("make the monitor's socket", e.into());
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).map_err(failed)?;
    remove_if_there(&dir.join(NAME))?;
    let handle = File::open(dir).map_err(on("open", dir))?;
    bind(&socket, &address(&handle).map_err(failed)?).map_err(failed)?;
    listen(&socket, 16).map_err(failed)?;
    Ok(socket)
}

/// A connection to a container's monitor; none where there is none.
pub fn connect_to(dir: &Path) -> Result<Option<OwnedFd>, Error> {
    let failed = |e: Errno| Error::System("reach the container's monitor", e.into());
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let socket = socket.map_err(failed)?;
    let Ok(handle) = File::open(dir) else { return Ok(None) };
    match connect(&socket, &address(&handle).map_err(failed)?) {
        Ok(()) => Ok(Some(socket)),
        Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(None),
        Err(e) => Err(failed(e)),
    }
}

/// Directories of stores can have longer names than a socket's address may.
fn address(dir: &File) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{NAME}", dir.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_as_they_were_sent() {
        let dir = tempfile::tempdir().unwrap();
        assert!(connect_to(dir.path()).unwrap().is_none());
        let listener = listen_in(dir.path()).unwrap();
        let client = connect_to(dir.path()).unwrap().unwrap();
        let server = rustix::net::accept(&listener).unwrap();
        let exit = Exit::now(7, true, "");
        let sent = [
            Packet::Input(b"abc".to_vec()),
            Packet::EndOfInput,
            Packet::Size(80, 24),
            Packet::Stdout(vec![1; MOST]),
            Packet::Stderr(Vec::new()),
            Packet::Exit(exit),
        ];
        let mut buffer = vec![0; MOST + 1];
        for packet in sent {
            transmit(&client, &packet.encode()).unwrap();
            let came = receive(&server, &mut buffer).unwrap().unwrap();
            assert_eq!(format!("{came:?}"), format!("{packet:?}"));
        }
        transmit(&client, &[99, 1]).unwrap();
        assert!(receive(&server, &mut buffer).unwrap().is_none());
        drop(client);
        assert!(receive(&server, &mut buffer).unwrap().is_none());
    }
}
