//! Which ids of the host the ids of a container are.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::idrange::RANGE;

/// A range of ids.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct IdRange {
    /// First id inside.
    pub container: u32,
    /// First id on the host.
    pub host: u32,
    /// How many.
    pub size: u32,
}

/// The maps of a user namespace.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct IdMaps {
    /// Of users.
    pub uids: Vec<IdRange>,
    /// Of groups.
    pub gids: Vec<IdRange>,
}

impl IdMaps {
    /// One range of the pool, for users and groups alike.
    pub fn of_range(first: u32) -> IdMaps {
        let all = vec![IdRange { container: 0, host: first, size: RANGE }];
        IdMaps { uids: all.clone(), gids: all }
    }

    /// Reads `--uidmap` and `--gidmap`, each `CONTAINER:HOST[:SIZE]`; where only one kind is given, it is for both.
    ///
    /// # Errors
    /// When a map cannot be read, or leaves the container without a root.
    pub fn parse(uids: &[String], gids: &[String]) -> Result<IdMaps, Error> {
        let read = |flag: &'static str, texts: &[String]| {
            let all: Vec<IdRange> = texts.iter().map(|text| parse(flag, text)).collect::<Result<_, _>>()?;
            match all.iter().any(|range| range.container == 0) {
                true => Ok(all),
                false => Err(bad(flag, &texts.join(" "), "id 0 of the container has to be mapped")),
            }
        };
        let (uids, gids) =
            (if uids.is_empty() { gids } else { uids }, if gids.is_empty() { uids } else { gids });
        Ok(IdMaps { uids: read("--uidmap", uids)?, gids: read("--gidmap", gids)? })
    }

    /// User and group on the host; those that are not mapped are nobody there, and stand for themselves.
    pub fn host_ids(&self, uid: u32, gid: u32) -> (u32, u32) {
        let of = |ranges: &[IdRange], id: u32| {
            let covers = |r: &&IdRange| id >= r.container && id - r.container < r.size;
            ranges.iter().find(covers).map_or(id, |r| r.host.wrapping_add(id - r.container))
        };
        (of(&self.uids, uid), of(&self.gids, gid))
    }
}

fn parse(flag: &'static str, text: &str) -> Result<IdRange, Error> {
    let numbers: Vec<u32> = text
        .split(':')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| bad(flag, text, "expected CONTAINER:HOST[:SIZE]"))?;
    let (container, host, size) = match numbers[..] {
        [container, host] => (container, host, 1),
        [container, host, size] => (container, host, size),
        _ => return Err(bad(flag, text, "expected CONTAINER:HOST[:SIZE]")),
    };
    let fits = |first: u32| size > 0 && first.checked_add(size).is_some();
    if !fits(container) || !fits(host) {
        return Err(bad(flag, text, "ids are less than 4294967295"));
    }
    Ok(IdRange { container, host, size })
}

fn bad(flag: &'static str, value: &str, reason: &str) -> Error {
    Error::Flag { flag, value: value.to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(uids: &[&str], gids: &[&str]) -> Result<IdMaps, Error> {
        let own = |list: &[&str]| -> Vec<String> { list.iter().map(|s| (*s).to_string()).collect() };
        IdMaps::parse(&own(uids), &own(gids))
    }

    #[test]
    fn ids_are_found_by_range() {
        let found = maps(&["0:1000", "1:100000:65535"], &["0:50:10"]).unwrap();
        assert_eq!(found.host_ids(0, 3), (1000, 53));
        assert_eq!(found.host_ids(33, 11), (100_032, 11));
        assert_eq!(maps(&["0:7:9"], &[]).unwrap().gids[0].host, 7);
        assert_eq!(IdMaps::of_range(500).host_ids(1, 2), (501, 502));
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for text in ["", "0", "0:x", "0:1:0", "0:4294967295:2", "1:2:3:4", "5:5"] {
            assert!(maps(&[text], &[]).is_err(), "{text}");
        }
    }
}
