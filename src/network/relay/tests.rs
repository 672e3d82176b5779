//! A relay between sockets of the loopback link, driven by a thread.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, Timespec, poll};
use rustix::net::sockopt;

use super::*;
use crate::network::publish::bound;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);
/// How often the thread looks whether it is to end.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// A relay at work.
pub(in crate::network) struct Driven {
    /// Where its first port is.
    at: SocketAddr,
    /// How often something was ready.
    turns: Arc<AtomicUsize>,
    /// How much it waits for.
    ends: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Driven {
    fn over(protocol: Protocol, targets: Vec<SocketAddr>) -> Driven {
        Driven::with(Relay::default(), protocol, targets)
    }

    fn with(mut relay: Relay, protocol: Protocol, targets: Vec<SocketAddr>) -> Driven {
        let (socket, port) = bound((Ipv6Addr::LOCALHOST, 0).into(), protocol).unwrap();
        let at = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port);
        let mapping = PortMapping {
            host_address: at.ip(),
            host_port: port,
            host_last: None,
            container_port: 80,
            protocol,
        };
        relay.add(mapping, socket).unwrap();
        Driven::of(relay, move |_| targets.clone())
    }

    /// Drives it, from a thread in the network namespace of this one.
    pub(in crate::network) fn of(
        mut relay: Relay,
        leads: impl Fn(&PortMapping) -> Vec<SocketAddr> + Send + 'static,
    ) -> Driven {
        let (turns, ends, stop) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicBool>)>::default();
        let mut driven = Driven { at: relay.ports[0].mapping.host(), turns, ends, stop, thread: None };
        let (turns, ends, stop) = (driven.turns.clone(), driven.ends.clone(), driven.stop.clone());
        driven.thread = Some(thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while !stop.load(SeqCst) {
                let ready = wait(&relay);
                turns.fetch_add(usize::from(!ready.is_empty()), SeqCst);
                relay.serve(&ready, &leads, &mut buffer);
                ends.store(relay.ends().count(), SeqCst);
            }
        }));
        driven
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// It waits, and is not kept busy by what it cannot act on.
    fn rests(&self) {
        let start = Instant::now();
        loop {
            let before = self.turns.load(SeqCst);
            thread::sleep(Duration::from_millis(50));
            if self.turns.load(SeqCst) - before < 5 {
                return;
            }
            assert!(start.elapsed() < LONG, "it never waits");
        }
    }

    fn waits_for(&self, ends: usize) {
        let start = Instant::now();
        while self.ends.load(SeqCst) != ends {
            assert!(start.elapsed() < LONG, "waits for {:?}, not {ends}", self.ends);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        let result = self.thread.take().unwrap().join();
        if !thread::panicking() {
            result.unwrap();
        }
    }
}

fn wait(relay: &Relay) -> Vec<(End, PollFlags)> {
    let (ends, mut fds): (Vec<End>, Vec<PollFd<'_>>) =
        relay.ends().map(|(end, fd, flags)| (end, PollFd::from_borrowed_fd(fd, flags))).unzip();
    poll(&mut fds, Some(&GLANCE)).unwrap();
    let ready = ends.into_iter().zip(fds).map(|(end, fd)| (end, fd.revents()));
    ready.filter(|(_, flags)| !flags.is_empty()).collect()
}

/// Something that a relay can lead to.
fn server() -> (TcpListener, Vec<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, vec![address])
}

/// Where nobody listens: the port of a service that is not in use any more (RFC 7805).
fn nobody() -> SocketAddr {
    ([127, 0, 0, 1], 1).into()
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

fn rest_of(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map(|_| bytes)
}

fn bytes(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7 + at * seed) as u8).collect()
}

#[test]
fn each_direction_ends_by_itself() {
    let (listener, targets) = server();
    let relay = Driven::over(Protocol::Tcp, targets);
    let (question, answer) = (bytes(3_000_001, 3), bytes(5_000_003, 5));
    let expected = question.clone();
    let serving = thread::spawn(move || {
        let mut stream = accept(&listener);
        assert!(rest_of(&mut stream).unwrap() == expected, "all of the question, and its end");
        stream.write_all(&answer).unwrap();
        answer
    });
    let mut client = relay.connect();
    client.write_all(&question).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let got = rest_of(&mut client).unwrap();
    assert!(got == serving.join().unwrap(), "{} bytes", got.len());
    relay.waits_for(1);
}

#[test]
fn who_does_not_read_holds_the_sender_up() {
    let (listener, targets) = server();
    let relay = Driven::over(Protocol::Tcp, targets);
    let mut client = relay.connect();
    client.write_all(b"?").unwrap();
    let mut stream = accept(&listener);
    stream.read_exact(&mut [0]).unwrap();
    stream.set_nonblocking(true).unwrap();
    // More than all buffers of the kernel hold.
    let answer = vec![b'!'; 256 << 20];
    let (mut sent, mut held_up) = (0, 0);
    while held_up < 50 {
        match stream.write(&answer[sent..]) {
            Ok(length) => (sent, held_up) = (sent + length, 0),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                held_up += 1;
                thread::sleep(Duration::from_millis(5));
            }
            Err(e) => panic!("{e}"),
        }
    }
    assert!(sent < answer.len());
    // Meanwhile others are served.
    relay.rests();
    let mut other = relay.connect();
    other.write_all(b"other").unwrap();
    let mut name = [0; 5];
    accept(&listener).read_exact(&mut name).unwrap();
    assert_eq!(&name, b"other");
    let rest = thread::spawn(move || {
        stream.set_nonblocking(false).unwrap();
        let more = sent + (1 << 20);
        stream.write_all(&answer[sent..more]).unwrap();
        more
    });
    let got = rest_of(&mut client).unwrap();
    assert_eq!(got.len(), rest.join().unwrap());
}

