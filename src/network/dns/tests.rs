//! Questions to a real server on loopback, with a second one behind it.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use super::message::{Outcome, consider};
use super::*;

#[derive(Clone, Default)]
struct Known {
    many: usize,
    servers: Vec<SocketAddr>,
}

impl Names for Known {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        match name {
            "db" => Some(vec![Ipv4Addr::new(10, 1, 0, 2).into(), "fd00::2".parse().unwrap()]),
            "many" => Some((0..self.many as u32).map(|n| Ipv4Addr::from(0x0a01_0000 + n).into()).collect()),
            _ => None,
        }
    }

    fn name(&self, address: IpAddr) -> Option<String> {
        let ours = ["10.1.0.2", "fd00::2"].map(|text| text.parse::<IpAddr>().unwrap());
        ours.contains(&address).then(|| "db".to_string())
    }

    fn servers(&self) -> Vec<SocketAddr> {
        self.servers.clone()
    }
}

fn question(name: &str, kind: TYPE) -> Vec<u8> {
    let mut packet = Packet::new_query(4711);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let question =
        Question::new(Name::new(name).unwrap(), QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false);
    packet.questions.push(question);
    packet.build_bytes_vec().unwrap()
}

fn answered(outcome: Outcome) -> Vec<u8> {
    match outcome {
        Outcome::Answer(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

fn addresses(bytes: &[u8]) -> Vec<String> {
    let packet = Packet::parse(bytes).unwrap();
    assert!(packet.has_flags(PacketFlag::RESPONSE) && packet.id() == 4711);
    let text = |data: &RData<'_>| match data {
        RData::A(a) => Ipv4Addr::from(a.address).to_string(),
        RData::AAAA(a) => std::net::Ipv6Addr::from(a.address).to_string(),
        RData::PTR(name) => name.0.to_string(),
        other => format!("{other:?}"),
    };
    packet.answers.iter().map(|answer| text(&answer.rdata)).collect()
}

#[test]
fn own_names_are_answered() {
    let known = Known::default();
    let ask = |name: &str, kind| addresses(&answered(consider(&question(name, kind), &known, false)));
    assert_eq!(ask("db", TYPE::A), ["10.1.0.2"]);
    assert_eq!(ask("DB", TYPE::A), ["10.1.0.2"], "whatever the case");
    assert_eq!(ask("db", TYPE::AAAA), ["fd00::2"]);
    assert_eq!(ask("db", TYPE::MX), [""; 0], "it exists, without that");
    assert_eq!(ask("2.0.1.10.in-addr.arpa", TYPE::PTR), ["db"]);
    let six = "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
    assert_eq!(ask(six, TYPE::PTR), ["db"]);
    let nobody = answered(consider(&question("example.org", TYPE::A), &known, false));
    assert_eq!(Packet::parse(&nobody).unwrap().rcode(), RCODE::NameError);
}

#[test]
fn long_answers_come_by_tcp() {
    let known = Known { many: 200, ..Known::default() };
    let short = answered(consider(&question("many", TYPE::A), &known, false));
    assert!(Packet::parse(&short).unwrap().has_flags(PacketFlag::TRUNCATION) && short.len() <= 512);
    assert_eq!(addresses(&answered(consider(&question("many", TYPE::A), &known, true))).len(), 200);
}

#[test]
fn nonsense_is_survived() {
    let known = Known::default();
    let good = question("db", TYPE::A);
    for length in 0..good.len() {
        consider(&good[..length], &known, false);
    }
    for at in 0..good.len() {
        for byte in [0, 1, 0x3f, 0x40, 0xc0, 0xff] {
            let mut bad = good.clone();
            bad[at] = byte;
            consider(&bad, &known, at % 2 == 0);
        }
    }
    let mut answer = good;
    answer[2] |= 0x80;
    assert!(matches!(consider(&answer, &known, false), Outcome::Ignore), "no loop");
}

struct Until(OwnedFd);

impl Tasks for Until {
    fn end(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
    fn watch(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    fn act(&mut self) {}
}

/// Runs a server until the test ends; where it listens.
fn start(known: Known) -> (SocketAddr, SocketAddr, OwnedFd) {
    let sockets = Sockets {
        udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
        tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
    };
    let (udp, tcp) = (sockets.udp.local_addr().unwrap(), sockets.tcp.local_addr().unwrap());
    let (end, stop) = rustix::pipe::pipe().unwrap();
    std::thread::spawn(move || serve(&sockets, &known, &mut Until(end)).unwrap());
    (udp, tcp, stop)
}

fn ask(server: SocketAddr, question: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    socket.send_to(question, server).unwrap();
    let mut buffer = [0; 4096];
    let length = crate::network::tests::receive(&socket, &mut buffer).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn others_are_asked_one_after_the_other() {
    let (behind, _, _stop) = start(Known::default());
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let servers = vec![closed, silent.local_addr().unwrap(), behind];
    struct Asks(Vec<SocketAddr>);
    impl Names for Asks {
        fn addresses(&self, _: &str) -> Option<Vec<IpAddr>> {
            None
        }
        fn name(&self, _: IpAddr) -> Option<String> {
            None
        }
        fn servers(&self) -> Vec<SocketAddr> {
            self.0.clone()
        }
    }
    let sockets = Sockets {
        udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
        tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
    };
    let front = sockets.udp.local_addr().unwrap();
    let (end, _stop_front) = rustix::pipe::pipe().unwrap();
    std::thread::spawn(move || serve(&sockets, &Asks(servers), &mut Until(end)).unwrap());
    assert_eq!(addresses(&ask(front, &question("db", TYPE::A))), ["10.1.0.2"]);
    let nobody = ask(front, &question("no.such", TYPE::A));
    assert_eq!(Packet::parse(&nobody).unwrap().rcode(), RCODE::NameError);
}

#[test]
fn streams_are_answered_in_pieces_too() {
    let (_, behind, _stop) = start(Known { many: 300, ..Known::default() });
    let mut stream = TcpStream::connect(behind).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    for name in ["many", "db"] {
        let question = question(name, TYPE::A);
        let framed = [&(question.len() as u16).to_be_bytes()[..], &question].concat();
        for piece in framed.chunks(5) {
            stream.write_all(piece).unwrap();
            stream.flush().unwrap();
        }
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(addresses(&answer).len(), if name == "many" { 300 } else { 1 });
    }
}
