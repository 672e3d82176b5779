//! The stream of a layer: inflated, and hashed on the way.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::error::Error;

/// Read and inflated in pieces of this size.
const PIECE: usize = 128 * 1024;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, of one or more members (RFC 1952).
    Gzip,
    /// Zstandard, of one or more frames (RFC 8878).
    Zstd,
}

impl Compression {
    /// What the media type of a layer says (image spec, layer.md; Docker's types too); `None` if it is no layer's.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let kind = media_type
            .strip_prefix("application/vnd.oci.image.layer.")
            .map(|kind| kind.strip_prefix("nondistributable.").unwrap_or(kind))
            .or_else(|| media_type.strip_prefix("application/vnd.docker.image.rootfs."))?;
        match kind.strip_prefix("v1.").or(kind.strip_prefix("diff.")).or(kind.strip_prefix("foreign.diff."))?
        {
            "tar" => Some(Self::Plain),
            "tar+gzip" | "tar.gzip" => Some(Self::Gzip),
            "tar+zstd" | "tar.zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What the first bytes of a stream say. Media types lie more often than these.
    ///
    /// # Errors
    /// [`Error::Compression`] for what is known but no layer may use.
    pub fn of_magic(start: &[u8]) -> Result<Self, Error> {
        match start {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            // A frame, or a skippable one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Err(Error::Compression("bzip2")),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err(Error::Compression("xz")),
            _ => Ok(Self::Plain),
        }
    }
}

/// The inflated stream. Every byte that goes through its buffer is hashed.
pub(super) struct Inflated<'a> {
    source: Box<dyn Read + 'a>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    hash: Sha256,
}

impl<'a> Inflated<'a> {
    /// Finds out from its first bytes how `blob` is compressed.
    pub fn new(blob: impl Read + 'a) -> Result<Self, Error> {
        let mut start = Vec::new();
        let mut blob = blob;
        blob.by_ref().take(6).read_to_end(&mut start).map_err(Error::Read)?;
        let compression = Compression::of_magic(&start)?;
        let whole = BufReader::with_capacity(PIECE, io::Cursor::new(start).chain(blob));
        let source: Box<dyn Read + 'a> = match compression {
            Compression::Plain => Box::new(whole),
            Compression::Gzip => Box::new(MultiGzDecoder::new(whole)),
            Compression::Zstd => Box::new(zstd::Decoder::with_buffer(whole).map_err(Error::Read)?),
        };
        let buffer = vec![0; PIECE].into_boxed_slice();
        Ok(Self { source, buffer, start: 0, end: 0, hash: Sha256::new() })
    }

    /// Reads what is left, and gives the hash of all.
    pub fn finish(mut self) -> io::Result<lay_store::Digest> {
        loop {
            let n = self.fill_buf()?.len();
            if n == 0 {
                break;
            }
            self.consume(n);
        }
        let text = format!("sha256:{}", hex::encode(self.hash.finalize()));
        text.parse().map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

impl BufRead for Inflated<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.end = loop {
                match self.source.read(&mut self.buffer) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    result => break result?,
                }
            };
            self.hash.update(&self.buffer[..self.end]);
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }
}

impl Read for Inflated<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(into)?;
        self.consume(n);
        Ok(n)
    }
}
