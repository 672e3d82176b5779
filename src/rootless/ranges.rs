//! A user's ranges of ids: subuid(5), subgid(5).

use std::path::{Path, PathBuf};

/// First id and number of ids.
type Range = (u32, u32);

/// The ranges of a user, and the programs that may map them.
#[derive(Debug)]
pub struct Ranges {
    uids: Vec<Range>,
    gids: Vec<Range>,
    newuidmap: PathBuf,
    newgidmap: PathBuf,
}

impl Ranges {
    /// Finds them.
    ///
    /// # Errors
    /// The reason why there are none, for the user.
    pub fn of(uid: u32) -> Result<Ranges, String> {
        let name = nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name);
        let read = |file: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let ranges = parse(&text, uid, name.as_deref());
            if ranges.is_empty() {
                Err(format!("{file} gives this user no range of ids"))
            } else {
                Ok(ranges)
            }
        };
        let program = |name: &str| find(name).ok_or(format!("{name} is not installed (package uidmap)"));
        Ok(Ranges {
            uids: read("/etc/subuid")?,
            gids: read("/etc/subgid")?,
            newuidmap: program("newuidmap")?,
            newgidmap: program("newgidmap")?,
        })
    }

    /// The programs to run, each with the lines of its map: the user is root, and the ranges follow.
    pub fn arguments(&self, uid: u32, gid: u32) -> [(PathBuf, Vec<u32>); 2] {
        let lines = |own: u32, ranges: &[Range]| {
            let mut lines = vec![0, own, 1];
            let mut next = 1u32;
            for (first, count) in ranges {
                // What does not fit into 32 bits is no id.
                let count = (*count).min(u32::MAX - next);
                lines.extend([next, *first, count]);
                next += count;
            }
            lines
        };
        [(self.newuidmap.clone(), lines(uid, &self.uids)), (self.newgidmap.clone(), lines(gid, &self.gids))]
    }
}

/// The first range of at least one container's ids that both files give to one of the two names.
pub fn set_apart(uids: &str, gids: &str) -> Option<Range> {
    let of = |name: &str| {
        // No user has this number.
        let (uids, gids) = (parse(uids, u32::MAX, Some(name)), parse(gids, u32::MAX, Some(name)));
        uids.into_iter().find(|range| range.1 >= 65_536 && gids.contains(range))
    };
    ["lay", "containers"].into_iter().find_map(of)
}

/// Lines `USER:FIRST:COUNT`, where the user is a name or a number.
fn parse(text: &str, uid: u32, name: Option<&str>) -> Vec<Range> {
    let of = |line: &str| {
        let mut fields = line.trim().splitn(3, ':');
        let user = fields.next()?;
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let is_own = Some(user) == name || user.parse() == Ok(uid);
        (is_own && count > 0).then_some((first, count))
    };
    text.lines().filter_map(of).collect()
}

/// Looks a program up in `PATH`, and where distributions keep what root uses.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].map(PathBuf::from);
    let found = |dir: PathBuf| Some(dir.join(name)).filter(|file| is_program(file));
    std::env::split_paths(&path).chain(usual).find_map(found)
}

fn is_program(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_number() {
        let text = "# comment\nother:1:2\nann:100000:65536\n1000:300000:10\nann:5:0\nann:x:1\n";
        assert_eq!(parse(text, 1000, Some("ann")), [(100_000, 65_536), (300_000, 10)]);
        assert_eq!(parse(text, 1001, None), []);
    }

    #[test]
    fn root_s_containers_have_a_range_that_both_files_name() {
        let uids = "ann:100000:65536\ncontainers:200000:65536\ncontainers:300000:131072\n";
        assert_eq!(set_apart(uids, "containers:300000:131072\n"), Some((300_000, 131_072)));
        assert_eq!(set_apart(uids, "ann:100000:65536\n"), None);
        assert_eq!(set_apart("lay:5:65535\n", "lay:5:65535\n"), None, "too few for one container");
    }

    #[test]
    fn the_user_is_root_and_the_ranges_follow() {
        let ranges = Ranges {
            uids: vec![(100_000, 65_536), (300_000, 10)],
            gids: vec![(7, 1)],
            newuidmap: "u".into(),
            newgidmap: "g".into(),
        };
        let [uids, gids] = ranges.arguments(1000, 50);
        assert_eq!(uids.1, [0, 1000, 1, 1, 100_000, 65_536, 65_537, 300_000, 10]);
        assert_eq!(gids.1, [0, 50, 1, 1, 7, 1]);
    }
}
