//! Making and removing the directories that are the groups.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::error::{Error, Result};
use super::find::{Controller, Hierarchy, Version};
use super::v2::{self, Wanted};
use super::{file, v1};

/// How long a group may stay busy after its processes were killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a parent may vanish under our hands because others remove empty ones.
const TRIES: u32 = 16;

/// A group's path below the roots: no root, no `.` or `..`, no empty name.
pub fn checked(path: &str) -> Result<PathBuf> {
    let bad = || Error::BadPath { path: path.into() };
    let names = path.strip_prefix('/').ok_or_else(bad)?;
    let fine = |name: &str| {
        !matches!(name, "" | "." | "..") && name.len() < 256 && !name.contains(|c: char| c.is_control())
    };
    if names.split('/').all(fine) { Ok(PathBuf::from(names)) } else { Err(bad()) }
}

/// Makes a group and its missing parents in one hierarchy; pushes what was made, parents first.
///
/// # Errors
/// [`Error::Exists`] if the group is there and holds processes or groups; an empty one is taken over.
pub fn make(h: &Hierarchy, path: &Path, wanted: &Wanted, made: &mut Vec<PathBuf>) -> Result<()> {
    let dir = h.mount.join(path);
    for _ in 0..TRIES {
        if h.version == Version::V2 && !wanted.is_empty() {
            hand_down(h, path, wanted, made)?;
        }
        match fs::create_dir(&dir) {
            Ok(()) => {
                made.push(dir.clone());
                return prepare(h, &dir);
            }
            Err(e) if e.kind() == ErrorKind::NotFound => make_parents(h, path, made)?,
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                if in_use(&dir)? {
                    return Err(Error::Exists { path: dir });
                }
                return prepare(h, &dir);
            }
            Err(e) => return Err(Error::io("create", dir)(e)),
        }
    }
    Err(Error::io("create", dir)(ErrorKind::NotFound.into()))
}

fn make_parents(h: &Hierarchy, path: &Path, made: &mut Vec<PathBuf>) -> Result<()> {
    for dir in parents(h, path).skip(1) {
        match fs::create_dir(&dir) {
            Ok(()) => {
                made.push(dir.clone());
                prepare(h, &dir)?;
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            // Somebody removes empty parents at this moment; the caller tries again.
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(Error::io("create", dir)(e)),
        }
    }
    Ok(())
}

/// Enables the controllers at every level above the group, which must exist for that.
fn hand_down(h: &Hierarchy, path: &Path, wanted: &Wanted, made: &mut Vec<PathBuf>) -> Result<()> {
    for _ in 0..TRIES {
        let mut whole = true;
        for dir in parents(h, path) {
            match v2::enable(&dir, wanted) {
                Ok(()) => {}
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                    whole = false;
                    make_parents(h, path, made)?;
                    break;
                }
                Err(e) => return Err(e),
            }
        }
        if whole {
            break;
        }
    }
    Ok(())
}

/// The mount, and each directory on the way to the group, without the group itself.
fn parents<'a>(h: &'a Hierarchy, path: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
    let mut all: Vec<_> = path.ancestors().skip(1).map(|p| h.mount.join(p)).collect();
    all.reverse();
    all.into_iter()
}

fn prepare(h: &Hierarchy, dir: &Path) -> Result<()> {
    if h.version == Version::V1 && h.controllers.contains(&Controller::Cpuset) {
        v1::seed_cpuset(dir)?;
    }
    Ok(())
}

fn in_use(dir: &Path) -> Result<bool> {
    Ok(!children(dir)?.is_empty() || !file::read(&dir.join("cgroup.procs"))?.is_empty())
}

/// The groups directly below one.
pub fn children(dir: &Path) -> Result<Vec<PathBuf>> {
    let list = match fs::read_dir(dir) {
        Ok(list) => list,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("list", dir)(e)),
    };
    let mut all = Vec::new();
    for entry in list {
        let entry = entry.map_err(Error::io("list", dir))?;
        let kind = entry.file_type().map_err(Error::io("examine", entry.path()))?;
        if kind.is_dir() {
            all.push(entry.path());
        }
    }
    Ok(all)
}

/// Calls a function on a group and all below it, parents first.
pub fn walk(dir: &Path, visit: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    visit(dir)?;
    for child in children(dir)? {
        walk(&child, visit)?;
    }
    Ok(())
}

/// Removes a group and those that its processes made below it. Processes that were killed may take a moment to go.
///
/// # Errors
/// [`Error::Timeout`] if it stays in use.
pub fn remove(dir: &Path) -> Result<()> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(50);
    loop {
        match fs::remove_dir(dir) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) if is_busy(&e) => {}
            Err(e) => return Err(Error::io("remove", dir)(e)),
        }
        let below = children(dir)?;
        let had_children = !below.is_empty();
        for child in below {
            remove(&child)?;
        }
        if had_children {
            continue;
        }
        if start.elapsed() > PATIENCE {
            return Err(Error::Timeout {
                what: "removal",
                path: dir.to_owned(),
                millis: PATIENCE.as_millis(),
            });
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Removes a group if nothing is in it; tells whether it is gone.
pub fn remove_if_empty(dir: &Path) -> Result<bool> {
    match fs::remove_dir(dir) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(true),
        Err(e) if is_busy(&e) => Ok(false),
        Err(e) => Err(Error::io("remove", dir)(e)),
    }
}

fn is_busy(e: &std::io::Error) -> bool {
    matches!(e.kind(), ErrorKind::ResourceBusy | ErrorKind::DirectoryNotEmpty)
}
