//! Reading the cache.
//!
//! Most of it is written down in a plain file. Where it is not, the index is asked: sled leaves threads behind for a while, and
//! a process that starts containers can have none, so another process reads, while this one looks at the context.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use lay_store::{BuildKind, BuildRecord, Digest, Store};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use serde::de::DeserializeOwned;

use super::{Carried, Made};
use crate::build::error::StepError;
use crate::kernel::process::{Cloned, clone, exit_now};

/// What earlier builds have left.
#[derive(Debug, Default)]
pub struct Cache {
    records: HashMap<(BuildKind, String), BuildRecord>,
    /// Results from elsewhere, which are asked after those.
    carried: Vec<BTreeMap<String, Made>>,
}

/// A cache that is being read.
#[derive(Debug)]
pub enum Loading {
    /// All of it is here.
    Read(Vec<BuildRecord>),
    /// A process reads the index.
    Reading {
        /// Where it writes to.
        pipe: OwnedFd,
        /// The process.
        pidfd: OwnedFd,
    },
}

impl Loading {
    /// Begins to read what results are found by. The caller must be single-threaded.
    ///
    /// # Errors
    /// When no process can be made.
    pub fn begin(store: &Store) -> Result<Self, StepError> {
        match store.quick_build_records() {
            Some(records) => Ok(Self::Read(records)),
            None => Self::begin_whole(store),
        }
    }

    /// Begins to read everything, states of images after steps included. The caller must be single-threaded.
    ///
    /// # Errors
    /// When no process can be made.
    pub fn begin_whole(store: &Store) -> Result<Self, StepError> {
        let path = store.index().path();
        if !path.exists() {
            return Ok(Self::Read(Vec::new()));
        }
        let failed = |e| StepError::errno("read", &path)(e);
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        match clone(0).map_err(failed)? {
            Cloned::Child => {
                drop(read);
                let records = store.build_records().unwrap_or_default();
                let data = serde_json::to_vec(&records).unwrap_or_default();
                let _ = File::from(write).write_all(&data);
                exit_now(0)
            }
            Cloned::Parent { pidfd, .. } => Ok(Self::Reading { pipe: read, pidfd }),
        }
    }

    /// Waits for the rest. What cannot be read is not there: the cache is derived.
    pub fn end(self) -> Cache {
        let records: Vec<BuildRecord> = match self {
            Self::Read(records) => records,
            Self::Reading { pipe, pidfd } => {
                let mut data = Vec::new();
                let _ = File::from(pipe).read_to_end(&mut data);
                let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
                serde_json::from_slice(&data).unwrap_or_default()
            }
        };
        let records = records.into_iter().map(|record| ((record.kind, record.key.clone()), record));
        Cache { records: records.collect(), carried: Vec::new() }
    }
}

impl Cache {
    /// Takes in what came from elsewhere.
    pub fn merge(&mut self, carried: Carried) {
        for record in carried.seen() {
            self.records.entry((record.kind, record.key.clone())).or_insert(record);
        }
        self.carried.push(carried.results);
    }

    /// What was made for a key, here first.
    pub fn find(&self, key: &Digest) -> impl Iterator<Item = Made> {
        let key = key.hex();
        let carried =
            self.carried.iter().filter_map(|results| results.get(&key).cloned()).collect::<Vec<_>>();
        self.get(BuildKind::Result, &key).into_iter().chain(carried)
    }

    /// Whether there is a result of an instruction with this weak key at all.
    pub fn may_have(&self, weak: &Digest) -> bool {
        self.records.contains_key(&(BuildKind::Seen, weak.hex()))
    }

    /// A record as it is written.
    pub fn text(&self, kind: BuildKind, key: &str) -> Option<&str> {
        self.records.get(&(kind, key.to_owned())).map(|record| record.value.as_str())
    }

    /// Any record.
    pub fn get<T: DeserializeOwned>(&self, kind: BuildKind, key: &str) -> Option<T> {
        serde_json::from_str(self.text(kind, key)?).ok()
    }

    /// The layer that a record keeps in the store, and the size of its archive in bytes.
    pub fn layer(&self, kind: BuildKind, key: &str) -> Option<(Digest, u64)> {
        self.records.get(&(kind, key.to_owned()))?.layer
    }

    /// When a record was used last, in seconds since 1970.
    pub fn used(&self, kind: BuildKind, key: &str) -> Option<u64> {
        self.records.get(&(kind, key.to_owned())).map(|record| record.used)
    }
}
