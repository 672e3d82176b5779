//! Blocks to whichever processor is free, and their results in order.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use lay_store::Digest;
use sha2::{Digest as _, Sha256};

/// Bytes of the archive in a block, but the last.
pub const BLOCK: usize = 1 << 20;
/// How many blocks may wait before and after each thread.
const WAITING: usize = 1;

/// A piece of the archive.
pub struct Block {
    pub data: Vec<u8>,
    /// The end of the block before.
    pub before: Vec<u8>,
    pub last: bool,
}

/// A format whose blocks can be compressed independently of each other.
pub trait Format: Copy + Send {
    /// What else is known of a compressed block.
    type Note: Send;
    /// How much of the block before is wanted with each block, in bytes.
    const WINDOW: usize;

    /// What stands before the blocks.
    fn head(&self) -> Vec<u8>;
    /// Compresses one block.
    fn block(&self, block: &Block) -> io::Result<(Vec<u8>, Self::Note)>;
    /// What stands behind the blocks, given what is known of each.
    fn tail(&self, notes: Vec<Self::Note>) -> Vec<u8>;
}

type Compressed<F> = io::Result<(Vec<u8>, <F as Format>::Note)>;

/// Compresses `input` to `out`; gives the digest of the input.
pub fn run<F: Format>(
    threads: usize,
    input: impl Read + Send,
    out: &mut impl Write,
    format: F,
) -> io::Result<Digest> {
    std::thread::scope(|scope| {
        let lanes = (0..threads.max(1)).map(|_| lane(scope, format));
        let (jobs, results): (Vec<_>, Vec<_>) = lanes.collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
        let named = std::thread::Builder::new().name("read".to_owned());
        let reader = named.spawn_scoped(scope, move || cut::<F>(input, &jobs))?;
        let written = write_in_order(format, &results, out);
        // Whoever still waits to hand over a result has to know that nobody takes it.
        drop(results);
        let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written?;
        read
    })
}

/// One thread with its queues.
fn lane<'scope, F: Format + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    format: F,
) -> io::Result<(SyncSender<Block>, Receiver<Compressed<F>>)> {
    let (jobs, waiting) = sync_channel::<Block>(WAITING);
    let (done, results) = sync_channel(WAITING);
    let work = move || {
        for block in waiting {
            if done.send(format.block(&block)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("compress".to_owned()).spawn_scoped(scope, work)?;
    Ok((jobs, results))
}

/// Cuts the input into blocks, hashes it, and deals the blocks out.
fn cut<F: Format>(mut input: impl Read, jobs: &[SyncSender<Block>]) -> io::Result<Digest> {
    let (mut hash, mut before) = (Sha256::new(), Vec::new());
    for lane in jobs.iter().cycle() {
        let mut data = Vec::with_capacity(BLOCK);
        input.by_ref().take(BLOCK as u64).read_to_end(&mut data)?;
        hash.update(&data);
        let last = data.len() < BLOCK;
        let next = data[data.len().saturating_sub(F::WINDOW)..].to_vec();
        let block = Block { data, before: std::mem::replace(&mut before, next), last };
        // If nobody takes it, the writer has failed and tells so.
        if lane.send(block).is_err() || last {
            break;
        }
    }
    Ok(Digest::from_bytes(hash.finalize().into()))
}

fn write_in_order<F: Format>(
    format: F,
    results: &[Receiver<Compressed<F>>],
    out: &mut impl Write,
) -> io::Result<()> {
    let mut notes = Vec::new();
    out.write_all(&format.head())?;
    for lane in results.iter().cycle() {
        let Ok(result) = lane.recv() else { break };
        let (data, note) = result?;
        out.write_all(&data)?;
        notes.push(note);
    }
    out.write_all(&format.tail(notes))
}
