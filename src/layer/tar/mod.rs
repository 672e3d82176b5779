//! The tar reader: an archive of any dialect to a sequence of entries.
//!
//! It takes one stream, holds no more than one entry's headers (each limited to 1 MiB) and never seeks. The crate `tar` is
//! not used for reading: in its raw mode it ignores PAX sizes, and otherwise it reads extended headers of any length and
//! knows no sparse PAX formats. Where GNU tar and Go's archive/tar, that is Docker, would see different entries in
//! the same bytes, the archive is refused: a scanner must not see another image than the engine.

mod header;
mod interpret;
mod names;
mod number;
mod pax;
mod sparse;

use std::io::{self, BufRead, Read};

use super::entry::Entry;
use super::error::Error;
use header::Header;
use interpret::Member;
use pax::Pax;

pub(in crate::layer) use names::{join, split};

const BLOCK: u64 = 512;

/// Reads a layer's archive entry by entry.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    /// Bytes taken from the input.
    offset: u64,
    /// Bytes of the current entry's data that were not read yet.
    left: u64,
    /// Bytes between these and the next header.
    padding: u64,
    ended: bool,
}

/// What extended headers said about the entry to come.
#[derive(Default)]
struct Extensions {
    pax: Option<Pax>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl<R: BufRead> Reader<R> {
    /// Reads from an inflated stream.
    pub fn new(input: R) -> Self {
        Self { input, offset: 0, left: 0, padding: 0, ended: false }
    }

    /// The next entry, or `None` at the archive's end. What was not read of the last entry's data is skipped. What
    /// follows the archive's end stays in the input.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Archive`] or [`Error::Entry`]; after that there is no way on.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        let mut extensions = Extensions::default();
        loop {
            self.skip()?;
            let start = self.offset;
            let malformed = |problem| Error::Archive { offset: start, problem };
            let Some(header) = self.header()? else {
                if extensions.pax.is_some() || extensions.name.is_some() || extensions.link.is_some() {
                    return Err(malformed("extended header without an entry"));
                }
                return Ok(None);
            };
            match header.kind() {
                b'x' => {
                    let parsed = pax::parse(&self.body(&header)?).map_err(malformed)?;
                    set_once(&mut extensions.pax, parsed).map_err(malformed)?;
                }
                b'L' => set_once(&mut extensions.name, until_nul(self.body(&header)?)).map_err(malformed)?,
                b'K' => set_once(&mut extensions.link, until_nul(self.body(&header)?)).map_err(malformed)?,
                b'g' => pax::check_global(&self.body(&header)?).map_err(malformed)?,
                _ => {
                    if let Some(entry) = self.member(&header, std::mem::take(&mut extensions), start)? {
                        return Ok(Some(entry));
                    }
                }
            }
        }
    }

