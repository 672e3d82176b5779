//! Which ids a user namespace has, and what they are outside of it (user_namespaces(7), "User and group ID mappings").

use std::fmt;
use std::str::FromStr;

use oci_spec::runtime::{LinuxIdMapping, LinuxIdMappingBuilder};
use serde::{Deserialize, Serialize};

use super::error::Error;

/// Most lines that the kernel takes (`UID_GID_MAP_MAX_EXTENTS`).
const MAX_LINES: usize = 340;

/// Consecutive ids.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct IdMap {
    /// The first, as the container sees it.
    pub inside: u32,
    /// The first, as the host sees it.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

impl IdMap {
    fn outside_of(&self, id: u32) -> Option<u32> {
        let offset = id.checked_sub(self.inside)?;
        (offset < self.count).then(|| self.outside + offset)
    }
}

impl fmt::Display for IdMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.inside, self.outside, self.count)
    }
}

impl FromStr for IdMap {
    type Err = String;

    /// `CONTAINER:HOST[:SIZE]`, where one id is mapped without a size.
    fn from_str(text: &str) -> Result<IdMap, String> {
        let wrong = || "expected CONTAINER:HOST[:SIZE], all numbers".to_string();
        let numbers =
            text.split(':').map(str::parse).collect::<Result<Vec<u32>, _>>().map_err(|_| wrong())?;
        let (inside, outside, count) = match numbers[..] {
            [inside, outside] => (inside, outside, 1),
            [inside, outside, count] => (inside, outside, count),
            _ => return Err(wrong()),
        };
        let map = IdMap { inside, outside, count };
        // The last number of 32 bits is no id.
        let fits = |first: u32| first.checked_add(count).is_some();
        match count {
            0 => Err("it maps no id".to_string()),
            _ if !fits(inside) || !fits(outside) => Err("ids go from 0 to 4294967294".to_string()),
            _ => Ok(map),
        }
    }
}

/// Maps of users and of groups.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct IdMaps {
    /// Of users.
    pub uids: Vec<IdMap>,
    /// Of groups.
    pub gids: Vec<IdMap>,
}

impl IdMaps {
    /// `count` ids from 0 on, which begin outside with `uid` and `gid`.
    pub fn range(uid: u32, gid: u32, count: u32) -> IdMaps {
        let map = |outside| vec![IdMap { inside: 0, outside, count }];
        IdMaps { uids: map(uid), gids: map(gid) }
    }

    /// Reads `--uidmap` and `--gidmap`, where one of them stands for both if the other is missing; none without both.
    ///
    /// # Errors
    /// When one cannot be read, they overlap, or there is no root among them.
    pub fn parse(uids: &[String], gids: &[String]) -> Result<Option<IdMaps>, Error> {
        let (uids, gids) = (parse("--uidmap", uids)?, parse("--gidmap", gids)?);
        Ok(match (uids.is_empty(), gids.is_empty()) {
            (true, true) => None,
            (false, true) => Some(IdMaps { gids: uids.clone(), uids }),
            (true, false) => Some(IdMaps { uids: gids.clone(), gids }),
            (false, false) => Some(IdMaps { uids, gids }),
        })
    }

    /// What a user and a group are outside.
    ///
    /// # Errors
    /// [`Error::NoSuchId`] when the namespace has not got one of them.
    pub fn outside(&self, uid: u32, gid: u32) -> Result<(u32, u32), Error> {
        let find = |maps: &[IdMap], kind, id| {
            let found = maps.iter().find_map(|map| map.outside_of(id));
            found.ok_or(Error::NoSuchId { kind, id })
        };
        Ok((find(&self.uids, "user", uid)?, find(&self.gids, "group", gid)?))
    }

    /// Whether there is this group.
    pub fn has_group(&self, gid: u32) -> bool {
        self.gids.iter().any(|map| map.outside_of(gid).is_some())
    }

