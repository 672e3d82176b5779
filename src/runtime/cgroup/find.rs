//! Where each controller lives: v1, hybrid or v2, as `/proc/self/mountinfo` tells (proc(5), cgroups(7)).

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};

/// A controller that settings can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Controller {
    /// Shares, weight and bandwidth.
    Cpu,
    /// Usage counters; v1 only, on v2 every group counts.
    Cpuacct,
    /// Processors and memory nodes.
    Cpuset,
    /// Memory and swap.
    Memory,
    /// Device access; on v2 a BPF program on any group.
    Devices,
    /// Stopping all processes; on v2 a file of every group.
    Freezer,
    /// Block devices; `blkio` on v1.
    Io,
    /// Number of processes.
    Pids,
    /// Huge pages.
    Hugetlb,
    /// RDMA resources.
    Rdma,
    /// Network class ids; v1 only.
    NetCls,
    /// Network priorities; v1 only.
    NetPrio,
}

/// Each controller with its name on v1 and on v2 (where it has one).
const NAMES: [(Controller, &str, Option<&str>); 12] = [
    (Controller::Cpu, "cpu", Some("cpu")),
    (Controller::Cpuacct, "cpuacct", None),
    (Controller::Cpuset, "cpuset", Some("cpuset")),
    (Controller::Memory, "memory", Some("memory")),
    (Controller::Devices, "devices", None),
    (Controller::Freezer, "freezer", None),
    (Controller::Io, "blkio", Some("io")),
    (Controller::Pids, "pids", Some("pids")),
    (Controller::Hugetlb, "hugetlb", Some("hugetlb")),
    (Controller::Rdma, "rdma", Some("rdma")),
    (Controller::NetCls, "net_cls", None),
    (Controller::NetPrio, "net_prio", None),
];

impl Controller {
    /// The name that v1 uses, which is also the one for messages.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|n| n.0 == self).map_or("unknown", |n| n.1)
    }

    /// The name in `cgroup.subtree_control`; `None` if v2 has no such controller.
    pub fn v2_name(self) -> Option<&'static str> {
        NAMES.iter().find(|n| n.0 == self).and_then(|n| n.2)
    }

    fn from_v1(name: &str) -> Option<Self> {
        NAMES.iter().find(|n| n.1 == name).map(|n| n.0)
    }

    /// The controller of a name in `cgroup.controllers`.
    pub fn from_v2(name: &str) -> Option<Self> {
        NAMES.iter().find(|n| n.2 == Some(name)).map(|n| n.0)
    }

    /// Whether every v2 group has it without it being enabled.
    fn implicit_on_v2(self) -> bool {
        matches!(self, Self::Cpuacct | Self::Devices | Self::Freezer)
    }
}

/// The two interfaces of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy for some controllers, or a named one without any.
    V1,
    /// The unified hierarchy.
    V2,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where its (visible) root is mounted.
    pub mount: PathBuf,
    /// Its interface.
    pub version: Version,
    /// The known controllers in it; a hierarchy may have none.
    pub controllers: Vec<Controller>,
}

/// All mounted hierarchies, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchies(Vec<Hierarchy>);

impl Hierarchies {
    /// Reads the mount table of the calling process.
    ///
    /// # Errors
    /// [`Error::NoHierarchy`] without any, [`Error::Io`] if `/proc` cannot be read.
    pub fn detect() -> Result<Self> {
        const TABLE: &str = "/proc/self/mountinfo";
        let table = fs::read_to_string(TABLE).map_err(Error::io("read", TABLE))?;
        Self::from_table(&table, |mount| {
            let path = mount.join("cgroup.controllers");
            fs::read_to_string(&path).map_err(Error::io("read", path))
        })
    }

    /// The same from the table's text; `controllers` reads `cgroup.controllers` below a v2 mount.
    pub(super) fn from_table(table: &str, controllers: impl Fn(&Path) -> Result<String>) -> Result<Self> {
        let mut found: Vec<(Mount<'_>, usize)> = Vec::new();
        for mount in table.lines().filter_map(Mount::parse) {
            match found.iter_mut().find(|(m, _)| m.device == mount.device) {
                // The same hierarchy again, perhaps bound into some root file system.
                Some(known) if mount.rank() > known.1 => *known = (mount, mount.rank()),
                Some(_) => {}
                None => found.push((mount, mount.rank())),
            }
        }
        let mut all = Vec::with_capacity(found.len());
        for (mount, _) in found {
            let path = unescape(mount.point);
            let (version, known) = if mount.kind == "cgroup2" {
                let names = controllers(&path)?;
                let known = names.split_whitespace().filter_map(Controller::from_v2).collect();
                (Version::V2, known)
            } else {
                let known = mount.options.split(',').filter_map(Controller::from_v1);
                (Version::V1, known.collect())
            };
            all.push(Hierarchy { mount: path, version, controllers: known });
        }
        if all.is_empty() {
            return Err(Error::NoHierarchy);
        }
        Ok(Self(all))
    }

    /// The hierarchy that manages a controller.
    pub fn of(&self, controller: Controller) -> Option<&Hierarchy> {
        self.0
            .iter()
            .find(|h| h.controllers.contains(&controller))
            .or_else(|| self.v2().filter(|_| controller.implicit_on_v2()))
    }

    /// The unified hierarchy, also when it stands beside v1 ones.
    pub fn v2(&self) -> Option<&Hierarchy> {
        self.0.iter().find(|h| h.version == Version::V2)
    }

    /// All of them, in the order of the mount table.
    pub fn iter(&self) -> impl Iterator<Item = &Hierarchy> {
        self.0.iter()
    }

    /// Keeps those that the condition holds for.
    pub(super) fn retain(&mut self, condition: impl FnMut(&Hierarchy) -> bool) {
        self.0.retain(condition);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The fields of a line of the mount table that matter here.
#[derive(Clone, Copy)]
struct Mount<'a> {
    device: &'a str,
    root: &'a str,
    point: &'a str,
    flags: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(2);
        let mut right = right.split(' ');
        let mount = Self {
            device: left.next()?,
            root: left.next()?,
            point: left.next()?,
            flags: left.next()?,
            kind: right.next()?,
            options: right.nth(1)?,
        };
        matches!(mount.kind, "cgroup" | "cgroup2").then_some(mount)
    }

    /// A writable mount is better than a read-only one, one of the root better than one of a part.
    fn rank(&self) -> usize {
        let writable = self.flags.split(',').any(|f| f == "rw");
        2 * usize::from(writable) + usize::from(self.root == "/")
    }
}

/// Undoes the octal escapes of the mount table (`\040` is a space).
fn unescape(field: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let bytes = field.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = field
            .get(at + 1..at + 4)
            .filter(|_| bytes[at] == b'\\')
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(octal.unwrap_or(bytes[at]));
        at += if octal.is_some() { 4 } else { 1 };
    }
    PathBuf::from(std::ffi::OsString::from_vec(out))
}
