//! Control groups: v1, hybrid and v2.
//!
//! A [`Cgroup`] is one path that stands in every mounted hierarchy: where a controller's settings live, and also where
//! there are none (v1's named `systemd` hierarchy, v2 beside v1), so that a cgroup namespace has a root of its own in each
//! and the unified hierarchy can kill and freeze at once.

mod convert;
mod delegate;
mod device;
mod error;
mod file;
mod find;
mod knob;
mod making;
mod plan;
mod procs;
mod request;
mod seat;
mod stats;
mod tree;
mod v1;
mod v2;

use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxResources;

pub use delegate::delegated;
pub use error::{Error, Result};
pub use find::{Controller, Hierarchies, Hierarchy, Version};

pub use making::Making;
pub use seat::Seats;
pub use stats::{Io, Stats};

use plan::Plan;
use request::Request;

/// A group of processes with its limits. Dropping it leaves it in the kernel; [`Cgroup::delete`] removes it.
#[derive(Debug, Clone)]
pub struct Cgroup {
    /// Below each hierarchy's root, without a leading slash.
    path: PathBuf,
    on: Hierarchies,
}

impl Cgroup {
    /// Makes a group at `path` (such as `/lay/<id>`, below the hierarchies' roots) in every hierarchy and sets its limits.
    /// Parents are made as needed. An empty group that is there already is taken over.
    ///
    /// # Errors
    /// Everything that can be checked is checked first; if something fails later, what was made is removed again.
    pub fn create(path: &str, resources: &LinuxResources) -> Result<Self> {
        let path = tree::checked(path)?;
        let request = Request::parse(resources)?;
        let on = Hierarchies::detect()?;
        let plan = Plan::new(&on, &request, true)?;
        let group = Self { path, on };
        let mut made = Vec::new();
        match group.build(&plan, &request, &mut made) {
            Ok(()) => Ok(group),
            Err(first) => Err(undo(first, &made)),
        }
    }

    fn build(&self, plan: &Plan, request: &Request, made: &mut Vec<PathBuf>) -> Result<()> {
        let wanted = plan.wanted(&self.on);
        for h in self.on.iter() {
            tree::make(h, &self.path, &wanted, made)?;
        }
        knob::apply(&plan.knobs, |k| self.home(k), false)?;
        self.set_devices(request, true)
    }

    /// The group that is at `path`, in those hierarchies that have it; in none, there is nothing in it and nothing to
    /// remove.
    ///
    /// # Errors
    /// [`Error::Io`] if the hierarchies cannot be found.
    pub fn open(path: &str) -> Result<Self> {
        let path = tree::checked(path)?;
        let mut on = Hierarchies::detect()?;
        on.retain(|h| h.mount.join(&path).is_dir());
        Ok(Self { path, on })
    }

    /// Whether it is in any hierarchy.
    pub fn is_there(&self) -> bool {
        self.on.iter().next().is_some()
    }

    /// Its path below the hierarchies' roots, with a leading slash.
    pub fn path(&self) -> PathBuf {
        Path::new("/").join(&self.path)
    }

    /// Changes the limits that are given, and leaves the others.
    ///
    /// # Errors
    /// If a value is refused, those set before it get back what they were.
    pub fn update(&self, resources: &LinuxResources) -> Result<()> {
        let request = Request::parse(resources)?;
        let plan = Plan::new(&self.on, &request, false)?;
        if request.memory.check
            && let Some(request::Limit::At(limit)) = request.memory.limit
        {
            self.check_usage(limit)?;
        }
        knob::apply(&plan.knobs, |k| self.home(k), true)?;
        self.set_devices(&request, false)
    }

    /// Moves a process, with all its threads, into the group in every hierarchy.
    ///
    /// # Errors
    /// [`Error::Io`] with the hierarchy's file; the process may then be in some of them.
    pub fn add(&self, pid: i32) -> Result<()> {
        self.on.iter().try_for_each(|h| self.add_to(h, pid))
    }

