//! Host ids of user namespaces: one empty file a range, whose name tells the ids and whose they are.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::error::Error;
use super::files::{on, remove_if_there};
use super::idmap::{IdMap, IdMaps};
use super::lock::locked_dir;

/// Consecutive host ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// The first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl IdRange {
    fn end(self) -> u64 {
        u64::from(self.first) + u64::from(self.count)
    }

    fn holds(self, other: IdRange) -> bool {
        self.first <= other.first && other.end() <= self.end()
    }

    fn meets(self, other: IdRange) -> bool {
        u64::from(self.first) < other.end() && u64::from(other.first) < self.end()
    }
}

/// All host ids that containers may be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdRanges {
    /// Of users.
    pub uids: Vec<IdRange>,
    /// Of groups.
    pub gids: Vec<IdRange>,
}

impl fmt::Display for IdRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |ranges: &[IdRange]| {
            ranges.iter().map(|r| format!("{}:{}", r.first, r.count)).collect::<Vec<_>>().join(",")
        };
        match self.uids == self.gids {
            true => f.write_str(&list(&self.uids)),
            false => write!(f, "{} (groups {})", list(&self.uids), list(&self.gids)),
        }
    }
}

/// Who has which ids.
#[derive(Clone, Debug)]
pub struct IdPool {
    dir: PathBuf,
    ranges: IdRanges,
}

/// One range of one container.
struct Claim {
    is_user: bool,
    range: IdRange,
    owner: String,
}

impl Claim {
    /// From `u1073741824-65536-OWNER`.
    fn parse(name: &str) -> Option<Claim> {
        let is_user = name.starts_with('u');
        let mut fields = name.strip_prefix(['u', 'g'])?.splitn(3, '-');
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Claim { is_user, range: IdRange { first, count }, owner: fields.next()?.to_string() })
    }

    fn name(&self) -> String {
        let kind = if self.is_user { 'u' } else { 'g' };
        format!("{kind}{}-{}-{}", self.range.first, self.range.count, self.owner)
    }
}

impl IdPool {
    /// The pool of these ids, with its claims kept in `dir`.
    pub fn new(dir: PathBuf, ranges: IdRanges) -> IdPool {
        IdPool { dir, ranges }
    }

    /// Takes `count` ids that nobody has for `owner`; `is_alive` tells whether an earlier owner still needs its own.
    ///
    /// # Errors
    /// [`Error::NoIdRange`] when there are none.
    pub fn take(&self, owner: &str, count: u32, is_alive: &dyn Fn(&str) -> bool) -> Result<IdMaps, Error> {
        let _lock = self.lock()?;
        let mut claims = self.claims()?;
        // Where to begin comes from the owner's id, so that ids that were just given back rest.
        let seed = u32::from_str_radix(owner.get(..8).unwrap_or("0"), 16).unwrap_or(0);
        let mut found = self.find(&claims, count, seed);
        if found.is_none() {
            claims = self.without_dead(claims, is_alive)?;
            found = self.find(&claims, count, seed);
        }
        let (uid, gid) = found.ok_or_else(|| Error::NoIdRange { count, ranges: self.ranges.to_string() })?;
        let maps = IdMaps::range(uid, gid, count);
        self.record(owner, &maps)?;
        Ok(maps)
    }

    /// Notes that `owner` has ids that it was told to have, so that nobody takes them.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn note(&self, owner: &str, maps: &IdMaps) -> Result<(), Error> {
        let _lock = self.lock()?;
        self.record(owner, maps)
    }

    /// Gives back all that the owner has.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn release(&self, owner: &str) -> Result<(), Error> {
        let claims = self.claims()?;
        claims.iter().filter(|claim| claim.owner == owner).try_for_each(|claim| self.remove(claim))
    }

    fn find(&self, claims: &[Claim], count: u32, seed: u32) -> Option<(u32, u32)> {
        let taken = |is_user: bool| -> Vec<IdRange> {
            claims.iter().filter(|claim| claim.is_user == is_user).map(|claim| claim.range).collect()
        };
        Some((
            free(&self.ranges.uids, &taken(true), count, seed)?,
            free(&self.ranges.gids, &taken(false), count, seed)?,
        ))
    }

    fn without_dead(&self, claims: Vec<Claim>, is_alive: &dyn Fn(&str) -> bool) -> Result<Vec<Claim>, Error> {
        let (alive, dead): (Vec<_>, Vec<_>) = claims.into_iter().partition(|claim| is_alive(&claim.owner));
        dead.iter().try_for_each(|claim| self.remove(claim))?;
        Ok(alive)
    }

    fn record(&self, owner: &str, maps: &IdMaps) -> Result<(), Error> {
        let users = maps.uids.iter().map(|map| (true, map));
        let groups = maps.gids.iter().map(|map| (false, map));
        for (is_user, IdMap { outside, count, .. }) in users.chain(groups) {
            let range = IdRange { first: *outside, count: *count };
            let path = self.dir.join(Claim { is_user, range, owner: owner.to_string() }.name());
            File::create(&path).map_err(on("create", &path))?;
        }
        Ok(())
    }

    fn remove(&self, claim: &Claim) -> Result<(), Error> {
        remove_if_there(&self.dir.join(claim.name()))
    }

    fn claims(&self) -> Result<Vec<Claim>, Error> {
        let entries = match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(on("list", &self.dir))?,
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        Ok(names.filter_map(|name| Claim::parse(name.to_str()?)).collect())
    }

    /// Held while a range is looked for, until it is dropped.
    fn lock(&self) -> Result<File, Error> {
        fs::create_dir_all(&self.dir).map_err(on("create", &self.dir))?;
        locked_dir(&self.dir)
    }
}

