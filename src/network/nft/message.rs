//! Encoding of nf_tables messages: attributes, batches, answers (`linux/netfilter/nf_tables.h`).

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST};

use crate::network::error::Error;
use crate::network::socket::{HEADER, Netlink, Reply};

/// `NFPROTO_INET`.
const FAMILY_INET: u8 = 1;
/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NESTED: u16 = 1 << 15;

/// `enum nf_tables_msg_types`, as far as used.
pub(super) mod kind {
    pub const NEW_TABLE: u16 = 0;
    pub const GET_TABLE: u16 = 1;
    pub const DELETE_TABLE: u16 = 2;
    pub const NEW_CHAIN: u16 = 3;
    pub const NEW_RULE: u16 = 6;
    pub const GET_RULE: u16 = 7;
    pub const DELETE_RULE: u16 = 8;
    pub const NEW_SET: u16 = 9;
    pub const NEW_ELEMENT: u16 = 12;
    pub const GET_ELEMENT: u16 = 13;
    pub const DELETE_ELEMENT: u16 = 14;
}

/// A list of netlink attributes being written.
#[derive(Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// Raw value.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let start = self.open(kind);
        self.0.extend_from_slice(value);
        self.close(start)
    }

    /// Number; nf_tables wants them big-endian.
    pub fn number(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// NUL-terminated text.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let start = self.open(kind);
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(0);
        self.close(start)
    }

    /// Attributes within an attribute.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.open(kind | NESTED);
        fill(self);
        self.close(start)
    }

    /// `NFTA_DATA_VALUE` within an attribute.
    pub fn data(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.nest(kind, |a| {
            a.bytes(1, value);
        })
    }

    /// Attributes that were written apart.
    pub fn append(&mut self, others: Self) {
        self.0.extend_from_slice(&others.0);
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.0.len();
        self.0.extend_from_slice(&[0, 0]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn close(&mut self, start: usize) -> &mut Self {
        // Everything written here is far below 64 KiB; should that change, the kernel refuses the message.
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }
}

/// Changes that happen all or not at all.
#[derive(Default)]
pub(super) struct Batch(Vec<(u16, u16, Attributes)>);

impl Batch {
    /// Appends a message; `flags` are those beside `NLM_F_REQUEST`.
    pub fn push(&mut self, kind: u16, flags: u16, fill: impl FnOnce(&mut Attributes)) {
        let mut attributes = Attributes::default();
        fill(&mut attributes);
        self.0.push((kind, flags, attributes));
    }

    /// Sends the batch and waits for the verdict. An empty one does nothing.
    ///
    /// The inner error is the kernel's first complaint about any of the messages.
    pub fn commit(self) -> Result<io::Result<()>, Error> {
        self.commit_open().map(|result| result.map(drop))
    }

    /// Like [`Batch::commit`], on a socket that is left open: closing it waits until what the batch deleted is freed.
    pub fn commit_open(self) -> Result<io::Result<Option<Netlink>>, Error> {
        if self.0.is_empty() {
            return Ok(Ok(None));
        }
        let mut netlink = Netlink::netfilter()?;
        let mut bytes = Vec::new();
        write(&mut bytes, BATCH_BEGIN, 0, netlink.next_sequence(), 0, SUBSYSTEM, &[]);
        let (mut last, count) = (0, self.0.len());
        for (n, (kind, flags, attributes)) in self.0.into_iter().enumerate() {
            last = netlink.next_sequence();
            // Refusals of any message are reported in order, so the last one's acknowledgement ends the answer.
            let ack = if n + 1 == count { NLM_F_ACK } else { 0 };
            write(&mut bytes, SUBSYSTEM << 8 | kind, flags | ack, last, FAMILY_INET, 0, &attributes.0);
        }
        write(&mut bytes, BATCH_END, 0, netlink.next_sequence(), 0, SUBSYSTEM, &[]);
        Ok(netlink.send(&bytes).and_then(|()| netlink.receive(last)).map(|_| Some(netlink)))
    }
}

/// Asks for one object (`all` false) or all that match.
pub(super) fn get(
    kind: u16,
    all: bool,
    fill: impl Fn(&mut Attributes),
) -> Result<io::Result<Vec<Reply>>, Error> {
    let mut netlink = Netlink::netfilter()?;
    let mut attributes = Attributes::default();
    fill(&mut attributes);
    let encode = |netlink: &mut Netlink| {
        let mut bytes = Vec::new();
        let flags = if all { NLM_F_DUMP } else { NLM_F_ACK };
        write(
            &mut bytes,
            SUBSYSTEM << 8 | kind,
            flags,
            netlink.next_sequence(),
            FAMILY_INET,
            0,
            &attributes.0,
        );
        bytes
    };
    if all {
        return Ok(netlink.dump_raw(encode));
    }
    let bytes = encode(&mut netlink);
    // The first and only request of this socket.
    Ok(netlink.send(&bytes).and_then(|()| netlink.receive(1)))
}

/// Appends one message: `nlmsghdr`, `nfgenmsg` and the attributes.
fn write(
    out: &mut Vec<u8>,
    kind: u16,
    flags: u16,
    sequence: u32,
    family: u8,
    resource: u16,
    attributes: &[u8],
) {
    let length = u32::try_from(HEADER + 4 + attributes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
    out.extend_from_slice(&sequence.to_ne_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[family, 0]);
    out.extend_from_slice(&resource.to_be_bytes());
    out.extend_from_slice(attributes);
}

/// Attributes being read: kind without its flags, and value. Damage ends the list.
pub(super) struct Read<'a>(&'a [u8]);

impl<'a> Read<'a> {
    /// Attributes of an answer.
    pub fn reply(reply: &'a Reply) -> Self {
        Self(reply.payload.get(4..).unwrap_or_default())
    }

    /// Attributes within a value.
    pub fn nested(value: &'a [u8]) -> Self {
        Self(value)
    }

    /// Value of the first attribute of that kind.
    pub fn value(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find(|(k, _)| *k == kind).map(|(_, value)| value)
    }
}

impl<'a> Iterator for Read<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let &[l0, l1, k0, k1] = self.0.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k0, k1]) & 0x3fff, value))
    }
}

/// Text up to its NUL.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_read_back() {
        let mut a = Attributes::default();
        a.text(1, "abc").number(2, 7).nest(3, |a| {
            a.bytes(1, &[9; 5]);
        });
        // struct nlattr: length with header but without padding, kind, value, padding to 4.
        assert_eq!(&a.0[..8], &[8, 0, 1, 0, b'a', b'b', b'c', 0]);
        assert_eq!(&a.0[8..16], &[8, 0, 2, 0, 0, 0, 0, 7]);
        assert_eq!(&a.0[16..], &[16, 0, 3, 0x80, 9, 0, 1, 0, 9, 9, 9, 9, 9, 0, 0, 0]);
        let inner = Read::nested(&a.0).value(3).unwrap();
        assert_eq!(Read::nested(inner).value(1), Some(&[9; 5][..]));
        assert_eq!(Read::nested(&a.0).value(1).map(text).as_deref(), Some("abc"));
    }

    #[test]
    fn damaged_attributes_end_the_list() {
        for bad in [&[][..], &[8, 0], &[3, 0, 1, 0], &[0, 0, 1, 0], &[9, 0, 1, 0, 1, 2, 3, 4]] {
            assert_eq!(Read::nested(bad).count(), 0, "{bad:?}");
        }
    }
}
