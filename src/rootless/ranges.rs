//! A user's ranges of ids: subuid(5), subgid(5).

use std::path::{Path, PathBuf};

/// First id and number of ids.
pub type Range = (u32, u32);

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
            let ranges = parse(&text, Some(uid), name.as_deref());
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

impl Ranges {
    /// The programs to run for a user who keeps its own ids, with the ids of the ranges around them.
    pub fn around(&self, uid: u32, gid: u32) -> [(PathBuf, Vec<u32>); 2] {
        [(self.newuidmap.clone(), around(uid, &self.uids)), (self.newgidmap.clone(), around(gid, &self.gids))]
    }
}

/// Lines of a map in which `own` is itself, and all others from 0 on are those of the ranges.
fn around(own: u32, ranges: &[Range]) -> Vec<u32> {
    let (mut lines, mut next, mut is_there) = (Vec::new(), 0u32, false);
    for &(mut first, count) in ranges {
        let mut count = count.min(u32::MAX - 1 - next);
        if !is_there && (next..next + count).contains(&own) {
            let before = own - next;
            if before > 0 {
                lines.extend([next, first, before]);
            }
            lines.extend([own, own, 1]);
            (next, first, count, is_there) = (own + 1, first + before, count - before, true);
        }
        lines.extend([next, first, count]);
        next += count;
    }
    if !is_there {
        lines.extend([own, own, 1]);
    }
    lines
}

/// Users whose ranges are a container engine's own, as it works for root; the second is Podman's.
const ENGINES: [&str; 2] = ["lay", "containers"];

/// The ranges that `/etc/subuid` and `/etc/subgid` give to a container engine: whose they are, of users, of groups.
pub fn engine_ranges() -> Option<(&'static str, Vec<Range>, Vec<Range>)> {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let (uids, gids) = (read("/etc/subuid"), read("/etc/subgid"));
    let of = |name| Some((name, parse(&uids, None, Some(name)), parse(&gids, None, Some(name))));
    ENGINES.into_iter().filter_map(of).find(|(_, uids, gids)| !uids.is_empty() && !gids.is_empty())
}

/// Lines `USER:FIRST:COUNT`, where the user is a name or a number.
fn parse(text: &str, uid: Option<u32>, name: Option<&str>) -> Vec<Range> {
    let of = |line: &str| {
        let mut fields = line.trim().splitn(3, ':');
        let user = fields.next()?;
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let is_own = Some(user) == name || uid.is_some_and(|uid| user.parse() == Ok(uid));
        // The last number of 32 bits is no id.
        let count = u32::min(count, u32::MAX - first);
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
        assert_eq!(parse(text, Some(1000), Some("ann")), [(100_000, 65_536), (300_000, 10)]);
        assert_eq!(parse(text, Some(1001), None), []);
    }

    #[test]
    fn a_user_who_keeps_its_ids_stands_among_those_of_the_ranges() {
        assert_eq!(around(1000, &[(5000, 3000)]), [0, 5000, 1000, 1000, 1000, 1, 1001, 6000, 2000]);
        assert_eq!(around(0, &[(5000, 10)]), [0, 0, 1, 1, 5000, 10]);
        assert_eq!(around(10, &[(50, 10), (80, 2)]), [0, 50, 10, 10, 10, 1, 11, 80, 2]);
        assert_eq!(around(1000, &[(50, 10), (80, 2)]), [0, 50, 10, 10, 80, 2, 1000, 1000, 1]);
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
