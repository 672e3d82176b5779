//! Hostile archives, as tables: what each gives, in both forms, and what GNU tar and umoci (Go's archive/tar) make of it.
//!
//! A case says in one line what the layer holds: `d/` a directory, `f=x` a file of content `x`, `l => f` another name
//! of it, `s -> t` a symlink, `!w` a whiteout, `p|` a pipe, `c c1:3` a device. Peers must agree, or the case says why they
//! do not.

mod escapes;
mod extensions;
mod links;
mod names;
mod order;
mod peers;
mod sizes;
mod sparse;
mod truncated;
mod whiteouts;

use super::listing::{Item, Listing};
use super::{Archive, Bench, list, skip};
use lay_store::{Digest, Layer};
use peers::Peer;

/// One archive.
struct Case {
    what: &'static str,
    archive: Vec<u8>,
    /// A layer below it.
    base: Option<Vec<u8>>,
    expected: Result<String, String>,
    /// Modes, owners, times and attributes count too.
    full: bool,
    peers: Vec<(Peer, &'static str)>,
}

impl From<Archive> for Vec<u8> {
    fn from(archive: Archive) -> Self {
        archive.bytes()
    }
}

fn case(what: &'static str, archive: Vec<u8>, expected: Result<String, String>) -> Case {
    Case { what, archive, base: None, expected, full: false, peers: Vec::new() }
}

/// An archive that gives a tree.
fn gives(what: &'static str, archive: impl Into<Vec<u8>>, tree: impl Into<String>) -> Case {
    case(what, archive.into(), Ok(tree.into()))
}

/// An archive that is refused.
fn refuses(what: &'static str, archive: impl Into<Vec<u8>>, error: impl Into<String>) -> Case {
    case(what, archive.into(), Err(error.into()))
}

impl Case {
    /// GNU tar does otherwise, because …
    fn tar(mut self, why: &'static str) -> Self {
        self.peers.push((Peer::Tar, why));
        self
    }

    /// umoci does otherwise, because …
    fn umoci(mut self, why: &'static str) -> Self {
        self.peers.push((Peer::Umoci, why));
        self
    }

    /// Both do otherwise, because …
    fn both(self, why: &'static str) -> Self {
        self.tar(why).umoci(why)
    }

    fn over(mut self, base: Archive) -> Self {
        self.base = Some(base.bytes());
        self
    }

    fn full(mut self) -> Self {
        self.full = true;
        self
    }

    /// What is wrong with it, if anything is.
    fn run(&self) -> Vec<String> {
        let bench = Bench::new();
        let result = bench.unpack(&self.archive, &Digest::of(&self.archive));
        let ours = match &result {
            Ok(layer) => Ok(text(&list(&layer.path), self.full)),
            Err(error) => Err(crate::error::chain(error)),
        };
        let mut wrong = Vec::new();
        if ours != self.expected {
            wrong.push(format!("{}: {ours:?} where {:?} was expected", self.what, self.expected));
        }
        let visible = result.map(|layer| self.visible(&bench, layer)).ok();
        for peer in [Peer::Tar, Peer::Umoci] {
            if self.peers.iter().any(|(known, _)| *known == peer) {
                continue;
            }
            if let Some(theirs) = peer.visible(self.base.as_deref(), &self.archive)
                && theirs.as_ref().ok() != visible.as_ref()
            {
                wrong.push(format!("{}: {peer:?} says {theirs:?}, we say {visible:?}", self.what));
            }
        }
        wrong
    }

    /// The tree that a container would see.
    fn visible(&self, bench: &Bench, layer: Layer) -> String {
        let Some(base) = &self.base else { return seen(&list(&layer.path)) };
        let base = bench.unpack(base, &Digest::of(base)).unwrap();
        peers::overlaid(vec![base, layer])
    }
}

/// Runs a table to its end, and then tells of all that failed.
fn run(cases: impl IntoIterator<Item = Case>) {
    if skip() {
        return;
    }
    let wrong: Vec<String> = cases.into_iter().flat_map(|case| case.run()).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A layer in a line.
fn text(listing: &Listing, full: bool) -> String {
    let line = |(path, item): (&String, &Item)| {
        let mut line = name(path, item);
        if item.xattrs.get("trusted.overlay.opaque").is_some_and(|value| value == b"y") {
            line.push_str(" opaque");
        }
        if full {
            let (uid, gid) = item.owner;
            line.push_str(&format!(" {:o} {uid}:{gid} @{}.{:09}", item.mode, item.mtime.0, item.mtime.1));
            for (name, value) in &item.xattrs {
                line.push_str(&format!(" {name}={}", String::from_utf8_lossy(value)));
            }
        }
        // A root of which nothing is said says nothing.
        let plain = path.is_empty() && (!full || item.owner == (0, 0)) && !line.ends_with("opaque");
        (!plain).then_some(line)
    };
    listing.iter().filter_map(line).collect::<Vec<_>>().join(", ")
}

/// What a container sees of it, without owners and times, which peers that are not told to keep them do not.
fn seen(listing: &Listing) -> String {
    let visible =
        listing.iter().filter(|(path, item)| !path.is_empty() && !name(path, item).starts_with('!'));
    visible.map(|(path, item)| name(path, item)).collect::<Vec<_>>().join(", ")
}

fn name(path: &str, item: &Item) -> String {
    let content = String::from_utf8_lossy(&item.content);
    let (major, minor) = (rustix::fs::major(item.device), rustix::fs::minor(item.device));
    match item.kind {
        _ if item.same_as != path => format!("{path} => {}", item.same_as),
        "directory" => format!("{path}/"),
        "file" if content.len() > 40 => format!("{path}=[{}]", runs(&item.content)),
        "file" => format!("{path}={content}"),
        "symlink" => format!("{path} -> {content}"),
        "character device" if item.device == 0 => format!("!{path}"),
        "character device" => format!("{path} c{major}:{minor}"),
        "block device" => format!("{path} b{major}:{minor}"),
        "fifo" => format!("{path}|"),
        other => format!("{path} {other}"),
    }
}

/// Content as runs of one byte each.
fn runs(content: &[u8]) -> String {
    let runs = content.chunk_by(|a, b| a == b).map(|run| match run[0] {
        0 => format!("{} zeros", run.len()),
        byte => format!("{} {}", run.len(), char::from(byte)),
    });
    runs.collect::<Vec<_>>().join(" ")
}
