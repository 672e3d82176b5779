//! The build cache in the index: what steps of builds have made. Derived in the sense that losing it loses time only.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::{Digest, Store};

/// The tree of the index.
const TREE: &str = "build";

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BuildKind {
    /// From the key of a step to what it made.
    Result,
    /// An instruction that has results.
    Seen,
    /// From the id of a step to the image after it.
    Step,
    /// What the last build of a stage depended on.
    Last,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// What it is about.
    pub kind: BuildKind,
    /// Its key.
    pub key: String,
    /// What it says, as JSON.
    pub value: String,
    /// The layer that it keeps in the store, by diff id, and its size in bytes.
    pub layer: Option<(Digest, u64)>,
    /// When it was used last, in seconds since 1970.
    pub used: u64,
}

impl BuildRecord {
    /// A record that is used now.
    pub fn new(kind: BuildKind, key: String, value: String, layer: Option<(Digest, u64)>) -> BuildRecord {
        BuildRecord { kind, key, value, layer, used: now() }
    }

    fn name(&self) -> String {
        format!("{:?}/{}", self.kind, self.key)
    }
}

/// Which records a collection takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildPrune {
    /// Those that were not used for this long; all without.
    pub unused_for: Option<Duration>,
    /// Layers of at most so many bytes stay, those that were used last.
    pub keep: Option<u64>,
}

impl Store {
    /// All records; none where there is no index.
    ///
    /// # Errors
    /// As [`crate::Index::with`].
    pub fn build_records(&self) -> Result<Vec<BuildRecord>> {
        if !self.index().path().exists() {
            return Ok(Vec::new());
        }
        self.index().with(|db| {
            let tree = db.open_tree(TREE)?;
            let values = tree.iter().values().collect::<sled::Result<Vec<_>>>()?;
            Ok(values.iter().filter_map(|value| serde_json::from_slice(value).ok()).collect())
        })
    }

    /// Adds records, or replaces those with the same keys, and tells the index what else it has not been told.
    ///
    /// # Errors
    /// As [`crate::Index::with`].
    pub fn add_build_records(&self, records: &[BuildRecord]) -> Result<()> {
        if records.is_empty() {
            self.flush_index();
            return Ok(());
        }
        self.flush_index_and(|db| {
            let tree = db.open_tree(TREE)?;
            for record in records {
                tree.insert(record.name(), serde_json::to_vec(record).unwrap_or_default())?;
            }
            self.copy_build_records(&tree)
        })
    }

    /// Takes over what is written down besides the index, into one that is rebuilt.
    pub(crate) fn restore_build_records(&self, db: &sled::Db) -> sled::Result<()> {
        let tree = db.open_tree(TREE)?;
        let records = self.quick_build_records().unwrap_or_default();
        // Of states of images only digests are written down.
        for record in records.into_iter().filter(|record| record.kind != BuildKind::Step) {
            tree.insert(record.name(), serde_json::to_vec(&record).unwrap_or_default())?;
        }
        self.copy_build_records(&tree)
    }

    fn copy_build_records(&self, tree: &sled::Tree) -> sled::Result<()> {
        let values = tree.iter().values().collect::<sled::Result<Vec<_>>>()?;
        let records = values.iter().filter_map(|value| serde_json::from_slice(value).ok());
        if let Err(error) = self.write_build_copy(records) {
            tracing::warn!(%error, "results of builds are not written down");
        }
        Ok(())
    }

    /// Layers that the cache keeps.
    pub(crate) fn build_layers(&self) -> Result<HashSet<Digest>> {
        Ok(self.build_records()?.into_iter().filter_map(|record| Some(record.layer?.0)).collect())
    }

    /// Drops records; gives the layers that those left keep. With `dry_run` nothing is dropped.
    pub(crate) fn prune_build_records(&self, prune: &BuildPrune, dry_run: bool) -> Result<HashSet<Digest>> {
        let mut records = self.build_records()?;
        records.sort_by_key(|record| std::cmp::Reverse(record.used));
        let now = now();
        let mut kept: HashSet<Digest> = HashSet::new();
        let mut bytes = 0;
        let mut gone = Vec::new();
        for record in records {
            let old = match prune.unused_for {
                Some(age) => now.saturating_sub(record.used) >= age.as_secs(),
                None => prune.keep.is_none(),
            };
            let (layer, size) = record.layer.unzip();
            let known = layer.is_some_and(|layer| kept.contains(&layer));
            let fits = known || prune.keep.is_none_or(|keep| bytes + size.unwrap_or(0) <= keep);
            // With a bound alone, age does not matter; with an age alone, size does not.
            if if prune.keep.is_some() && prune.unused_for.is_none() { !fits } else { old || !fits } {
                gone.push(record.name());
                continue;
            }
            if let Some(layer) = layer
                && kept.insert(layer)
            {
                bytes += size.unwrap_or(0);
            }
        }
        if !dry_run && !gone.is_empty() {
            self.index().with(|db| {
                let tree = db.open_tree(TREE)?;
                gone.iter().try_for_each(|name| tree.remove(name).map(drop))?;
                self.copy_build_records(&tree)
            })?;
        }
        Ok(kept)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, size: u64, used: u64) -> BuildRecord {
        let layer = Some((Digest::of(key.as_bytes()), size));
        BuildRecord { used, ..BuildRecord::new(BuildKind::Result, key.into(), "{}".into(), layer) }
    }

    #[test]
    fn records_go_by_age_and_size() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        assert!(store.build_records().unwrap().is_empty());
        let list = [record("old", 10, 1), record("new", 10, now()), record("newer", 10, now() + 1)];
        store.add_build_records(&list).unwrap();
        let layer = |key: &str| Digest::of(key.as_bytes());
        let all = HashSet::from(["old", "new", "newer"].map(layer));
        assert_eq!(store.build_layers().unwrap(), all);
        let by_size = BuildPrune { keep: Some(15), ..BuildPrune::default() };
        assert_eq!(store.prune_build_records(&by_size, true).unwrap(), HashSet::from([layer("newer")]));
        assert_eq!(store.build_layers().unwrap(), all, "a dry run drops nothing");
        let by_age = BuildPrune { unused_for: Some(Duration::from_secs(3600)), ..BuildPrune::default() };
        assert_eq!(
            store.prune_build_records(&by_age, false).unwrap(),
            HashSet::from(["new", "newer"].map(layer))
        );
        assert_eq!(store.build_layers().unwrap().len(), 2);
        store.prune_build_records(&BuildPrune::default(), false).unwrap();
        assert!(store.build_records().unwrap().is_empty());
    }
}
