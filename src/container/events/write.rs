//! Appending, and beginning a new file when one is full.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::{Event, NAME};
use crate::container::logs::chain::numbered;

/// Bytes after which a new file is begun. The one before is kept.
const LIMIT: u64 = 2 << 20;

/// Appends one event in one write, so that no reader sees half of it.
pub fn append(dir: &Path, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    let path = dir.join(NAME);
    loop {
        let mut file = open(dir, &path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        // Another process may have begun a new file while this one waited: nothing is added to the old one any more.
        let here = file.metadata()?;
        if fs::metadata(&path).ok().map(|there| there.ino()) != Some(here.ino()) {
            continue;
        }
        if here.len() >= LIMIT {
            fs::rename(&path, numbered(&path, 1))?;
            continue;
        }
        return file.write_all(&line);
    }
}

/// Makes the directory, which others may not enter.
pub fn make(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn open(dir: &Path, path: &Path) -> io::Result<File> {
    let open = || File::options().create(true).append(true).open(path);
    match open() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            make(dir)?;
            open()
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn many_writers_lose_nothing_and_the_files_stay_small() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("events");
        let event = |number: u32| Event {
            time: jiff::Timestamp::now(),
            kind: "container".into(),
            action: "start".into(),
            id: "x".repeat(2000),
            attributes: BTreeMap::from([("number".into(), number.to_string())]),
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..300).for_each(|number| append(&dir, &event(number)).unwrap()));
            }
        });
        let path = dir.join(NAME);
        let count = |number| fs::read_to_string(numbered(&path, number)).unwrap().lines().count();
        assert_eq!(count(0) + count(1), 1200);
        assert!(fs::metadata(numbered(&path, 1)).unwrap().len() < LIMIT + 3000);
    }
}
