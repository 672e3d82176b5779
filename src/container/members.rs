//! The processes of a container.

use std::collections::{HashMap, HashSet};
use std::fs;

use super::error::Error;
use super::isolation::Share;
use super::process::parent_of;
use super::record::{Container, Running};

/// The processes of its control group. Without one: those of its pid namespace or, where that is another's too, its first process
/// and all that descend from it.
///
/// # Errors
/// When the group or `/proc` cannot be read.
pub fn pids(container: &Container, running: &Running) -> Result<HashSet<i32>, Error> {
    match running.group() {
        Ok(group) => Ok(group.pids()?.into_iter().collect()),
        Err(Error::NoCgroup) if container.record.options.isolation.pid == Share::Private => {
            of_namespace(running)
        }
        Err(Error::NoCgroup) => descendants(running),
        Err(error) => Err(error),
    }
}

fn all() -> Result<impl Iterator<Item = i32>, Error> {
    let entries = fs::read_dir("/proc").map_err(|e| Error::System("list the processes", e))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()))
}

fn of_namespace(running: &Running) -> Result<HashSet<i32>, Error> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let wanted = namespace(running.process.pid);
    Ok(all()?.filter(|pid| wanted.is_some() && namespace(*pid) == wanted).collect())
}

fn descendants(running: &Running) -> Result<HashSet<i32>, Error> {
    let parents = all()?.filter_map(|pid| Some((pid, parent_of(pid)?)));
    Ok(family(running.process.pid, &parents.collect()))
}

/// A process and its descendants, by the parent of each.
fn family(first: i32, parents: &HashMap<i32, i32>) -> HashSet<i32> {
    let mut found = HashSet::from([first]);
    loop {
        let more: Vec<i32> = parents
            .iter()
            .filter(|(pid, parent)| found.contains(parent) && !found.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_all_that_descend_from_one() {
        let parents = [(2, 1), (5, 2), (3, 2), (4, 3), (9, 1), (7, 9)].into();
        assert_eq!(family(2, &parents), HashSet::from([2, 3, 4, 5]));
        assert_eq!(family(8, &parents), HashSet::from([8]));
    }
}