    fn add_to(&self, h: &Hierarchy, pid: i32) -> Result<()> {
        let path = self.dir(h).join("cgroup.procs");
        file::write(&path, &pid.to_string()).map_err(Error::io("add a process to", path))
    }

    /// The processes in the group and in those below it, as the caller's pid namespace numbers them.
    ///
    /// # Errors
    /// [`Error::Io`] if the group is gone.
    pub fn pids(&self) -> Result<Vec<i32>> {
        match self.main() {
            Some(h) => procs::list(&self.dir(h)),
            None => Ok(Vec::new()),
        }
    }

    /// Stops all processes, and returns when they stand.
    ///
    /// # Errors
    /// [`Error::NoController`] without a freezer, [`Error::Timeout`] if they do not stop.
    pub fn freeze(&self) -> Result<()> {
        let (dir, version) = self.freezer()?;
        procs::freeze(&dir, version, true)
    }

    /// Lets them run again.
    ///
    /// # Errors
    /// As [`Cgroup::freeze`].
    pub fn thaw(&self) -> Result<()> {
        let (dir, version) = self.freezer()?;
        procs::freeze(&dir, version, false)
    }

    /// Whether all processes were stopped by [`Cgroup::freeze`].
    ///
    /// # Errors
    /// As [`Cgroup::freeze`].
    pub fn is_frozen(&self) -> Result<bool> {
        let (dir, version) = self.freezer()?;
        procs::is_frozen(&dir, version)
    }

    /// Sends `SIGKILL` to all processes, also to those that are being forked; does not wait for their end.
    ///
    /// # Errors
    /// [`Error::Kill`] if the caller may not.
    pub fn kill(&self) -> Result<()> {
        if let Some(h) = self.on.v2()
            && procs::kill_at_once(&self.dir(h))?
        {
            return self.thaw_if_v1_froze();
        }
        let frozen = self.freeze();
        let Some(main) = self.main() else {
            return Ok(());
        };
        let killed = procs::kill_each(&self.dir(main));
        if frozen.is_ok() {
            self.thaw()?;
        }
        killed
    }

    /// Removes the group in every hierarchy, and those that its processes made below it. Killed processes may still be
    /// on their way out. A group that is not there is no error.
    ///
    /// # Errors
    /// [`Error::Timeout`] if it stays in use; the other hierarchies are cleared all the same.
    pub fn delete(&self) -> Result<()> {
        let mut outcome = Ok(());
        for h in self.on.iter() {
            let removed = tree::remove(&self.dir(h));
            outcome = outcome.and(removed);
        }
        outcome
    }

    fn dir(&self, h: &Hierarchy) -> PathBuf {
        h.mount.join(&self.path)
    }

    /// Where a value belongs.
    fn home(&self, knob: &knob::Knob) -> PathBuf {
        let h = knob.controller.map_or_else(|| self.on.v2(), |c| self.on.of(c));
        h.map_or_else(|| self.path.clone(), |h| self.dir(h))
    }

    /// The hierarchy to ask for processes: the unified one, else the first.
    fn main(&self) -> Option<&Hierarchy> {
        self.on.v2().or_else(|| self.on.iter().next())
    }

    fn freezer(&self) -> Result<(PathBuf, Version)> {
        let unified = self.on.v2().filter(|h| self.dir(h).join("cgroup.freeze").exists());
        let h = unified.or_else(|| self.on.of(Controller::Freezer));
        h.map(|h| (self.dir(h), h.version))
            .ok_or(Error::NoController { setting: "freezing", controller: Controller::Freezer.name() })
    }

