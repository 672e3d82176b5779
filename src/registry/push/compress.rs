//! Layers that are compressed on their way out.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lay_store::{Compressed, Digest, Store};
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::layer::compress::{Method, Settings, compress};
use crate::registry::error::Error;
use crate::registry::tail::{Growth, Tail, tail};

/// A layer that is being compressed into a file without a name. Dropping it ends the work.
pub(super) struct Job {
    /// The file; whole when the work is done.
    pub file: Arc<File>,
    /// Its reader, for as long as it grows.
    pub tail: Tail,
    work: JoinHandle<Result<Compressed, Error>>,
    unwanted: Arc<AtomicBool>,
}

impl Job {
    /// Begins to compress a blob of the store.
    pub fn start(
        store: &Store,
        plain: Digest,
        settings: Settings,
        turn: OwnedSemaphorePermit,
    ) -> Result<Self, Error> {
        let failed = move |source| Error::Compress { digest: plain, source };
        let file = Arc::new(tempfile::tempfile_in(store.root().join("ingest")).map_err(failed)?);
        let (growth, tail) = tail(file.try_clone().map_err(failed)?, 0);
        let unwanted = Arc::new(AtomicBool::new(false));
        let input = store.open_blob(&plain)?;
        let (file_out, stop) = (Arc::clone(&file), Arc::clone(&unwanted));
        let mut out = Out { file: file_out, growth, hash: Sha256::new(), size: 0, unwanted: stop };
        let work = spawn_blocking(move || {
            let _turn = turn;
            let read = compress(input, &mut out, settings).map_err(failed)?;
            if read != plain {
                return Err(Error::Damaged(plain));
            }
            out.growth.complete();
            Ok(Compressed { digest: Digest::from_bytes(out.hash.finalize().into()), size: out.size })
        });
        Ok(Self { file, tail, work, unwanted })
    }

    /// Waits for the end of the work.
    pub async fn finish(mut self) -> Result<Compressed, Error> {
        match (&mut self.work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => unreachable!("nobody cancels these threads"),
            },
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Relaxed);
    }
}

/// Writes, counts, hashes, and tells who reads.
struct Out {
    file: Arc<File>,
    growth: Growth,
    hash: Sha256,
    size: u64,
    unwanted: Arc<AtomicBool>,
}

impl Write for Out {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.unwanted.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let written = (&*self.file).write(data)?;
        self.hash.update(&data[..written]);
        self.size += written as u64;
        self.growth.add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The media type of a layer that was compressed (image spec, "Layer").
pub(super) fn media_type(method: Method) -> &'static str {
    match method {
        Method::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
        Method::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
    }
}
