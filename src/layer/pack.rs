//! New layers: an archive that is just being written becomes a blob and a mountable form in one pass.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc;

use lay_store::{Digest, Layer, LayerForm, LayerIngest, Store};

use super::error::Error;
use super::{Purpose, directory, erofs, fill, stream, write};

/// Bytes that go from thread to thread at a time.
const PIECE: usize = 256 * 1024;
/// How many of them may wait.
const PIECES: usize = 8;

/// A layer that was made and can be mounted, and that the store does not know yet.
#[derive(Debug)]
pub struct Packed {
    /// Digest of its archive, which is its blob's too, since that is not compressed.
    pub diff_id: Digest,
    /// Bytes of its archive.
    pub size: u64,
    ingest: LayerIngest,
    form: LayerForm,
}

impl Packed {
    /// The layer where it stands until it is committed.
    pub fn layer(&self) -> Layer {
        Layer { diff_id: self.diff_id, form: self.form, path: self.ingest.path().to_path_buf() }
    }

    /// Puts it into the store.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn commit(self) -> Result<Layer, Error> {
        let diff_id = self.diff_id;
        self.ingest.named(diff_id).commit().map_err(|source| Error::Store { diff_id, source })
    }
}

/// Makes a layer of the archive that `make` writes, which also goes into `blob`. `make` runs on a thread of its own,
/// which is gone when this returns.
///
/// # Errors
/// What `make` returns, or any of [`Error`]; nothing stays then but what was written to `blob`.
pub fn pack<E: From<Error> + Send>(
    store: &Store,
    form: LayerForm,
    blob: &File,
    make: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send,
) -> Result<Packed, E> {
    let unnamed = Digest::of(b"");
    let failed = |source| Error::Store { diff_id: unnamed, source };
    let ingest = store.layer_ingest(&unnamed, form).map_err(failed)?;
    let (pieces, arriving) = mpsc::sync_channel(PIECES);
    let (made, turned) = std::thread::scope(|scope| {
        let work = move || {
            let mut tee = Tee { blob, pieces, buffer: Vec::with_capacity(PIECE), written: 0 };
            make(&mut tee)?;
            tee.end().map_err(|e| E::from(Error::Read(e)))
        };
        let maker = std::thread::Builder::new().name("archive".to_owned()).spawn_scoped(scope, work);
        let maker = match maker {
            Ok(maker) => maker,
            Err(e) => return (Err(Error::Read(e).into()), Ok(unnamed)),
        };
        let turned = turn(arriving, ingest.path(), form);
        let made = maker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (made, turned)
    });
    // Where the reader failed, the maker only found that nobody reads any more.
    let size = match (made, turned) {
        (Ok(size), Ok(diff_id)) => (size, diff_id),
        (_, Err(error)) if !is_cut(&error) => return Err(error.into()),
        (Err(error), _) => return Err(error),
        (Ok(_), Err(error)) => return Err(error.into()),
    };
    Ok(Packed { diff_id: size.1, size: size.0, ingest, form })
}

/// Unpacks an archive, which may be compressed, into an empty directory. Nothing in it can reach outside.
///
/// # Errors
/// Any of [`Error`].
pub fn extract(archive: impl Read + Send, room: u64, dir: &Path) -> Result<(), Error> {
    write(archive, Purpose::Archive, room, &mut directory::Writer::new(dir)?).map(drop)
}

fn turn(arriving: mpsc::Receiver<Vec<u8>>, path: &Path, form: LayerForm) -> Result<Digest, Error> {
    let pieces = Pieces { arriving, piece: Vec::new(), at: 0, over: false };
    let inflated = stream::Inflated::new(pieces);
    match form {
        LayerForm::Directory => fill(inflated, &mut directory::Writer::new(path)?),
        LayerForm::Erofs => fill(inflated, &mut erofs::Writer::new(path)?),
    }
}

fn is_cut(error: &Error) -> bool {
    matches!(error, Error::Read(e) if e.kind() == io::ErrorKind::UnexpectedEof)
}

/// Writes to the blob and passes on.
struct Tee<'a> {
    blob: &'a File,
    pieces: mpsc::SyncSender<Vec<u8>>,
    buffer: Vec<u8>,
    written: u64,
}

impl Tee<'_> {
    fn pass_on(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.blob.write_all(&piece)?;
        self.written += piece.len() as u64;
        self.pieces.send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Says that all came; gives the number of bytes.
    fn end(mut self) -> io::Result<u64> {
        self.pass_on()?;
        // An empty piece is the end; without one the archive is cut.
        if self.buffer.capacity() > 0 {
            let _ = self.pieces.send(Vec::new());
        }
        Ok(self.written)
    }
}

impl Write for Tee<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let room = (PIECE - self.buffer.len()).min(data.len());
        self.buffer.extend_from_slice(&data[..room]);
        if self.buffer.len() == PIECE {
            self.pass_on()?;
        }
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads what another thread writes.
struct Pieces {
    arriving: mpsc::Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    over: bool,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() && !self.over {
            let next = self.arriving.recv().map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            self.over = next.is_empty();
            (self.piece, self.at) = (next, 0);
        }
        let n = into.len().min(self.piece.len() - self.at);
        into[..n].copy_from_slice(&self.piece[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
