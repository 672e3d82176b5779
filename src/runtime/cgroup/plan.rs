//! What a request means on the hierarchies at hand, worked out before anything is touched.

use super::error::{Error, Result};
use super::find::{Controller as C, Hierarchies, Version};
use super::knob::Knob;
use super::request::Request;
use super::v2::Wanted;
use super::{file, v1, v2};

/// All values to write, in an order that usually works at once.
#[derive(Debug, Default)]
pub struct Plan {
    /// The values.
    pub knobs: Vec<Knob>,
}

impl Plan {
    /// `fresh` says that the group is new and has defaults to set.
    ///
    /// # Errors
    /// [`Error::NoController`], [`Error::Unsupported`] and [`Error::Invalid`] for what this machine does not have.
    pub fn new(on: &Hierarchies, r: &Request, fresh: bool) -> Result<Self> {
        let mut plan = Self::default();
        let version = |c: C| on.of(c).map(|h| h.version);
        plan.push(
            on,
            match version(C::Cpu) {
                Some(Version::V2) => v2::cpu(&r.cpu, fresh)?,
                _ => v1::cpu(&r.cpu),
            },
        )?;
        plan.push(on, v1::cpuset(&r.cpuset))?;
        check_cpuset(on, r)?;
        plan.push(
            on,
            match version(C::Memory) {
                Some(Version::V2) => v2::memory(&r.memory)?,
                _ => v1::memory(&r.memory),
            },
        )?;
        let pids = r.pids.iter();
        plan.push(on, pids.map(|n| Knob::new("pids limit", C::Pids, "pids.max", n.v2())))?;
        plan.push(
            on,
            match version(C::Io) {
                Some(Version::V2) => v2::io(&r.io),
                _ => v1::io(&r.io),
            },
        )?;
        let huge = r.huge.iter().flat_map(|h| match version(C::Hugetlb) {
            Some(Version::V2) => v2::huge(h),
            _ => v1::huge(h),
        });
        plan.push(on, huge)?;
        let rdma = r.rdma.iter();
        plan.push(on, rdma.map(|line| Knob::new("rdma limit", C::Rdma, "rdma.max", line)))?;
        plan.push(on, network(r))?;
        plan.unified(on, r)?;
        if r.devices.is_some() && on.of(C::Devices).is_none() {
            return Err(missing("device rule", C::Devices));
        }
        Ok(plan)
    }

    fn push(&mut self, on: &Hierarchies, knobs: impl IntoIterator<Item = Knob>) -> Result<()> {
        for knob in knobs {
            match knob.controller {
                Some(c) if on.of(c).is_none() && knob.missing.is_some() => {
                    return Err(missing(knob.setting, c));
                }
                Some(c) if on.of(c).is_none() => {}
                _ => self.knobs.push(knob),
            }
        }
        Ok(())
    }

    fn unified(&mut self, on: &Hierarchies, r: &Request) -> Result<()> {
        for (file, value) in &r.unified {
            for knob in v2::unified(file, value) {
                let home = knob.controller.map_or_else(|| on.v2(), |c| on.of(c));
                if home.is_none_or(|h| h.version != Version::V2) {
                    return Err(Error::invalid(
                        "unified resource",
                        file,
                        "its controller is not on cgroup v2 here",
                    ));
                }
                self.knobs.push(knob);
            }
        }
        Ok(())
    }

    /// The controllers to hand down the unified hierarchy. Where it is the only one, those that count what a group
    /// uses come too.
    pub fn wanted(&self, on: &Hierarchies) -> Wanted {
        let Some(unified) = on.v2() else {
            return Wanted::default();
        };
        let here = |c: &C| unified.controllers.contains(c);
        let mut needed: Vec<C> = Vec::new();
        for knob in self.knobs.iter().filter(|k| k.missing.is_some()) {
            if let Some(c) = knob.controller.filter(here)
                && !needed.contains(&c)
            {
                needed.push(c);
            }
        }
        let welcome = [C::Cpu, C::Cpuset, C::Memory, C::Io, C::Pids]
            .into_iter()
            .filter(|c| here(c) && !needed.contains(c))
            .collect();
        Wanted { needed, welcome }
    }
}

fn missing(setting: &'static str, c: C) -> Error {
    Error::NoController { setting, controller: c.name() }
}

fn network(r: &Request) -> Vec<Knob> {
    let class = r.net_class.map(|n| Knob::new("network class", C::NetCls, "net_cls.classid", n));
    let priorities = r.net_priorities.iter().map(|(name, n)| {
        let value = format!("{name} {n}");
        Knob::new("network priority", C::NetPrio, "net_prio.ifpriomap", value)
    });
    class.into_iter().chain(priorities).collect()
}

/// Processors that do not exist: v2 would take them in silence, v1 refuse them without a word why.
fn check_cpuset(on: &Hierarchies, r: &Request) -> Result<()> {
    if r.cpuset.cpus.is_none() && r.cpuset.mems.is_none() {
        return Ok(());
    }
    let Some(h) = on.of(C::Cpuset) else {
        return Ok(());
    };
    for (setting, wanted, what) in
        [("cpuset cpus", &r.cpuset.cpus, "cpus"), ("cpuset mems", &r.cpuset.mems, "mems")]
    {
        let name = match h.version {
            Version::V1 => format!("cpuset.effective_{what}"),
            Version::V2 => format!("cpuset.{what}.effective"),
        };
        // A mount of a part of the hierarchy may not have it.
        if let Some(available) = file::read_if_there(&h.mount.join(name))? {
            v1::check_subset(setting, wanted.as_deref(), available.trim())?;
        }
    }
    Ok(())
}
