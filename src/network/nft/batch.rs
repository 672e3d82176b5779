//! Changes of tables, chains and rules that happen together or not at all.

use std::io;

use super::attribute::Body;
use super::expression::Rule;
use crate::network::socket::Netlink;

/// `NFNL_SUBSYS_NFTABLES`, as the high byte of a message's type.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = 0;
const GET_TABLE: u16 = 1;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const DELETE_CHAIN: u16 = 5;
const NEW_RULE: u16 = 6;
const DELETE_RULE: u16 = 8;
/// `NFPROTO_INET`: IPv4 and IPv6 in one table.
const INET: u8 = 1;

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const EXCL: u16 = 0x200;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

/// Where packets are looked at (`enum nf_inet_hooks`).
#[derive(Clone, Copy, Debug)]
pub enum Hook {
    /// As they come in.
    Prerouting = 0,
    /// As they pass through.
    Forward = 2,
    /// As the host itself sends them.
    Output = 3,
    /// As they go out.
    Postrouting = 4,
}

/// A chain at a hook.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    /// Its name.
    pub name: &'a str,
    /// `filter` or `nat`.
    pub kind: &'a str,
    /// Where it stands.
    pub hook: Hook,
    /// Its turn among those of the same hook (nft(8), "priority").
    pub priority: i32,
}

/// Changes under way.
#[derive(Debug)]
pub struct Batch<'a> {
    table: &'a str,
    bytes: Vec<u8>,
    sequence: u32,
}

impl<'a> Batch<'a> {
    /// Begins changes of one table of family `inet`.
    pub fn new(table: &'a str) -> Batch<'a> {
        let mut batch = Batch { table, bytes: Vec::new(), sequence: 0 };
        batch.message(BATCH_BEGIN, REQUEST, 0, SUBSYSTEM, |_| {});
        batch
    }

    /// Makes the table; an error if it is there.
    pub fn new_table(&mut self) {
        self.change(NEW_TABLE, CREATE | EXCL, |body, table| body.string(1, table));
    }

    /// Deletes the table with all in it.
    pub fn delete_table(&mut self) {
        self.change(DELETE_TABLE, 0, |body, table| body.string(1, table));
    }

    /// Makes a chain.
    pub fn new_chain(&mut self, chain: Chain<'_>) {
        self.change(NEW_CHAIN, CREATE, |body, table| {
            body.string(1, table);
            body.string(3, chain.name);
            body.nested(4, |hook| {
                hook.number(1, chain.hook as u32);
                hook.number(2, chain.priority.cast_unsigned());
            });
            body.string(7, chain.kind);
        });
    }

    /// Deletes a chain with all its rules; an error if it is not there.
    pub fn delete_chain(&mut self, name: &str) {
        for message in [DELETE_RULE, DELETE_CHAIN] {
            let attribute = if message == DELETE_RULE { 2 } else { 3 };
            self.change(message, 0, |body, table| {
                body.string(1, table);
                body.string(attribute, name);
            });
        }
    }

    /// Adds a rule at the end of a chain.
    pub fn new_rule(&mut self, chain: &str, rule: &Rule) {
        self.change(NEW_RULE, CREATE | APPEND, |body, table| {
            body.string(1, table);
            body.string(2, chain);
            body.nested(4, |body| rule.encode(body));
        });
    }

    /// Has the kernel make all changes.
    ///
    /// # Errors
    /// What the kernel says first about any of them; none was made then.
    pub fn commit(mut self) -> io::Result<()> {
        self.message(BATCH_END, REQUEST, 0, SUBSYSTEM, |_| {});
        Netlink::netfilter()?.send(&self.bytes)
    }

    /// Whether the table is there.
    pub fn table_exists(table: &str) -> io::Result<bool> {
        let mut batch = Batch { table, bytes: Vec::new(), sequence: 0 };
        batch.message(SUBSYSTEM << 8 | GET_TABLE, REQUEST | ACK, INET, 0, |body| body.string(1, table));
        match Netlink::netfilter()?.send(&batch.bytes) {
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            result => result.map(|()| true),
        }
    }

    fn change(&mut self, message: u16, flags: u16, fill: impl FnOnce(&mut Body, &str)) {
        let table = self.table;
        self.message(SUBSYSTEM << 8 | message, REQUEST | ACK | flags, INET, 0, |body| fill(body, table));
    }

    /// Header of netlink, header of netfilter (`struct nfgenmsg`), attributes.
    fn message(&mut self, kind: u16, flags: u16, family: u8, resource: u16, fill: impl FnOnce(&mut Body)) {
        self.sequence += 1;
        let mut body = Body(vec![family, 0]);
        body.0.extend(resource.to_be_bytes());
        fill(&mut body);
        self.bytes.extend((16 + body.0.len() as u32).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend(0u32.to_ne_bytes());
        self.bytes.extend(body.0);
    }
}
