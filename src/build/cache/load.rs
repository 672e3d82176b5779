//! Reading the cache.
//!
//! sled leaves threads behind for a while, and a process that starts containers can have none: another process reads, while
//! this one looks at the context.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use lay_store::{BuildKind, BuildRecord, Digest, Store};
use rustix::pipe::{PipeFlags, pipe_with};
use serde::de::DeserializeOwned;

use super::Made;
use crate::build::error::StepError;
use crate::kernel::process::{Cloned, clone, exit_now};

/// What earlier builds have left.
#[derive(Debug, Default)]
pub struct Cache {
    records: HashMap<(BuildKind, String), BuildRecord>,
}

/// A cache that is being read.
#[derive(Debug)]
pub struct Loading {
    pipe: Option<(OwnedFd, OwnedFd)>,
}

impl Loading {
    /// Begins to read. The caller must be single-threaded.
    ///
    /// # Errors
    /// When no process can be made.
    pub fn begin(store: &Store) -> Result<Self, StepError> {
        if !store.index().path().exists() {
            return Ok(Self { pipe: None });
        }
        let path = store.index().path();
        let failed = |e| StepError::errno("read", &path)(e);
        let (read, write) = match pipe_with(PipeFlags::CLOEXEC) {
            Ok(pipe) => pipe,
            Err(e) => return Err(failed(e)),
        };
        match clone(0) {
            Ok(Cloned::Child) => {
                drop(read);
                let records = store.build_records().unwrap_or_default();
                let data = serde_json::to_vec(&records).unwrap_or_default();
                let _ = File::from(write).write_all(&data);
                exit_now(0)
            }
            Ok(Cloned::Parent { pidfd, .. }) => Ok(Self { pipe: Some((read, pidfd)) }),
            Err(e) => Err(failed(e)),
        }
    }

    /// Waits for the rest. What cannot be read is not there: the cache is derived.
    pub fn end(self) -> Cache {
        let Some((read, pidfd)) = self.pipe else { return Cache::default() };
        let mut data = Vec::new();
        let _ = File::from(read).read_to_end(&mut data);
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let _ = waitid(WaitId::PidFd(std::os::fd::AsFd::as_fd(&pidfd)), WaitIdOptions::EXITED);
        let records: Vec<BuildRecord> = serde_json::from_slice(&data).unwrap_or_default();
        let records = records.into_iter().map(|record| ((record.kind, record.key.clone()), record));
        Cache { records: records.collect() }
    }
}

impl Cache {
    /// Takes in records that came from elsewhere, unless there are such already.
    pub fn merge(&mut self, records: Vec<BuildRecord>) {
        for record in records {
            self.records.entry((record.kind, record.key.clone())).or_insert(record);
        }
    }

    /// What was made for a key.
    pub fn find(&self, key: &Digest) -> Option<Made> {
        self.get(BuildKind::Result, &key.hex())
    }

    /// Whether there is a result of an instruction with this weak key at all.
    pub fn may_have(&self, weak: &Digest) -> bool {
        self.records.contains_key(&(BuildKind::Seen, weak.hex()))
    }

    /// Any record.
    pub fn get<T: DeserializeOwned>(&self, kind: BuildKind, key: &str) -> Option<T> {
        serde_json::from_str(&self.records.get(&(kind, key.to_owned()))?.value).ok()
    }

    /// When a record was used last, in seconds since 1970.
    pub fn used(&self, kind: BuildKind, key: &str) -> Option<u64> {
        self.records.get(&(kind, key.to_owned())).map(|record| record.used)
    }
}
