//! The stream of a layer: inflated, and hashed on the way.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use sha2::{Digest as _, Sha256};

use super::error::Error;

/// Read and inflated in pieces of this size.
const PIECE: usize = 128 * 1024;

/// How many pieces may wait between the threads.
const PIECES: usize = 8;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, of one or more members (RFC 1952).
    Gzip,
    /// Zstandard, of one or more frames (RFC 8878).
    Zstd,
    /// bzip2, of one or more streams. No layer may use it.
    Bzip2,
    /// xz, of one or more streams. No layer may use it.
    Xz,
}

/// What a stream is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A layer of an image, compressed as the image spec allows.
    Layer,
    /// An archive that somebody gave, compressed in any known way.
    Archive,
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
    pub fn of_magic(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or a skippable one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::Plain,
        }
    }

    /// What the first bytes of a layer say.
    ///
    /// # Errors
    /// [`Error::Compression`] for what is known but no layer may use.
    pub fn of_layer(start: &[u8]) -> Result<Self, Error> {
        match Self::of_magic(start) {
            Self::Bzip2 => Err(Error::Compression("bzip2")),
            Self::Xz => Err(Error::Compression("xz")),
            compression => Ok(compression),
        }
    }
}

/// Most memory for the dictionary of an xz stream, in KiB: four times what `xz -9` asks for.
const XZ_MEMORY: u32 = 256 * 1024;

/// What a blob holds, inflated. How it is compressed is told by its first bytes.
pub(super) fn inflater<'a>(
    mut blob: impl Read + Send + 'a,
    purpose: Purpose,
) -> Result<Box<dyn Read + Send + 'a>, Error> {
    let mut start = Vec::new();
    blob.by_ref().take(6).read_to_end(&mut start).map_err(Error::Read)?;
    let compression = match purpose {
        Purpose::Layer => Compression::of_layer(&start)?,
        Purpose::Archive => Compression::of_magic(&start),
    };
    let whole = BufReader::with_capacity(PIECE, io::Cursor::new(start).chain(blob));
    Ok(match compression {
        Compression::Plain => Box::new(whole),
        Compression::Gzip => Box::new(MultiGzDecoder::new(whole)),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(whole).map_err(Error::Read)?),
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(whole)),
        Compression::Xz => Box::new(XzReader::new_mem_limit(whole, true, XZ_MEMORY)),
    })
}

/// Inflates on a thread of its own, so that two processors are busy, and runs `work` on what comes.
pub(super) fn beside<T>(
    blob: impl Read + Send,
    purpose: Purpose,
    room: u64,
    work: impl FnOnce(Inflated<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut source = inflater(blob, purpose)?;
    let (pieces, arriving) = mpsc::sync_channel(PIECES);
    let (used, spare) = mpsc::channel::<Vec<u8>>();
    std::thread::scope(|scope| {
        let inflate = move || {
            loop {
                let mut piece = spare.try_recv().unwrap_or_default();
                piece.resize(PIECE, 0);
                let (length, error) = fill(&mut source, &mut piece);
                let last = length < PIECE && error.is_none();
                // That the other side has ended is the end of the work.
                if length > 0 && pieces.send(Ok((piece, length))).is_err() {
                    return;
                }
                let end = match error {
                    Some(error) => Err(error),
                    None if last => Ok((Vec::new(), 0)),
                    None => continue,
                };
                drop(pieces.send(end));
                return;
            }
        };
        let thread = std::thread::Builder::new().name("inflate".to_owned()).spawn_scoped(scope, inflate);
        thread.map_err(Error::Read)?;
        let pieces = Pieces { arriving, used, piece: Vec::new(), start: 0, end: 0, over: false, left: room };
        let overflown = AtomicBool::new(false);
        let result = work(Inflated::new(Bounded { pieces, overflown: &overflown }));
        // Whatever the reader made of the break in its stream.
        if overflown.into_inner() { Err(Error::TooLarge { limit: room }) } else { result }
    })
}

/// Reads until the piece is full, there is no more, or something is wrong.
fn fill(source: &mut dyn Read, piece: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut filled = 0;
    while filled < piece.len() {
        match source.read(&mut piece[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return (filled, Some(e)),
        }
    }
    (filled, None)
}

/// Pieces from the other thread; used ones go back to it.
struct Pieces {
    arriving: mpsc::Receiver<io::Result<(Vec<u8>, usize)>>,
    used: mpsc::Sender<Vec<u8>>,
    piece: Vec<u8>,
    start: usize,
    end: usize,
    over: bool,
    /// Bytes that may still come.
    left: u64,
}

/// Breaks the stream when more comes than may.
struct Bounded<'a> {
    pieces: Pieces,
    overflown: &'a AtomicBool,
}

impl Read for Bounded<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.pieces.read(into)?;
        match self.pieces.left.checked_sub(n as u64) {
            Some(left) => self.pieces.left = left,
            None => {
                self.overflown.store(true, Ordering::Relaxed);
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
        Ok(n)
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end && !self.over {
            let next = self.arriving.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            let (piece, length) = next?;
            // The other side may be at its end and need none.
            let _ = self.used.send(std::mem::replace(&mut self.piece, piece));
            (self.start, self.end, self.over) = (0, length, length == 0);
        }
        let n = into.len().min(self.end - self.start);
        into[..n].copy_from_slice(&self.piece[self.start..self.start + n]);
        self.start += n;
        Ok(n)
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
    /// Hashes what comes from `source`, which is inflated already.
    pub fn new(source: impl Read + 'a) -> Self {
        let buffer = vec![0; PIECE].into_boxed_slice();
        Self { source: Box::new(source), buffer, start: 0, end: 0, hash: Sha256::new() }
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
