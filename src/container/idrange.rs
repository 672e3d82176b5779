//! Host id ranges for user namespaces: one file a range, created exclusively, holding its owner's id.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::files::{on, remove_if_there};

/// Ids in one container's range.
pub const RANGE: u32 = 65_536;

/// A pool of host ids.
#[derive(Clone, Debug)]
pub struct IdPool {
    dir: PathBuf,
    first: u32,
    count: u32,
}

impl IdPool {
    /// The pool `first..first+count`, with its claims kept in `dir`.
    pub fn new(dir: PathBuf, first: u32, count: u32) -> IdPool {
        IdPool { dir, first, count }
    }

    /// Takes a free range for `owner`; `is_alive` tells whether an earlier owner still needs its own.
    ///
    /// # Errors
    /// [`Error::NoIdRange`] when all are taken.
    pub fn take(&self, owner: &str, is_alive: &dyn Fn(&str) -> bool) -> Result<u32, Error> {
        fs::create_dir_all(&self.dir).map_err(on("create", &self.dir))?;
        let slots = self.count / RANGE;
        // Where to begin comes from the owner's id, so that neighbours rarely meet.
        let seed = u32::from_str_radix(owner.get(..8).unwrap_or("0"), 16).unwrap_or(0);
        for step in 0..slots {
            let slot = (seed.wrapping_add(step)) % slots;
            if self.claim(slot, owner, is_alive)? {
                return Ok(self.first + slot * RANGE);
            }
        }
        Err(Error::NoIdRange { first: self.first, count: self.count })
    }

    /// Gives a range back if it is the owner's.
    pub fn release(&self, first_id: u32, owner: &str) -> Result<(), Error> {
        let path = self.path(first_id.saturating_sub(self.first) / RANGE);
        if owner_of(&path).as_deref() == Some(owner) { remove_if_there(&path) } else { Ok(()) }
    }

    /// Gives back whatever the owner has, where it is not known what that is.
    pub fn release_all(&self, owner: &str) -> Result<(), Error> {
        let entries = match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(on("list", &self.dir))?,
        };
        let paths = entries.flatten().map(|entry| entry.path());
        paths
            .filter(|path| owner_of(path).as_deref() == Some(owner))
            .try_for_each(|path| remove_if_there(&path))
    }

    fn claim(&self, slot: u32, owner: &str, is_alive: &dyn Fn(&str) -> bool) -> Result<bool, Error> {
        let path = self.path(slot);
        for _ in 0..2 {
            match File::create_new(&path) {
                Ok(mut file) => {
                    file.write_all(owner.as_bytes()).map_err(on("write", &path))?;
                    return Ok(true);
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(on("create", &path)(e)),
            }
            match owner_of(&path) {
                // Empty: just being claimed by another process.
                Some(other) if other.is_empty() || is_alive(&other) => return Ok(false),
                _ => remove_if_there(&path)?,
            }
        }
        Ok(false)
    }

    fn path(&self, slot: u32) -> PathBuf {
        self.dir.join(slot.to_string())
    }
}

fn owner_of(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_exclusive_and_the_dead_ones_return() {
        let tmp = tempfile::tempdir().unwrap();
        let pool = IdPool::new(tmp.path().join("ids"), 1 << 30, 2 * RANGE);
        let (a, b, c) = ("00000000a", "00000000b", "00000000c");
        let first = pool.take(a, &|_| true).unwrap();
        let second = pool.take(b, &|_| true).unwrap();
        assert_eq!((first, second), (1 << 30, (1 << 30) + RANGE));
        assert!(matches!(pool.take(c, &|_| true), Err(Error::NoIdRange { .. })));
        assert_eq!(pool.take(c, &|owner| owner != b).unwrap(), second);
        pool.release(first, b).unwrap();
        assert!(pool.take(b, &|_| true).is_err(), "only its owner gives a range back");
        pool.release(first, a).unwrap();
        assert_eq!(pool.take(b, &|_| true).unwrap(), first);
    }
}
