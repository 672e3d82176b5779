//! gzip in blocks: one member, whose blocks are deflated with the end of the one before as dictionary and end on whole bytes.

use std::io;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::pipeline::{Block, Format};

/// RFC 1952 section 2.3: deflate, no flags, no time, an unknown system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// What deflate adds to data that it cannot compress is less, in bytes a block.
const ROOM: usize = 4096;

/// The format.
#[derive(Clone, Copy)]
pub struct Gzip(pub u32);

impl Format for Gzip {
    type Note = Crc;
    const WINDOW: usize = 32 << 10;

    fn head(&self) -> Vec<u8> {
        HEAD.to_vec()
    }

    fn block(&self, block: &Block) -> io::Result<(Vec<u8>, Crc)> {
        let mut crc = Crc::new();
        crc.update(&block.data);
        let mut deflate = Compress::new(Compression::new(self.0), false);
        if !block.before.is_empty() {
            deflate.set_dictionary(&block.before)?;
        }
        // The dictionary may have been counted.
        let start = deflate.total_in();
        let flush = if block.last { FlushCompress::Finish } else { FlushCompress::Sync };
        let mut out = Vec::with_capacity(block.data.len() + ROOM);
        loop {
            let taken = usize::try_from(deflate.total_in() - start).map_err(io::Error::other)?;
            let status = deflate.compress_vec(&block.data[taken..], &mut out, flush)?;
            let all = deflate.total_in() - start == block.data.len() as u64;
            if status == Status::StreamEnd || (!block.last && all && out.len() < out.capacity()) {
                return Ok((out, crc));
            }
            out.reserve(ROOM);
        }
    }

    /// RFC 1952 section 2.3.1: checksum and size modulo 2^32 of what was compressed.
    fn tail(&self, notes: Vec<Crc>) -> Vec<u8> {
        let mut whole = Crc::new();
        for crc in &notes {
            whole.combine(crc);
        }
        [whole.sum().to_le_bytes(), whole.amount().to_le_bytes()].concat()
    }
}
