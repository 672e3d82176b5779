//! The processes of a group: listing, stopping and killing them all.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::error::{Error, Result};
use super::find::Version;
use super::{file, tree};

/// How long processes may take to stop or to die.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_micros(200);

/// The processes in a group and below it. Zero stands for those outside the caller's pid namespace.
pub fn list(dir: &Path) -> Result<Vec<i32>> {
    let mut all = Vec::new();
    tree::walk(dir, &mut |dir| {
        let path = dir.join("cgroup.procs");
        // A nested group may go while we look.
        for line in file::read_if_there(&path)?.unwrap_or_default().lines() {
            all.push(line.parse().map_err(|_| Error::Content { path: path.clone(), text: line.to_owned() })?);
        }
        Ok(())
    })?;
    Ok(all)
}

/// Stops (`true`) or continues all processes, and waits until that is done.
pub fn freeze(dir: &Path, version: Version, stop: bool) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        // v1 may remain in between while processes fork, so it is told again.
        match version {
            Version::V1 => file::set(
                "freezer state",
                &dir.join("freezer.state"),
                if stop { "FROZEN" } else { "THAWED" },
            )?,
            Version::V2 => {
                file::set("freezer state", &dir.join("cgroup.freeze"), if stop { "1" } else { "0" })?
            }
        }
        if is_frozen(dir, version)? == stop {
            return Ok(());
        }
        sleep(PAUSE);
    }
    Err(Error::Timeout {
        what: if stop { "freezing" } else { "thawing" },
        path: dir.to_owned(),
        millis: PATIENCE.as_millis(),
    })
}

/// Whether all processes stand still.
pub fn is_frozen(dir: &Path, version: Version) -> Result<bool> {
    match version {
        Version::V1 => Ok(file::read(&dir.join("freezer.state"))?.trim() == "FROZEN"),
        Version::V2 => Ok(file::field(&dir.join("cgroup.events"), "frozen")? == Some(1)),
    }
}

/// Kills all processes at once, where the kernel can (5.14, v2); tells whether it did.
pub fn kill_at_once(dir: &Path) -> Result<bool> {
    let path = dir.join("cgroup.kill");
    match file::write(&path, "1") {
        Ok(()) => Ok(true),
        Err(_) if !path.exists() => Ok(false),
        Err(e) => Err(Error::io("write", path)(e)),
    }
}

/// Kills the processes one by one until none is left. They cannot run away if they were frozen before.
pub fn kill_each(dir: &Path) -> Result<()> {
    for pid in list(dir)? {
        let Some(target) = Pid::from_raw(pid) else {
            continue;
        };
        match kill_process(target, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(e) => {
                return Err(Error::Kill { pid, path: dir.to_owned(), source: e.into() });
            }
        }
    }
    Ok(())
}
