//! The build cache in a plain file, for builds that only ask.
//!
//! Opening sled takes longer than all the rest of a build that finds everything, and leaves threads behind. So whoever changes
//! the records writes them down here too, while it has the index for itself. Losing this file, or finding it older than the
//! index, loses time only: a layer that a record names is looked for anyway.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::{BuildKind, BuildRecord, Digest, Store};

/// First line of the file.
const FORMAT: &str = "lay build records 1";

impl Store {
    fn build_copy(&self) -> PathBuf {
        self.path("build").join("records")
    }

    /// The records, without opening the index; none where they are not written down. Those of [`BuildKind::Step`] are large
    /// and seldom needed: their values are digests of what they are in the index.
    pub fn quick_build_records(&self) -> Option<Vec<BuildRecord>> {
        let text = fs::read_to_string(self.build_copy()).ok()?;
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next()? != FORMAT {
            return None;
        }
        lines.map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Writes the records down; the caller has the index for itself.
    pub(crate) fn write_build_copy(&self, records: impl Iterator<Item = BuildRecord>) -> Result<()> {
        let path = self.build_copy();
        let failed = || Error::io("write", &path);
        let dir = path.parent().unwrap_or(self.root());
        fs::create_dir_all(dir).map_err(failed())?;
        // Not synced: what a power cut leaves of it is read as nothing.
        let file = tempfile::Builder::new().prefix(".records-").tempfile_in(dir).map_err(failed())?;
        let mut out = BufWriter::new(file);
        let mut write = |line: &[u8]| out.write_all(line).and_then(|()| out.write_all(b"\n"));
        write(FORMAT.as_bytes()).map_err(failed())?;
        for record in records.map(short) {
            write(&serde_json::to_vec(&record).unwrap_or_default()).map_err(failed())?;
        }
        let file = out.into_inner().map_err(|e| failed()(e.into_error()))?;
        file.persist(&path).map_err(|e| failed()(e.error))?;
        Ok(())
    }
}

fn short(record: BuildRecord) -> BuildRecord {
    match record.kind {
        BuildKind::Step => BuildRecord { value: digest_of_value(&record.value), ..record },
        _ => record,
    }
}

/// What a large value is written down as.
pub fn digest_of_value(value: &str) -> String {
    format!("\"{}\"", Digest::of(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BuildPrune;

    #[test]
    fn the_copy_says_what_the_index_says() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        assert_eq!(store.quick_build_records(), None);
        let record = |kind, key: &str| BuildRecord::new(kind, key.into(), "{\"a\":\"b\\nc\"}".into(), None);
        let (seen, step) = (record(BuildKind::Seen, "x"), record(BuildKind::Step, "y"));
        store.add_build_records(&[seen.clone(), step.clone()]).unwrap();
        let all =
            Some(vec![seen.clone(), BuildRecord { value: digest_of_value(&step.value), ..step.clone() }]);
        assert_eq!(store.quick_build_records(), all);
        // A rebuilt index has them again, but for what is too large to be written down.
        store.index().rebuild().unwrap();
        assert_eq!(store.build_records().unwrap(), vec![seen.clone()]);
        assert_eq!(store.quick_build_records(), Some(vec![seen.clone()]));
        store.add_build_records(&[step]).unwrap();
        let whole = fs::read(store.build_copy()).unwrap();
        for length in 0..whole.len() {
            fs::write(store.build_copy(), &whole[..length]).unwrap();
            let read = store.quick_build_records();
            let part = |read: &Vec<BuildRecord>| read.len() < 2 && read.iter().all(|record| *record == seen);
            assert!(read.as_ref().is_none_or(part), "{length}: {read:?}");
        }
        store.prune_build_records(&BuildPrune::default(), false).unwrap();
        assert_eq!(store.quick_build_records(), Some(Vec::new()));
    }
}
