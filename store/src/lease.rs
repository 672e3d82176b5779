//! Leases: what a running process uses, so that no collection takes it. A lease dies with its process.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::fsutil::{self, Lock, lock, lock_file, random_name, remove_file, try_lock};
use crate::{Digest, Store};

/// A claim on blobs and layers, for as long as it lives.
#[derive(Debug)]
pub struct Lease {
    store: Store,
    path: PathBuf,
    file: File,
}

impl Store {
    /// Begins a lease that protects nothing yet.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn lease(&self) -> Result<Lease> {
        let _collection = self.gc_lock_shared()?;
        let path = self.path("leases").join(random_name()?);
        let file = lock_file(&path)?;
        try_lock(&file, &path)?;
        Ok(Lease { store: self.clone(), path, file })
    }

    /// Held for the moment in which something is claimed; a collection waits for it, and it for a collection.
    pub(crate) fn gc_lock_shared(&self) -> Result<Lock> {
        lock(&self.path("gc.lock"), false)
    }
}

impl Lease {
    /// Protects blobs (by digest) and layers (by diff id). What is protected before it is looked for in the store is
    /// either found and stays, or must be fetched.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn protect(&self, digests: impl IntoIterator<Item = Digest>) -> Result<()> {
        let _collection = self.store.gc_lock_shared()?;
        let lines: String = digests.into_iter().map(|digest| format!("{digest}\n")).collect();
        (&self.file).write_all(lines.as_bytes()).map_err(Error::io("write", &self.path))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let _ = remove_file(&self.path);
    }
}

/// What living processes protect. The caller holds the collection's lock; leases of dead processes are removed.
pub(crate) fn protected(store: &Store) -> Result<Vec<Digest>> {
    let mut digests = Vec::new();
    for (_, path) in fsutil::entries(&store.path("leases"))? {
        let Ok(file) = File::options().read(true).write(true).open(&path) else { continue };
        if try_lock(&file, &path)? {
            remove_file(&path)?;
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        digests.extend(text.lines().filter_map(|line| line.parse::<Digest>().ok()));
    }
    Ok(digests)
}