    /// The data of the entry that [`Reader::next_entry`] gave last, [`Entry::stored`] bytes.
    pub fn data(&mut self) -> Data<'_, R> {
        Data { reader: self }
    }

    /// Gives the input back, behind all that was read.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// The entry that a header starts, or `None` if it is nothing that belongs into a root file system.
    fn member(
        &mut self,
        header: &Header,
        extensions: Extensions,
        start: u64,
    ) -> Result<Option<Entry>, Error> {
        let member =
            Member::new(header, extensions).map_err(|problem| Error::Archive { offset: start, problem })?;
        self.expect(member.stored);
        let numbers = match member.sparse {
            interpret::Map::None => None,
            interpret::Map::Numbers(ref numbers) => Some(numbers.clone()),
            interpret::Map::InBlocks => Some(self.map_in_blocks(header)?),
            interpret::Map::InData => Some(self.map_in_data()?),
        };
        let entry = member.entry(numbers, self.left)?;
        if let Some(entry) = &entry {
            // A whiteout can be a file with content, which means nothing.
            let more = self.left.saturating_sub(entry.stored());
            self.left -= more;
            self.padding += more;
        }
        Ok(entry)
    }

    /// The next header block, or `None` at the end: two blocks of zeros, or where the stream ends.
    fn header(&mut self) -> Result<Option<Header>, Error> {
        if self.ended {
            return Ok(None);
        }
        let start = self.offset;
        let malformed = |problem| Error::Archive { offset: start, problem };
        if let Some(block) = self.block()?
            && let Some(header) = Header::new(block).map_err(malformed)?
        {
            return Ok(Some(header));
        }
        self.ended = true;
        // After one block of zeros GNU tar stops and Go fails.
        match self.block()? {
            Some(block) if block != [0; 512] => Err(malformed("a lone block of zeros")),
            _ => Ok(None),
        }
    }

    /// The body of an extended header.
    fn body(&mut self, header: &Header) -> Result<Vec<u8>, Error> {
        let malformed = |problem| Error::Archive { offset: self.offset - BLOCK, problem };
        let size = header.size().ok_or(malformed("malformed size"))?;
        if size > pax::MOST {
            return Err(malformed("extended header over 1 MiB"));
        }
        self.expect(size);
        let mut body = Vec::new();
        self.data().read_to_end(&mut body).map_err(Error::Read)?;
        Ok(body)
    }

    /// The rest of a map in GNU's old format: the header has four pairs, further blocks have 21 each.
    fn map_in_blocks(&mut self, header: &Header) -> Result<Vec<u64>, Error> {
        let malformed = |offset| Error::Archive { offset, problem: "malformed sparse map" };
        let (mut numbers, mut more) = header.sparse().ok_or(malformed(self.offset))?;
        while more {
            let block = self.block()?.ok_or(malformed(self.offset))?;
            let (further, again) = header::more_sparse(&block).ok_or(malformed(self.offset))?;
            numbers.extend(further);
            if numbers.len() as u64 > pax::MOST / 8 {
                return Err(malformed(self.offset));
            }
            more = again;
        }
        Ok(numbers)
    }

    /// A map of format 1.0, which takes whole blocks from the data.
    fn map_in_data(&mut self) -> Result<Vec<u64>, Error> {
        let malformed = |offset| move |problem| Error::Archive { offset, problem };
        let mut text = Vec::new();
        let mut block = [0; BLOCK as usize];
        let (mut lines, mut needed) = (0, 1);
        loop {
            if self.left < BLOCK || text.len() as u64 >= pax::MOST {
                return Err(malformed(self.offset)("malformed sparse map"));
            }
            self.data().read_exact(&mut block).map_err(Error::Read)?;
            text.extend_from_slice(&block);
            // Parsing from the start again after each block would take quadratic time.
            lines += block.iter().filter(|b| **b == b'\n').count();
            if lines >= needed
                && let Some(numbers) = sparse::parse_lines(&text).map_err(malformed(self.offset))?
            {
                return Ok(numbers);
            }
            if needed == 1 && lines > 0 {
                needed = sparse::lines(&text).map_err(malformed(self.offset))?;
            }
        }
    }

    fn expect(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK;
    }

    /// Reads one block; `None` if the stream ends before it.
    fn block(&mut self) -> Result<Option<[u8; 512]>, Error> {
        let mut block = [0; 512];
        let mut filled = 0;
        while filled < block.len() {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => {
                    return Err(Error::Archive {
                        offset: self.offset,
                        problem: "ends in the middle of a header",
                    });
                }
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::Read(e)),
            }
        }
        self.offset += BLOCK;
        Ok(Some(block))
    }

    /// Skips what is left of the data, and the padding.
    fn skip(&mut self) -> Result<(), Error> {
        // As one stretch, so that a stream that ends within the padding counts as truncated too.
        self.left += std::mem::take(&mut self.padding);
        let mut data = self.data();
        loop {
            let n = data.fill_buf().map_err(Error::Read)?.len();
            if n == 0 {
                return Ok(());
            }
            data.consume(n);
        }
    }
}

/// GNU's long names end with a NUL.
fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    if let Some(nul) = name.iter().position(|b| *b == 0) {
        name.truncate(nul);
    }
    name
}

fn set_once<T>(slot: &mut Option<T>, value: T) -> Result<(), &'static str> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err("two extended headers of one kind for one entry"),
    }
}

/// The data of one entry.
#[derive(Debug)]
pub struct Data<'a, R> {
    reader: &'a mut Reader<R>,
}

impl<R: BufRead> BufRead for Data<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.reader.left == 0 {
            return Ok(&[]);
        }
        let buffer = self.reader.input.fill_buf()?;
        if buffer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive ends in the middle of an entry",
            ));
        }
        let most = usize::try_from(self.reader.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        Ok(&buffer[..most])
    }

    fn consume(&mut self, n: usize) {
        self.reader.input.consume(n);
        self.reader.left -= n as u64;
        self.reader.offset += n as u64;
    }
}

impl<R: BufRead> Read for Data<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(into)?;
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests;