    /// The last of all groups from 0 on of which none is missing.
    pub fn last_group(&self) -> Option<u32> {
        let mut next = 0;
        while let Some(map) = self.gids.iter().find(|map| map.outside_of(next).is_some()) {
            next = map.inside + map.count;
        }
        next.checked_sub(1)
    }

    /// The same for the runtime: users, groups.
    ///
    /// # Errors
    /// [`Error::Spec`].
    pub fn mappings(&self) -> Result<[Vec<LinuxIdMapping>; 2], Error> {
        let build = |map: &IdMap| {
            let mapping = LinuxIdMappingBuilder::default().container_id(map.inside).host_id(map.outside);
            mapping.size(map.count).build().map_err(Error::from)
        };
        let all = |maps: &[IdMap]| maps.iter().map(build).collect::<Result<Vec<_>, _>>();
        Ok([all(&self.uids)?, all(&self.gids)?])
    }
}

fn parse(flag: &'static str, list: &[String]) -> Result<Vec<IdMap>, Error> {
    let wrong = |value: &str, reason: String| Error::Flag { flag, value: value.to_string(), reason };
    let mut maps: Vec<IdMap> = Vec::new();
    for text in list {
        let map: IdMap = text.parse().map_err(|reason| wrong(text, reason))?;
        let shares = |a: u32, b: u32, of: &IdMap| a < b + of.count && b < a + map.count;
        let other =
            maps.iter().find(|m| shares(map.inside, m.inside, m) || shares(map.outside, m.outside, m));
        if let Some(other) = other {
            return Err(wrong(text, format!("it overlaps with {other}")));
        }
        maps.push(map);
    }
    let all = || list.join(",");
    match maps.len() {
        0 => Ok(maps),
        count if count > MAX_LINES => Err(wrong(&all(), format!("the kernel takes at most {MAX_LINES}"))),
        _ if !maps.iter().any(|map| map.inside == 0) => {
            Err(wrong(&all(), "id 0 of the container has to be mapped".to_string()))
        }
        _ => Ok(maps),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(uids: &[&str], gids: &[&str]) -> Result<Option<IdMaps>, String> {
        let own = |list: &[&str]| list.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        IdMaps::parse(&own(uids), &own(gids)).map_err(|e| e.to_string())
    }

    #[test]
    fn one_list_stands_for_both() {
        let both = maps(&["0:100000:1000", "1000:5000"], &[]).unwrap().unwrap();
        assert_eq!(both.uids, both.gids);
        assert_eq!(both.outside(999, 1000).unwrap(), (100_999, 5000));
        assert!(both.outside(1001, 0).is_err());
        assert_eq!(maps(&[], &["0:7:1"]).unwrap().unwrap(), IdMaps::range(7, 7, 1));
        assert_eq!(maps(&[], &[]).unwrap(), None);
    }

    #[test]
    fn what_the_kernel_would_refuse_is_refused_with_a_reason() {
        for (list, reason) in [
            (&["x:1:2"][..], "expected CONTAINER:HOST[:SIZE]"),
            (&["0"], "expected CONTAINER:HOST[:SIZE]"),
            (&["0:1:2:3"], "expected CONTAINER:HOST[:SIZE]"),
            (&["0:1:0"], "maps no id"),
            (&["0:4294967295:1"], "ids go from 0"),
            (&["4294967295:1:1"], "ids go from 0"),
            (&["0:100:10", "5:500:10"], "overlaps with 0:100:10"),
            (&["0:100:10", "20:109:1"], "overlaps with 0:100:10"),
            (&["1:100:10"], "id 0 of the container"),
        ] {
            let error = maps(list, &[]).unwrap_err();
            assert!(error.contains(reason), "{list:?}: {error}");
        }
    }

    #[test]
    fn groups_from_zero_on_are_counted_across_lines() {
        let last = |gids: &[&str]| maps(&[], gids).unwrap().unwrap().last_group();
        assert_eq!(last(&["5:50:5", "0:100:5", "11:7:9"]), Some(9));
        assert_eq!(last(&["0:0:4294967294"]), Some(4_294_967_293));
    }
}
