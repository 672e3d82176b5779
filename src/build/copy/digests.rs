//! Digests of files that were read before, so that none is read again as long as it looks the same.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use lay_store::Digest;
use sha2::{Digest as _, Sha256};

use super::tree::{Content, Seen, Tree};
use crate::build::error::StepError;
use crate::kernel::file::replace;

/// Bytes of a record: device, inode, size, two times, digest.
const RECORD: usize = 8 * 7 + 32;
/// A file that was changed so short a time ago can be changed again without another time, in nanoseconds.
const UNSURE: i128 = 50_000_000;
/// Threads that hash.
const THREADS: usize = 2;

/// What is known of the files of a context.
#[derive(Debug, Default)]
pub struct Digests {
    known: HashMap<(u64, u64), (Seen, Digest)>,
    path: Option<PathBuf>,
    changed: bool,
}

impl Digests {
    /// What an earlier build of the same context has left in the file `path`. A damaged one knows nothing.
    pub fn load(path: &Path) -> Self {
        let mut digests = Self { path: Some(path.to_path_buf()), ..Self::default() };
        let data = fs::read(path).unwrap_or_default();
        for record in data.chunks_exact(RECORD) {
            if let Some((seen, digest)) = read_record(record) {
                digests.known.insert(seen.id, (seen, digest));
            }
        }
        digests
    }

    /// The digest of a file that looked so.
    pub fn get(&self, seen: &Seen) -> Option<Digest> {
        let (known, digest) = self.known.get(&seen.id)?;
        (Seen { links: 0, ..*known } == Seen { links: 0, ..*seen }).then_some(*digest)
    }

    /// Notes a digest.
    pub fn insert(&mut self, seen: &Seen, digest: Digest) {
        self.known.insert(seen.id, (*seen, digest));
        self.changed = true;
    }

    /// Whether all contents of a tree are known.
    pub fn know(&self, tree: &Tree<'_>) -> bool {
        tree.nodes.values().all(|node| match &node.content {
            Content::File(_, _, seen) => self.get(seen).is_some(),
            _ => true,
        })
    }

    /// Reads and hashes all files of a tree that are not known, several at once.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn learn(&mut self, tree: &Tree<'_>) -> Result<(), StepError> {
        let contents = tree.nodes.values().map(|node| &node.content);
        let unknown: Vec<_> = contents
            .filter_map(|content| match content {
                Content::File(root, path, seen) if self.get(seen).is_none() => Some((root, path, seen)),
                _ => None,
            })
            .collect();
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || -> Result<(), StepError> {
            while let Some((root, path, seen)) = unknown.get(next.fetch_add(1, Ordering::Relaxed)) {
                let gone = || StepError::Changed(path.display().to_string());
                let file = root.open_file(path)?.ok_or_else(gone)?;
                let digest = hash(file).map_err(StepError::file("read", path))?;
                if let Ok(mut found) = found.lock() {
                    found.push((***seen, digest));
                }
            }
            Ok(())
        };
        if unknown.len() < 2 {
            work()?;
        } else {
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
                threads.into_iter().try_for_each(|thread| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
            })?;
        }
        for (seen, digest) in found.into_inner().unwrap_or_default() {
            self.insert(&seen, digest);
        }
        Ok(())
    }

    /// Writes what is known, for the next build. That it fails loses nothing but time.
    pub fn save(&self) {
        let Some(path) = self.path.as_deref().filter(|_| self.changed) else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
        let now = i128::try_from(now).unwrap_or(0);
        let mut data = Vec::with_capacity(self.known.len() * RECORD);
        for (seen, digest) in self.known.values() {
            let changed = i128::from(seen.ctime.0) * 1_000_000_000 + i128::from(seen.ctime.1);
            if now - changed > UNSURE {
                write_record(&mut data, seen, digest);
            }
        }
        let dir = path.parent().unwrap_or(Path::new("/"));
        if let Err(error) = fs::create_dir_all(dir).and_then(|()| replace(path, &data, 0o600)) {
            tracing::debug!(%error, "digests of the context not kept");
        }
    }
}

/// The digest of what is left of a file.
pub fn hash(mut file: File) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Digest::from_bytes(hash.finalize().into())),
            Ok(read) => hash.update(&buffer[..read]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn write_record(data: &mut Vec<u8>, seen: &Seen, digest: &Digest) {
    let Seen { id, size, mtime, ctime, .. } = *seen;
    for number in [id.0, id.1, size] {
        data.extend(number.to_le_bytes());
    }
    for number in [mtime.0, mtime.1, ctime.0, ctime.1] {
        data.extend(number.to_le_bytes());
    }
    data.extend(hex::decode(digest.hex()).unwrap_or_default());
}

fn read_record(record: &[u8]) -> Option<(Seen, Digest)> {
    let number = |index: usize| record.get(index * 8..index * 8 + 8)?.try_into().ok().map(u64::from_le_bytes);
    let signed = |index: usize| number(index).map(u64::cast_signed);
    let seen = Seen {
        id: (number(0)?, number(1)?),
        size: number(2)?,
        mtime: (signed(3)?, signed(4)?),
        ctime: (signed(5)?, signed(6)?),
        links: 0,
    };
    Some((seen, Digest::from_bytes(record.get(56..)?.try_into().ok()?)))
}
