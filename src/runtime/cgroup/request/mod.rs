//! A runtime Spec's resources, checked and brought into one form, before anything is touched
//! (OCI runtime specification, `config-linux.md`, "Control groups").

mod cpu;
mod io;
mod memory;

use oci_spec::runtime::LinuxResources;

use super::device::Access;
use super::error::{Error, Result};

pub use cpu::{Cpu, Cpuset, parse_list};
pub use io::Io;
pub use memory::Memory;

/// An upper bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// None.
    Max,
    /// This many of the unit at hand.
    At(u64),
}

impl Limit {
    /// As the v1 files want it.
    pub fn v1(self) -> String {
        match self {
            Self::Max => "-1".into(),
            Self::At(n) => n.to_string(),
        }
    }

    /// As the v2 files (and v1's `pids.max`) want it.
    pub fn v2(self) -> String {
        match self {
            Self::Max => "max".into(),
            Self::At(n) => n.to_string(),
        }
    }

    /// Zero stands for "not set", as runc and Docker have it, and -1 for no limit.
    fn from_signed(setting: &'static str, value: Option<i64>) -> Result<Option<Self>> {
        match value {
            None | Some(0) => Ok(None),
            Some(-1) => Ok(Some(Self::Max)),
            Some(n) => u64::try_from(n)
                .map(|n| Some(Self::At(n)))
                .map_err(|_| Error::invalid(setting, n, "it must be positive, or -1 for no limit")),
        }
    }
}

/// Limits on huge pages of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Huge {
    /// As the kernel's files write it: `2MB`, `1GB`.
    pub size: String,
    /// In bytes.
    pub limit: Limit,
}

/// Everything that was asked for. What is `None` or empty is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Processor time.
    pub cpu: Cpu,
    /// Processors and memory nodes.
    pub cpuset: Cpuset,
    /// Memory and swap.
    pub memory: Memory,
    /// Number of processes.
    pub pids: Option<Limit>,
    /// Block devices.
    pub io: Io,
    /// Huge pages.
    pub huge: Vec<Huge>,
    /// RDMA: device, and the line of values for it.
    pub rdma: Vec<String>,
    /// v1's class id.
    pub net_class: Option<u32>,
    /// v1's priorities: interface and priority.
    pub net_priorities: Vec<(String, u32)>,
    /// Which devices may be used.
    pub devices: Option<Access>,
    /// Files of v2 by name.
    pub unified: Vec<(String, String)>,
}

impl Request {
    /// Checks all of it.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Unsupported`] for what no kernel would take.
    pub fn parse(r: &LinuxResources) -> Result<Self> {
        let network = r.network().as_ref();
        Ok(Self {
            cpu: Cpu::parse(r.cpu().as_ref())?,
            cpuset: Cpuset::parse(r.cpu().as_ref())?,
            memory: Memory::parse(r.memory().as_ref())?,
            pids: r.pids().and_then(|p| match p.limit() {
                0 => None,
                n => Some(u64::try_from(n).map_or(Limit::Max, Limit::At)),
            }),
            io: Io::parse(r.block_io().as_ref())?,
            huge: huge(r)?,
            rdma: rdma(r)?,
            net_class: network.and_then(oci_spec::runtime::LinuxNetwork::class_id),
            net_priorities: network
                .and_then(|n| n.priorities().as_ref())
                .into_iter()
                .flatten()
                .map(|p| Ok((word("network priority", p.name())?, p.priority())))
                .collect::<Result<_>>()?,
            devices: r.devices().as_deref().map(Access::from_rules).transpose()?,
            unified: unified(r)?,
        })
    }
}

/// A name that goes into a line of a file must not break out of its place.
fn word(setting: &'static str, name: &str) -> Result<String> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '/' || c.is_control()) {
        return Err(Error::invalid(setting, name, "it is not a plain name"));
    }
    Ok(name.to_owned())
}

fn huge(r: &LinuxResources) -> Result<Vec<Huge>> {
    const SETTING: &str = "huge page size";
    let mut all = Vec::new();
    for limit in r.hugepage_limits().iter().flatten() {
        let size = limit.page_size();
        let digits = ["KB", "MB", "GB"].iter().find_map(|u| size.strip_suffix(u));
        if !digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit())) {
            return Err(Error::invalid(SETTING, size, "it must be a number followed by KB, MB or GB"));
        }
        let bytes = limit.limit();
        let limit = match u64::try_from(bytes) {
            Ok(n) => Limit::At(n),
            Err(_) if bytes == -1 => Limit::Max,
            Err(_) => {
                return Err(Error::invalid("huge page limit", bytes, "it must not be negative"));
            }
        };
        all.push(Huge { size: size.clone(), limit });
    }
    Ok(all)
}

fn rdma(r: &LinuxResources) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for (device, limits) in r.rdma().iter().flatten() {
        let mut line = word("rdma device", device)?;
        for (key, value) in [("hca_handle", limits.hca_handles()), ("hca_object", limits.hca_objects())] {
            if let Some(value) = value {
                line.push_str(&format!(" {key}={value}"));
            }
        }
        all.push(line);
    }
    all.sort();
    Ok(all)
}

/// Files of the core that are safe to set from outside; the others move processes or controllers.
const CORE_FILES: [&str; 3] = ["cgroup.max.depth", "cgroup.max.descendants", "cgroup.pressure"];

fn unified(r: &LinuxResources) -> Result<Vec<(String, String)>> {
    const SETTING: &str = "unified resource";
    let mut all = Vec::new();
    for (file, value) in r.unified().iter().flatten() {
        let file = word(SETTING, file)?;
        if !file.contains('.') || file.starts_with('.') {
            return Err(Error::invalid(SETTING, file, "it must be a controller's file, such as memory.high"));
        }
        if file.starts_with("cgroup.") && !CORE_FILES.contains(&file.as_str()) {
            return Err(Error::invalid(SETTING, file, "it is the runtime's own"));
        }
        all.push((file, value.clone()));
    }
    all.sort();
    Ok(all)
}