    /// What another tool stopped through v1 would never die.
    fn thaw_if_v1_froze(&self) -> Result<()> {
        match self.on.of(Controller::Freezer) {
            Some(h) if h.version == Version::V1 => {
                let dir = self.dir(h);
                if file::read(&dir.join("freezer.state"))?.trim() == "THAWED" {
                    return Ok(());
                }
                procs::freeze(&dir, Version::V1, false)
            }
            _ => Ok(()),
        }
    }

    fn set_devices(&self, request: &Request, fresh: bool) -> Result<()> {
        let Some(access) = &request.devices else {
            return Ok(());
        };
        match self.on.of(Controller::Devices) {
            Some(h) if h.version == Version::V1 => device::apply_v1(&self.dir(h), access, fresh),
            // v2 has no files for this, and no controller: any group can have a program.
            _ => match self.on.v2() {
                Some(h) => device::apply_v2(&self.dir(h), access, fresh),
                None => Err(Error::NoController { setting: "device rule", controller: "devices" }),
            },
        }
    }

    fn check_usage(&self, limit: u64) -> Result<()> {
        let Some(h) = self.on.of(Controller::Memory) else {
            return Ok(());
        };
        let name = match h.version {
            Version::V1 => "memory.usage_in_bytes",
            Version::V2 => "memory.current",
        };
        let usage = file::number(&self.dir(h).join(name))?;
        if usage > limit {
            return Err(Error::invalid(
                "memory limit",
                limit,
                format!("the processes use {usage} bytes already"),
            ));
        }
        Ok(())
    }

    /// How many processes of the group, and of those below it, were killed for want of memory.
    ///
    /// # Errors
    /// [`Error::NoController`] without a memory controller.
    pub fn oom_kills(&self) -> Result<u64> {
        if self.on.is_empty() {
            return Ok(0);
        }
        let h = self.memory("counting oom kills")?;
        match h.version {
            Version::V2 => {
                let path = self.dir(h).join("memory.events");
                Ok(file::field(&path, "oom_kill")?.unwrap_or(0))
            }
            // Each v1 group counts its own.
            Version::V1 => {
                let mut sum = 0;
                tree::walk(&self.dir(h), &mut |dir| {
                    let path = dir.join("memory.oom_control");
                    sum += file::field(&path, "oom_kill")?.unwrap_or(0);
                    Ok(())
                })?;
                Ok(sum)
            }
        }
    }

    /// The hard limit in bytes; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::NoController`] without a memory controller.
    pub fn memory_limit(&self) -> Result<Option<u64>> {
        let h = self.memory("memory limit")?;
        let name = match h.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        let path = self.dir(h).join(name);
        match file::read(&path)?.trim() {
            "max" => Ok(None),
            // v1 says "none" by the largest number of whole pages.
            text => Ok(Some(file::parse(&path, text)?).filter(|&n| n < NO_LIMIT)),
        }
    }

    fn memory(&self, setting: &'static str) -> Result<&Hierarchy> {
        self.on
            .of(Controller::Memory)
            .ok_or(Error::NoController { setting, controller: Controller::Memory.name() })
    }
}

/// The largest number of bytes in whole pages of up to 64 KiB.
const NO_LIMIT: u64 = i64::MAX as u64 & !0xffff;

/// Removes a group that stands empty in all hierarchies, such as the parent of the last container; tells whether it is gone.
///
/// # Errors
/// [`Error::Io`] if something else than processes or groups in it is in the way.
pub fn remove_if_empty(path: &str) -> Result<bool> {
    let path = tree::checked(path)?;
    let mut gone = true;
    for h in Hierarchies::detect()?.iter() {
        gone &= tree::remove_if_empty(&h.mount.join(&path))?;
    }
    Ok(gone)
}

/// Removes what a failed creation made, children first. A parent that others use by now stays.
fn undo(first: Error, made: &[PathBuf]) -> Error {
    for dir in made.iter().rev() {
        if let Err(undo) = tree::remove_if_empty(dir) {
            return Error::Undo { first: Box::new(first), undo: Box::new(undo) };
        }
    }
    first
}
