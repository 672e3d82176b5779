//! Questions and answers (RFC 1035, RFC 6891).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::{A, AAAA, OPT, PTR, RData};
use simple_dns::{CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, RCODE, ResourceRecord, TYPE};

use super::Names;

/// Answers hold only for the moment: addresses change with every start.
const TTL: u32 = 0;
/// Longest answer by UDP for who does not say that it takes more.
const PLAIN: usize = 512;
/// What this server takes by UDP.
const ROOM: u16 = 4096;
/// Length of a message's header.
pub(super) const HEADER: usize = 12;

/// What to do about a question.
#[derive(Debug)]
pub(super) enum Outcome {
    /// This is the answer.
    Answer(Vec<u8>),
    /// Somebody else knows.
    Forward,
    /// It is no question.
    Ignore,
}

/// Looks at a question. `stream`: the answer may be as long as it is.
pub(super) fn consider(bytes: &[u8], names: &dyn Names, stream: bool) -> Outcome {
    let Ok(packet) = Packet::parse(bytes) else {
        return refuse(bytes, RCODE::FormatError);
    };
    if packet.has_flags(PacketFlag::RESPONSE) {
        return Outcome::Ignore;
    }
    let [question] = &packet.questions[..] else { return refuse(bytes, RCODE::FormatError) };
    if packet.opcode() != OPCODE::StandardQuery {
        return refuse(bytes, RCODE::NotImplemented);
    }
    let limit = packet.opt().map_or(PLAIN, |opt| usize::from(opt.udp_packet_size).max(PLAIN));
    let limit = if stream { usize::from(u16::MAX) } else { limit };
    let name = question.qname.to_string().to_ascii_lowercase();
    if !matches!(question.qclass, QCLASS::CLASS(CLASS::IN) | QCLASS::ANY) {
        return Outcome::Forward;
    }
    if let Some(addresses) = names.addresses(&name) {
        let data = addresses.into_iter().filter_map(|address| record(address, question.qtype)).collect();
        return answer(&packet, data, limit);
    }
    if let (QTYPE::TYPE(TYPE::PTR), Some(address)) = (question.qtype, reversed(&name))
        && let Some(found) = names.name(address)
        && let Ok(found) = Name::new(&found)
    {
        return answer(&packet, vec![RData::PTR(PTR(found.into_owned()))], limit);
    }
    if names.servers().is_empty() {
        return refuse(bytes, RCODE::NameError);
    }
    Outcome::Forward
}

fn record(address: IpAddr, wanted: QTYPE) -> Option<RData<'static>> {
    match (address, wanted) {
        (IpAddr::V4(address), QTYPE::TYPE(TYPE::A) | QTYPE::ANY) => {
            Some(RData::A(A { address: address.into() }))
        }
        (IpAddr::V6(address), QTYPE::TYPE(TYPE::AAAA) | QTYPE::ANY) => {
            Some(RData::AAAA(AAAA { address: address.into() }))
        }
        _ => None,
    }
}

fn answer(question: &Packet<'_>, mut data: Vec<RData<'_>>, limit: usize) -> Outcome {
    let mut reply = question.clone().into_reply();
    reply.set_flags(PacketFlag::AUTHORITATIVE_ANSWER | PacketFlag::RECURSION_AVAILABLE);
    if question.has_flags(PacketFlag::RECURSION_DESIRED) {
        reply.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    reply.additional_records.clear();
    if question.opt().is_some() {
        *reply.opt_mut() = Some(OPT { opt_codes: Vec::new(), udp_packet_size: ROOM, version: 0 });
    }
    // Several containers with one alias take turns.
    let turn = usize::from(question.id()) % data.len().max(1);
    data.rotate_left(turn);
    let Some(name) = question.questions.first().map(|question| question.qname.clone()) else {
        return Outcome::Ignore;
    };
    reply.answers =
        data.into_iter().map(|data| ResourceRecord::new(name.clone(), CLASS::IN, TTL, data)).collect();
    match reply.build_bytes_vec_compressed() {
        Ok(bytes) if bytes.len() <= limit => Outcome::Answer(bytes),
        Ok(_) => {
            reply.answers.clear();
            reply.set_flags(PacketFlag::TRUNCATION);
            reply.build_bytes_vec_compressed().map_or(Outcome::Ignore, Outcome::Answer)
        }
        Err(_) => Outcome::Ignore,
    }
}

fn refuse(question: &[u8], code: RCODE) -> Outcome {
    failure(question, code).map_or(Outcome::Ignore, Outcome::Answer)
}

/// The answer that there is none; none at all to what is too short to be a question.
pub(super) fn failure(question: &[u8], code: RCODE) -> Option<Vec<u8>> {
    let id = u16::from_be_bytes(*question.get(..HEADER)?.first_chunk()?);
    let mut reply = Packet::new_reply(id);
    reply.set_flags(PacketFlag::RECURSION_AVAILABLE);
    if question[2] & 1 == 1 {
        reply.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    *reply.rcode_mut() = code;
    let parsed = Packet::parse(question);
    if let Ok(parsed) = &parsed {
        reply.questions.clone_from(&parsed.questions);
    }
    reply.build_bytes_vec().ok()
}

/// Whether a message answers a question, apart from the id.
pub(super) fn answers(reply: &[u8], question: &[u8]) -> bool {
    let (Ok(reply), Ok(question)) = (Packet::parse(reply), Packet::parse(question)) else { return false };
    let same = |(one, other): (&simple_dns::Question<'_>, &simple_dns::Question<'_>)| {
        one.qtype == other.qtype && one.qname.to_string().eq_ignore_ascii_case(&other.qname.to_string())
    };
    reply.has_flags(PacketFlag::RESPONSE)
        && reply.questions.len() == question.questions.len()
        && reply.questions.iter().zip(&question.questions).all(same)
}

/// Whether a server could not answer, so that another may be asked.
pub(super) fn is_failure(reply: &[u8]) -> bool {
    const SERVER_FAILURE: u8 = 2;
    const REFUSED: u8 = 5;
    reply.get(3).is_some_and(|flags| matches!(flags & 0x0f, SERVER_FAILURE | REFUSED))
}

/// The address that a name below `in-addr.arpa` or `ip6.arpa` stands for.
fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
        let mut parts = digits.split('.').rev().map(str::parse::<u8>);
        let mut octets = [0; 4];
        for octet in &mut octets {
            *octet = parts.next()?.ok()?;
        }
        return parts.next().is_none().then(|| Ipv4Addr::from(octets).into());
    }
    let digits: Vec<&str> = name.strip_suffix(".ip6.arpa")?.split('.').rev().collect();
    if digits.len() != 32 || digits.iter().any(|digit| digit.len() != 1) {
        return None;
    }
    let number = u128::from_str_radix(&digits.concat(), 16).ok()?;
    Some(Ipv6Addr::from(number).into())
}
