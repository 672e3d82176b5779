//! Settings as the files of v2 (`Documentation/admin-guide/cgroup-v2.rst`), and handing its controllers down.

use std::fs;
use std::path::Path;

use super::convert;
use super::error::{Error, Result};
use super::file;
use super::find::Controller as C;
use super::knob::Knob;
use super::request::{Cpu, Huge, Io, Limit, Memory};
use super::v1::{NO_IO_WEIGHT, NO_SWAP_ACCOUNTING};

fn only_v1(setting: &'static str) -> Error {
    Error::Unsupported { setting, reason: "cgroup v2, which this system uses, has no such setting" }
}

/// With `fresh`, a group without shares gets the weight of the usual ones, so that both count the same.
pub fn cpu(cpu: &Cpu, fresh: bool) -> Result<Vec<Knob>> {
    if cpu.rt_runtime.is_some_and(|n| n != 0) || cpu.rt_period.is_some() {
        return Err(only_v1("cpu real-time time"));
    }
    let mut all = Vec::new();
    let knob = |setting, file: &str, value: String| Knob::new(setting, C::Cpu, file, value);
    if let Some(n) = cpu.idle {
        all.push(knob("cpu idle", "cpu.idle", u8::from(n).to_string()));
    }
    if let Some(n) = cpu.shares {
        let weight = convert::weight_of_shares(n).to_string();
        all.push(knob("cpu shares", "cpu.weight", weight));
    } else if fresh && cpu.idle != Some(true) {
        let weight = convert::weight_of_shares(convert::DEFAULT_SHARES).to_string();
        all.push(knob("cpu shares", "cpu.weight", weight).optional());
    }
    if let Some(value) = cpu_max(cpu) {
        all.push(knob("cpu quota", "cpu.max", value));
    }
    if let Some(n) = cpu.burst {
        all.push(knob("cpu burst", "cpu.max.burst", n.to_string()));
    }
    Ok(all)
}

/// `cpu.max` takes `QUOTA PERIOD`, or the quota alone and leaves the period. A period alone is left to the caller's quota.
fn cpu_max(cpu: &Cpu) -> Option<String> {
    match (cpu.quota, cpu.period) {
        (None, None) => None,
        (Some(quota), None) => Some(quota.v2()),
        (quota, Some(period)) => Some(format!("{} {period}", quota.unwrap_or(Limit::Max).v2())),
    }
}

pub fn memory(memory: &Memory) -> Result<Vec<Knob>> {
    if memory.swappiness.is_some() {
        return Err(only_v1("memory swappiness"));
    }
    if memory.disable_oom_killer == Some(true) {
        return Err(only_v1("disabling the oom killer"));
    }
    if memory.kernel_tcp.is_some() {
        return Err(only_v1("kernel tcp memory"));
    }
    let mut all = Vec::new();
    let knob = |setting, file: &str, value: String| Knob::new(setting, C::Memory, file, value);
    if let Some(both) = memory.swap {
        let limit = convert::swap_alone(memory.limit, both);
        let swap = knob("memory and swap limit", "memory.swap.max", limit.v2());
        all.push(match limit {
            Limit::Max => swap.optional(),
            Limit::At(_) => swap.or(NO_SWAP_ACCOUNTING),
        });
    }
    if let Some(n) = memory.limit {
        all.push(knob("memory limit", "memory.max", n.v2()));
    }
    if let Some(n) = memory.reservation {
        all.push(knob("memory reservation", "memory.low", n.v2()));
    }
    Ok(all)
}

pub fn io(io: &Io) -> Vec<Knob> {
    let mut all = Vec::new();
    let weight = |key: &str, n: u16| Knob {
        setting: "block io weight",
        controller: Some(C::Io),
        choices: vec![
            ("io.bfq.weight".to_owned(), format!("{key}{n}")),
            ("io.weight".to_owned(), format!("{key}{}", convert::io_weight(n))),
        ],
        missing: Some(NO_IO_WEIGHT),
    };
    if let Some(n) = io.weight {
        all.push(weight("", n));
    }
    for w in &io.weights {
        let (major, minor) = w.device;
        all.push(weight(&format!("{major}:{minor} "), w.weight));
    }
    for t in &io.throttles {
        let (major, minor) = t.device;
        let rate = match t.rate {
            0 => Limit::Max,
            n => Limit::At(n),
        };
        let value = format!("{major}:{minor} {}={}", t.kind.v2_key(), rate.v2());
        all.push(Knob::new("block io throttle", C::Io, "io.max", value));
    }
    all
}

/// The limit on pages used and, where the kernel has it, on pages reserved.
pub fn huge(huge: &Huge) -> [Knob; 2] {
    let knob = |stem: &str| {
        let file = format!("hugetlb.{}.{stem}max", huge.size);
        Knob::new("huge page limit", C::Hugetlb, file, huge.limit.v2())
            .or("this machine has no huge pages of that size")
    };
    [knob(""), knob("rsvd.").optional()]
}

/// A file by its name, each line of the value written by itself.
pub fn unified(file: &str, value: &str) -> Vec<Knob> {
    let prefix = file.split('.').next().unwrap_or_default();
    value
        .lines()
        .map(|line| Knob {
            controller: C::from_v2(prefix),
            ..Knob::new("unified resource", C::Cpu, file, line)
        })
        .collect()
}

/// Which controllers a new group is to have.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Its settings need them.
    pub needed: Vec<C>,
    /// They are there for its statistics, and nothing depends on them.
    pub welcome: Vec<C>,
}

impl Wanted {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.needed.is_empty() && self.welcome.is_empty()
    }
}

/// Hands the controllers that a group wants down to the children of `dir`.
///
/// # Errors
/// [`Error::Enable`] if a needed one cannot be had.
pub fn enable(dir: &Path, wanted: &Wanted) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let path = dir.join("cgroup.subtree_control");
    let present = file::read(&path)?;
    let missing = |list: &[C]| -> Vec<String> {
        list.iter()
            .filter_map(|c| c.v2_name())
            .filter(|name| !present.split_whitespace().any(|have| have == *name))
            .map(|name| format!("+{name}"))
            .collect()
    };
    let needed = missing(&wanted.needed);
    let welcome = missing(&wanted.welcome);
    if needed.is_empty() && welcome.is_empty() {
        return Ok(());
    }
    let all = [needed.as_slice(), welcome.as_slice()].concat().join(" ");
    if fs::write(&path, all).is_ok() {
        return Ok(());
    }
    for name in welcome {
        // Not every level need have it, and nothing depends on it.
        let _ = file::write(&path, &name);
    }
    let controllers = needed.join(" ");
    if controllers.is_empty() {
        return Ok(());
    }
    file::write(&path, &controllers).map_err(|source| Error::Enable {
        controllers,
        path: dir.to_owned(),
        source,
    })
}