#[test]
fn a_reset_goes_through_either_way() {
    let (listener, targets) = server();
    let relay = Driven::over(Protocol::Tcp, targets);
    let start = || {
        let mut client = relay.connect();
        client.write_all(b"?").unwrap();
        let mut stream = accept(&listener);
        stream.read_exact(&mut [0]).unwrap();
        (client, stream)
    };
    let reset = |stream: TcpStream| sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    let is_reset =
        |stream: &mut TcpStream| rest_of(stream).is_err_and(|e| e.kind() == ErrorKind::ConnectionReset);
    let (mut client, stream) = start();
    reset(stream);
    assert!(is_reset(&mut client));
    let (client, mut stream) = start();
    reset(client);
    assert!(is_reset(&mut stream));
    // Of a client that had said all that it had to say, and waits for a server without an answer.
    let (client, mut stream) = start();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    relay.rests();
    reset(client);
    relay.waits_for(1);
    let start = Instant::now();
    while stream.write(b"!").is_ok() {
        assert!(start.elapsed() < LONG);
    }
}

#[test]
fn the_next_target_is_tried_and_nobody_is_a_reset() {
    let (listener, targets) = server();
    let relay = Driven::over(Protocol::Tcp, vec![nobody(), targets[0]]);
    let mut client = relay.connect();
    client.write_all(b"at once").unwrap();
    let mut text = [0; 7];
    accept(&listener).read_exact(&mut text).unwrap();
    assert_eq!(&text, b"at once");
    for nowhere in [vec![nobody()], Vec::new()] {
        let relay = Driven::over(Protocol::Tcp, nowhere);
        let error = rest_of(&mut relay.connect()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        relay.waits_for(1);
    }
}

#[test]
fn more_than_there_is_room_for_wait() {
    let (listener, targets) = server();
    let relay = Relay { most: 2, ..Relay::default() };
    let relay = Driven::with(relay, Protocol::Tcp, targets);
    let mut clients: Vec<TcpStream> = (b'0'..b'4')
        .map(|name| {
            let mut client = relay.connect();
            client.write_all(&[name]).unwrap();
            client
        })
        .collect();
    let name = |stream: &mut TcpStream| {
        let mut name = [0];
        stream.read_exact(&mut name).unwrap();
        name[0]
    };
    let mut streams = [accept(&listener), accept(&listener)];
    let mut names = streams.each_mut().map(name).to_vec();
    // Both ends of both, and no port.
    relay.waits_for(4);
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    listener.set_nonblocking(false).unwrap();
    clients.drain(..2);
    drop(streams);
    names.extend([accept(&listener), accept(&listener)].each_mut().map(name));
    names.sort_unstable();
    assert_eq!(names, b"0123");
}

/// Answers with what came and the number of the client's port, so that clients can be told apart.
fn echo(socket: UdpSocket) {
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..length], client);
        }
    });
}

fn client() -> UdpSocket {
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket
}

#[test]
fn datagrams_come_back_to_who_sent_them() {
    let service = UdpSocket::bind("127.0.0.1:0").unwrap();
    let targets = vec![service.local_addr().unwrap()];
    echo(service);
    let relay = Driven::over(Protocol::Udp, targets);
    let (one, two) = (client(), client());
    let mut buffer = vec![0; 65_536];
    for data in [bytes(5, 1), Vec::new(), bytes(60_000, 3)] {
        for socket in [&one, &two] {
            socket.send_to(&data, relay.at).unwrap();
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (&data[..], relay.at));
        }
    }
    relay.waits_for(3);
}

#[test]
fn clients_are_forgotten_and_bounded() {
    let service = UdpSocket::bind("127.0.0.1:0").unwrap();
    let targets = vec![service.local_addr().unwrap()];
    echo(service);
    let relay = Relay { patience: Duration::from_millis(100), ..Relay::default() };
    let relay = Driven::with(relay, Protocol::Udp, targets.clone());
    let socket = client();
    for _ in 0..2 {
        insist(&socket, relay.at);
        relay.waits_for(1);
    }
    let relay = Relay { most: 2, ..Relay::default() };
    let relay = Driven::with(relay, Protocol::Udp, targets);
    for _ in 0..5 {
        let socket = client();
        socket.send_to(b"!", relay.at).unwrap();
        socket.recv(&mut [0]).unwrap();
    }
    relay.waits_for(3);
}

#[test]
fn datagrams_find_the_target_that_is_there() {
    let service = UdpSocket::bind("127.0.0.1:0").unwrap();
    let targets = vec![nobody(), service.local_addr().unwrap()];
    echo(service);
    let relay = Driven::over(Protocol::Udp, targets);
    insist(&client(), relay.at);
}

/// Sends until an answer comes: what nobody took is lost.
fn insist(socket: &UdpSocket, to: SocketAddr) {
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let start = Instant::now();
    loop {
        socket.send_to(b"!", to).unwrap();
        match socket.recv(&mut [0]) {
            Ok(length) => break assert_eq!(length, 1),
            Err(_) => assert!(start.elapsed() < LONG),
        }
    }
}
