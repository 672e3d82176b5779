//! Zstandard in blocks: one frame each, with its size and its checksum.

use std::io::{self, Write};

use super::pipeline::{Block, Format};

/// The format.
#[derive(Clone, Copy)]
pub struct Zstandard(pub u32);

impl Format for Zstandard {
    type Note = ();
    const WINDOW: usize = 0;

    fn head(&self) -> Vec<u8> {
        Vec::new()
    }

    fn block(&self, block: &Block) -> io::Result<(Vec<u8>, ())> {
        let level = i32::try_from(self.0).map_err(io::Error::other)?;
        let mut encoder = zstd::Encoder::new(Vec::with_capacity(block.data.len() / 2), level)?;
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(Some(block.data.len() as u64))?;
        encoder.write_all(&block.data)?;
        encoder.finish().map(|data| (data, ()))
    }

    fn tail(&self, _: Vec<()>) -> Vec<u8> {
        Vec::new()
    }
}