/// First of `count` ids of `ranges` that are not taken: where `seed` leads to, else the lowest.
fn free(ranges: &[IdRange], taken: &[IdRange], count: u32, seed: u32) -> Option<u32> {
    let fits = |first: &u32| {
        let wanted = IdRange { first: *first, count };
        ranges.iter().any(|range| range.holds(wanted)) && !taken.iter().any(|range| range.meets(wanted))
    };
    let slots: u32 = ranges.iter().map(|range| range.count / count).fold(0, u32::saturating_add);
    let mut slot = seed.checked_rem(slots)?;
    for range in ranges {
        let here = range.count / count;
        if slot < here {
            let first = range.first + slot * count;
            if fits(&first) {
                return Some(first);
            }
            break;
        }
        slot -= here;
    }
    // A gap begins where a range does, or behind what is taken.
    let ends = taken.iter().filter_map(|range| u32::try_from(range.end()).ok());
    ranges.iter().map(|range| range.first).chain(ends).filter(fits).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(dir: &std::path::Path, ranges: &[(u32, u32)]) -> IdPool {
        let ranges: Vec<_> = ranges.iter().map(|&(first, count)| IdRange { first, count }).collect();
        IdPool::new(dir.join("ids"), IdRanges { uids: ranges.clone(), gids: ranges })
    }

    const A: &str = "00000000a";
    const B: &str = "00000000b";
    const C: &str = "00000000c";

    #[test]
    fn ids_are_exclusive_and_those_of_the_dead_return() {
        let tmp = tempfile::tempdir().unwrap();
        let pool = pool(tmp.path(), &[(1000, 20)]);
        assert_eq!(pool.take(A, 10, &|_| true).unwrap(), IdMaps::range(1000, 1000, 10));
        assert_eq!(pool.take(B, 10, &|_| true).unwrap(), IdMaps::range(1010, 1010, 10));
        assert!(matches!(pool.take(C, 1, &|_| true), Err(Error::NoIdRange { count: 1, .. })));
        assert_eq!(pool.take(C, 10, &|owner| owner != B).unwrap(), IdMaps::range(1010, 1010, 10));
        pool.release(B).unwrap();
        assert!(pool.take(B, 10, &|_| true).is_err(), "only its owner gives ids back");
        pool.release(A).unwrap();
        assert_eq!(pool.take(B, 10, &|_| true).unwrap(), IdMaps::range(1000, 1000, 10));
    }

    #[test]
    fn sizes_and_ranges_of_all_kinds_fit_beside_each_other() {
        let tmp = tempfile::tempdir().unwrap();
        let pool = pool(tmp.path(), &[(100, 5), (200, 12)]);
        assert_eq!(pool.take(A, 10, &|_| true).unwrap().uids[0].outside, 200);
        assert_eq!(pool.take(B, 5, &|_| true).unwrap().uids[0].outside, 100);
        assert_eq!(pool.take(C, 2, &|_| true).unwrap().uids[0].outside, 210);
        assert!(pool.take("00000000d", 13, &|_| true).is_err(), "more than there are in a row");
    }

    #[test]
    fn ids_that_somebody_was_told_to_have_are_not_taken() {
        let tmp = tempfile::tempdir().unwrap();
        let pool = pool(tmp.path(), &[(1000, 30)]);
        let told = IdMaps::parse(&["0:1005:1".into()], &["0:7:1".into()]).unwrap().unwrap();
        pool.note(A, &told).unwrap();
        pool.note(B, &told).unwrap();
        let taken = pool.take(C, 10, &|_| true).unwrap();
        assert_eq!((taken.uids[0].outside, taken.gids[0].outside), (1006, 1000));
    }

    #[test]
    fn many_at_once_share_nothing() {
        let tmp = tempfile::tempdir().unwrap();
        let pool = pool(tmp.path(), &[(0, 64)]);
        // All would begin at the same place.
        let taken: Vec<u32> = std::thread::scope(|scope| {
            let take = |i: u32| pool.take(&format!("00000000{i}"), 8, &|_| true).unwrap().uids[0].outside;
            let threads: Vec<_> = (0..8).map(|i| scope.spawn(move || take(i))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let distinct: std::collections::BTreeSet<u32> = taken.into_iter().collect();
        assert_eq!(distinct.into_iter().collect::<Vec<_>>(), [0, 8, 16, 24, 32, 40, 48, 56]);
    }

    #[test]
    fn an_empty_pool_is_an_error() {
        let tmp = tempfile::tempdir().unwrap();
        let error = pool(tmp.path(), &[]).take(A, 1, &|_| true).unwrap_err();
        assert!(error.to_string().contains("no 1 ids in a row"), "{error}");
    }
}
