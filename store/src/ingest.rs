//! Blobs on their way in: verified while they arrive, resumable, visible only when whole.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::fsutil::{lock_file, remove_file, sync_dir, try_lock};
use crate::index::BlobRecord;
use crate::{Digest, Store};

/// Bytes read at a time when what is there is hashed again.
const CHUNK: usize = 1 << 20;

/// A blob that is arriving. Dropping it keeps what came, so that a later one goes on from there.
#[derive(Debug)]
pub struct Ingest {
    store: Store,
    digest: Digest,
    size: Option<u64>,
    file: File,
    path: PathBuf,
    offset: u64,
    hash: Sha256,
}

impl Store {
    /// Begins, or goes on with, fetching a blob of `size` bytes (where that is known). What came before counts.
    ///
    /// # Errors
    /// [`Error::Busy`] while another process fetches the same blob, [`Error::Io`].
    pub fn ingest(&self, digest: &Digest, size: Option<u64>) -> Result<Ingest> {
        let path = self.path("ingest").join(digest.hex());
        let file = loop {
            let file = lock_file(&path)?;
            if !try_lock(&file, &path)? {
                return Err(Error::Busy { digest: *digest });
            }
            // Its last holder may have moved or removed it between our opening and our locking.
            if is_at(&file, &path) {
                break file;
            }
        };
        let (store, digest) = (self.clone(), *digest);
        let mut ingest = Ingest { store, digest, size, file, path, offset: 0, hash: Sha256::new() };
        ingest.take_up()?;
        Ok(ingest)
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: &fs::Metadata, b: &fs::Metadata| a.dev() == b.dev() && a.ino() == b.ino();
    matches!((file.metadata(), fs::metadata(path)), (Ok(a), Ok(b)) if same(&a, &b))
}

impl Ingest {
    /// Hashes what is there; more than there can be is nothing worth.
    fn take_up(&mut self) -> Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            match self.file.read(&mut buffer).map_err(Error::io("read", &self.path))? {
                0 => break,
                read => {
                    self.hash.update(&buffer[..read]);
                    self.offset += read as u64;
                }
            }
        }
        if self.size.is_some_and(|size| self.offset > size) { self.restart() } else { Ok(()) }
    }

    /// Bytes that are there.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends what came.
    ///
    /// # Errors
    /// [`Error::Size`] as soon as there is more than was said, [`Error::Io`] as when the disk is full.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        let end = self.offset + data.len() as u64;
        if let Some(expected) = self.size.filter(|size| end > *size) {
            return Err(Error::Size { expected, actual: end });
        }
        if let Err(e) = self.file.write_all(data) {
            // Part of it may have been written; what was not counted is not to stay.
            let _ = self.file.set_len(self.offset);
            let _ = self.file.seek(SeekFrom::Start(self.offset));
            return Err(Error::io("write", &self.path)(e));
        }
        self.hash.update(data);
        self.offset = end;
        Ok(())
    }

    /// Throws away what came, as when the other side cannot go on where it stopped.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn restart(&mut self) -> Result<()> {
        let cleared = self.file.set_len(0).and_then(|()| self.file.rewind());
        cleared.map_err(Error::io("empty", &self.path))?;
        (self.offset, self.hash) = (0, Sha256::new());
        Ok(())
    }

    /// Another handle, at the beginning, on what came so far and will come.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn reader(&self) -> Result<File> {
        File::open(&self.path).map_err(Error::io("open", &self.path))
    }

    /// Makes the blob visible.
    ///
    /// # Errors
    /// [`Error::Size`] when it is too short (what came stays), [`Error::Digest`] when it is something else (nothing
    /// stays), [`Error::Io`].
    pub fn finish(self, media_type: &str) -> Result<Digest> {
        if let Some(expected) = self.size.filter(|size| self.offset < *size) {
            return Err(Error::Size { expected, actual: self.offset });
        }
        let actual = Digest::from_bytes(self.hash.clone().finalize().into());
        if actual != self.digest {
            remove_file(&self.path)?;
            return Err(Error::Digest { expected: self.digest, actual });
        }
        self.file.sync_all().map_err(Error::io("sync", &self.path))?;
        let path = self.store.blob_path(&self.digest);
        fs::rename(&self.path, &path).map_err(Error::io("rename", &self.path))?;
        sync_dir(&self.store.path("blobs/sha256"))?;
        self.store.note_blob(BlobRecord::new(self.digest, self.offset, media_type));
        Ok(self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(&tmp.path().join("s")).unwrap();
        (tmp, store)
    }

    #[test]
    fn a_blob_is_fetched_in_two_goes() {
        let (_tmp, store) = store();
        let digest = Digest::of(b"hello world");
        let mut first = store.ingest(&digest, Some(11)).unwrap();
        first.write(b"hello ").unwrap();
        assert!(matches!(store.ingest(&digest, Some(11)), Err(Error::Busy { .. })));
        drop(first);
        assert!(!store.has_blob(&digest));
        let mut second = store.ingest(&digest, Some(11)).unwrap();
        assert_eq!(second.offset(), 6);
        second.write(b"world").unwrap();
        assert_eq!(second.finish("text/plain").unwrap(), digest);
        assert_eq!(store.read_blob(&digest, 100).unwrap(), b"hello world");
        assert!(store.ingest(&Digest::of(b"x"), None).is_ok());
    }

    #[test]
    fn wrong_short_and_long_never_become_visible() {
        let (_tmp, store) = store();
        let digest = Digest::of(b"right");
        let mut wrong = store.ingest(&digest, Some(5)).unwrap();
        wrong.write(b"wrong").unwrap();
        assert!(matches!(wrong.finish(""), Err(Error::Digest { .. })));
        let mut long = store.ingest(&digest, Some(5)).unwrap();
        assert_eq!(long.offset(), 0, "a wrong one leaves nothing to go on with");
        assert!(matches!(long.write(b"right!"), Err(Error::Size { expected: 5, actual: 6 })));
        long.write(b"rig").unwrap();
        assert!(matches!(long.finish(""), Err(Error::Size { expected: 5, actual: 3 })));
        assert!(!store.has_blob(&digest));
        assert_eq!(store.ingest(&digest, Some(5)).unwrap().offset(), 3, "a short one can go on");
        assert_eq!(store.ingest(&digest, Some(2)).unwrap().offset(), 0, "more than there can be starts anew");
    }
}
