//! Blobs: content by digest.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fsutil::{remove_file, replace, sync_dir};
use crate::index::BlobRecord;
use crate::{Digest, Store};

impl Store {
    /// Where a blob is, or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path("blobs/sha256").join(digest.hex())
    }

    /// Whether the blob is there, whole and verified when it came.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// Whether the blob is there with this many bytes, which it may not be after it was damaged. It is not read.
    pub fn has_blob_of(&self, digest: &Digest, size: u64) -> bool {
        self.blob_path(digest).metadata().is_ok_and(|found| found.is_file() && found.len() == size)
    }

    /// Opens a blob.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Io`].
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        let path = self.blob_path(digest);
        File::open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::NotFound { digest: *digest },
            _ => Error::io("open", &path)(e),
        })
    }

    /// Reads a document of at most `limit` bytes, and verifies it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::TooLarge`], [`Error::Digest`] when it was damaged, [`Error::Io`].
    pub fn read_blob(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        let path = self.blob_path(digest);
        self.open_blob(digest)?.take(limit + 1).read_to_end(&mut data).map_err(Error::io("read", &path))?;
        if data.len() as u64 > limit {
            return Err(Error::TooLarge { digest: *digest, limit });
        }
        let actual = Digest::of(&data);
        if actual != *digest {
            return Err(Error::Digest { expected: *digest, actual });
        }
        Ok(data)
    }

    /// Takes a file of known digest as a blob; it must be in the store's file system. The caller has hashed it.
    ///
    /// # Errors
    /// [`Error::Io`]; the file stays where it was then.
    pub fn adopt_blob(&self, file: &Path, digest: &Digest, size: u64, media_type: &str) -> Result<()> {
        let path = self.blob_path(digest);
        if self.has_blob_of(digest, size) {
            return remove_file(file);
        }
        File::open(file).and_then(|file| file.sync_all()).map_err(Error::io("sync", file))?;
        std::fs::rename(file, &path).map_err(Error::io("rename", file))?;
        sync_dir(&self.path("blobs/sha256"))?;
        self.note_blob(BlobRecord::new(*digest, size, media_type));
        Ok(())
    }

    /// Stores a document, in place of one that was damaged.
    ///
    /// # Errors
    /// [`Error::Io`], as when the disk is full.
    pub fn put_blob(&self, data: &[u8], media_type: &str) -> Result<Digest> {
        let digest = Digest::of(data);
        if self.read_blob(&digest, data.len() as u64).is_err() {
            replace(&self.blob_path(&digest), data)?;
        }
        self.note_blob(BlobRecord::new(digest, data.len() as u64, media_type));
        Ok(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_document_is_not_believed() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        let digest = store.put_blob(b"{}", "application/json").unwrap();
        assert_eq!(store.read_blob(&digest, 2).unwrap(), b"{}");
        assert!(matches!(store.read_blob(&digest, 1), Err(Error::TooLarge { .. })));
        std::fs::write(store.blob_path(&digest), "{ }").unwrap();
        assert!(matches!(store.read_blob(&digest, 100), Err(Error::Digest { .. })));
        assert!(store.has_blob_of(&digest, 3) && !store.has_blob_of(&digest, 2));
        store.put_blob(b"{}", "application/json").unwrap();
        assert_eq!(store.read_blob(&digest, 2).unwrap(), b"{}", "it is put in place again");
        assert!(matches!(store.read_blob(&Digest::of(b"?"), 1), Err(Error::NotFound { .. })));
    }
}
