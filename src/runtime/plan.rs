//! The specification, checked and brought into the form that the two processes work with.

use std::ffi::CString;
use std::path::PathBuf;

use nix::sched::CloneFlags;
use nix::sys::personality::Persona;
use oci_spec::runtime::{
    Hooks, Linux, LinuxIdMapping, LinuxResources, LinuxSeccomp, PosixRlimit, Process, Spec,
};
use rustix::thread::CapabilitySet;

use super::dev;
use super::device::DevicePlan;
use super::error::Error;
use super::mount::{Kind, MountPlan};
use super::namespace::Namespaces;
use super::schedule;
use super::seccomp::{Program, compile};
use crate::kernel::mount::Propagation;
use crate::kernel::process::Scheduler;
use crate::kernel::userns;

/// All that the child does before it executes the command.
#[derive(Debug)]
pub struct Plan {
    /// Namespaces to make or join.
    pub namespaces: Namespaces,
    /// Id maps of a new user namespace; empty without one.
    pub uid_mappings: Vec<LinuxIdMapping>,
    /// The same for groups.
    pub gid_mappings: Vec<LinuxIdMapping>,
    /// Mounts, in order.
    pub mounts: Vec<MountPlan>,
    /// Mount tables are to show them in that order, which costs a clone of each.
    pub renumber: bool,
    /// Paths that are hidden.
    pub masked: Vec<PathBuf>,
    /// Paths that may only be read.
    pub read_only: Vec<PathBuf>,
    /// The root may only be read.
    pub read_only_root: bool,
    /// `hostname(7)`.
    pub hostname: Option<String>,
    /// NIS domain name.
    pub domainname: Option<String>,
    /// Kernel parameters, as paths below `/proc/sys` and values.
    pub sysctls: Vec<(PathBuf, String)>,
    /// Where the group stands, below each hierarchy; none is made without.
    pub cgroup: Option<String>,
    /// Its limits.
    pub resources: LinuxResources,
    /// Device nodes beside the default ones.
    pub devices: Vec<DevicePlan>,
    /// Propagation of the root, and whether it applies to the mounts below too.
    pub root_propagation: Option<(Propagation, bool)>,
    /// Programs to run at points of the container's life.
    pub hooks: Option<Hooks>,
    /// The command.
    pub process: ProcessPlan,
}

impl Plan {
    /// Reads a specification.
    ///
    /// # Errors
    /// [`Error::Spec`] or [`Error::Unsupported`].
    pub fn new(spec: &Spec) -> Result<Plan, Error> {
        let missing = |field| Error::Spec { field, reason: "it is missing".to_string() };
        let linux = spec.linux().as_ref().ok_or_else(|| missing("linux"))?;
        let process = spec.process().as_ref().ok_or_else(|| missing("process"))?;
        let mut namespaces = Namespaces::parse(linux.namespaces().as_deref().unwrap_or_default())?;
        namespaces.set_time_offsets(&time_offsets(linux));
        refuse(spec, linux)?;
        names_apart(spec, &namespaces)?;
        let own_users = namespaces.own_users();
        let mappings = |list: &Option<Vec<LinuxIdMapping>>| match own_users {
            true => list.clone().unwrap_or_default(),
            false => Vec::new(),
        };
        let paths = |list: &Option<Vec<String>>| list.iter().flatten().map(PathBuf::from).collect();
        let devices =
            linux.devices().iter().flatten().map(DevicePlan::parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Plan {
            uid_mappings: mappings(linux.uid_mappings()),
            gid_mappings: mappings(linux.gid_mappings()),
            mounts: mounts(spec, &devices)?,
            renumber: false,
            masked: paths(linux.masked_paths()),
            read_only: paths(linux.readonly_paths()),
            read_only_root: spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false),
            hostname: spec.hostname().clone(),
            domainname: spec.domainname().clone(),
            sysctls: sysctls(linux, &namespaces)?,
            cgroup: linux.cgroups_path().as_ref().map(|path| path.to_string_lossy().into_owned()),
            resources: linux.resources().clone().unwrap_or_default(),
            devices,
            root_propagation: root_propagation(linux)?,
            hooks: spec.hooks().clone(),
            process: ProcessPlan {
                personality: personality(linux),
                ..ProcessPlan::new(process, linux.seccomp().as_ref())?
            },
            namespaces,
        })
    }
}

impl Plan {
    /// Whether the child makes this mount itself, in its place in the order. With a user namespace, the parent does what
    /// takes the host's root; and only the parent can look into another process's mount namespace.
    pub fn child_makes(&self, mount: &MountPlan) -> bool {
        let namespaces = &self.namespaces;
        // Another's mount namespace does not show what the specification speaks of.
        let privileged = namespaces.has(CloneFlags::CLONE_NEWNS) && !namespaces.own_users();
        match &mount.kind {
            Kind::New(_) | Kind::Cgroup => true,
            Kind::Dev => privileged,
            // A relative one may be a name that the parent alone understands.
            Kind::Bind { source, .. } => {
                privileged && source.is_absolute() && super::host::of_process(source).is_none()
            }
        }
    }
}

/// The mounts; where devices cannot be made, with one for each behind that of `/dev`.
fn mounts(spec: &Spec, devices: &[DevicePlan]) -> Result<Vec<MountPlan>, Error> {
    let mut plans = Vec::new();
    for mount in spec.mounts().iter().flatten() {
        let plan = MountPlan::parse(mount)?;
        let binds = match plan.kind {
            Kind::Dev if userns::nested() => dev::binds(&plan.destination, devices),
            _ => Vec::new(),
        };
        plans.push(plan);
        plans.extend(binds);
    }
    Ok(plans)
}

/// What this runtime or this kernel does not do.
fn refuse(spec: &Spec, linux: &Linux) -> Result<(), Error> {
    let unsupported = |what: &str| Err(Error::Unsupported(what.to_string()));
    if linux.intel_rdt().is_some() {
        return unsupported("linux.intelRdt");
    }
    if linux.mount_label().as_ref().is_some_and(|label| !label.is_empty()) && !has_selinux() {
        return unsupported("linux.mountLabel on a kernel without SELinux");
    }
    if spec.vm().is_some() {
        return unsupported("vm");
    }
    Ok(())
}

fn has_selinux() -> bool {
    std::path::Path::new("/sys/fs/selinux/enforce").exists()
}

fn has_apparmor() -> bool {
    std::path::Path::new("/sys/kernel/security/apparmor").exists()
        || std::path::Path::new("/proc/self/attr/apparmor/exec").exists()
}

fn root_propagation(linux: &Linux) -> Result<Option<(Propagation, bool)>, Error> {
    let Some(word) = linux.rootfs_propagation().as_deref().filter(|word| !word.is_empty()) else {
        return Ok(None);
    };
    let known = super::mount::propagation(word);
    let reason = format!("{word} is no propagation");
    known.map(Some).ok_or(Error::Spec { field: "linux.rootfsPropagation", reason })
}

fn time_offsets(linux: &Linux) -> String {
    let mut lines = String::new();
    for (clock, offset) in linux.time_offsets().iter().flatten() {
        let (seconds, nanos) = (offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0));
        lines.push_str(&format!("{clock} {seconds} {nanos}\n"));
    }
    lines
}

/// `PER_LINUX32` of `<sys/personality.h>`.
const PER_LINUX32: i32 = 0x0008;

fn personality(linux: &Linux) -> Option<Persona> {
    use oci_spec::runtime::LinuxPersonalityDomain as Domain;
    let domain = linux.personality().as_ref().map(|personality| personality.domain());
    domain.map(|domain| match domain {
        Domain::PerLinux => Persona::empty(),
        Domain::PerLinux32 => Persona::from_bits_retain(PER_LINUX32),
    })
}

/// Names of the host are the host's to set.
fn names_apart(spec: &Spec, namespaces: &Namespaces) -> Result<(), Error> {
    let names = [("hostname", spec.hostname()), ("domainname", spec.domainname())];
    match names.into_iter().find(|(_, name)| name.as_ref().is_some_and(|name| !name.is_empty())) {
        Some((field, _)) if !namespaces.apart(CloneFlags::CLONE_NEWUTS) => {
            let reason = "it would be the host's: there is no UTS namespace of its own".to_string();
            Err(Error::Spec { field, reason })
        }
        _ => Ok(()),
    }
}

/// Kernel parameters that a container may set where the namespace they belong to is not the host's: `net.*` and those of IPC and
/// UTS (sysctl(2)).
fn sysctls(linux: &Linux, namespaces: &Namespaces) -> Result<Vec<(PathBuf, String)>, Error> {
    let own = [
        ("net.", CloneFlags::CLONE_NEWNET, "network"),
        ("kernel.msg", CloneFlags::CLONE_NEWIPC, "IPC"),
        ("kernel.sem", CloneFlags::CLONE_NEWIPC, "IPC"),
        ("kernel.shm", CloneFlags::CLONE_NEWIPC, "IPC"),
        ("fs.mqueue.", CloneFlags::CLONE_NEWIPC, "IPC"),
        ("kernel.domainname", CloneFlags::CLONE_NEWUTS, "UTS"),
    ];
    let mut list = Vec::new();
    for (key, value) in linux.sysctl().iter().flatten() {
        let bad = |reason| Err(Error::Spec { field: "linux.sysctl", reason });
        let kind = own.iter().find(|(prefix, ..)| key.starts_with(prefix));
        let Some((_, flag, name)) = kind.filter(|_| !key.contains('/') && !key.contains("..")) else {
            return bad(format!("{key} is not a parameter of a namespace"));
        };
        if !namespaces.apart(*flag) {
            return bad(format!("{key} would be the host's: there is no {name} namespace of its own"));
        }
        list.push((PathBuf::from("/proc/sys").join(key.replace('.', "/")), value.clone()));
    }
    list.sort();
    Ok(list)
}

/// One process in a container: the first one, or one that joins later.
#[derive(Debug)]
pub struct ProcessPlan {
    /// Command and arguments; at least one.
    pub args: Vec<CString>,
    /// Environment.
    pub env: Vec<CString>,
    /// Absolute working directory.
    pub cwd: PathBuf,
    /// User id inside.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// File mode creation mask.
    pub umask: Option<u32>,
    /// Capability sets; all are left alone without.
    pub capabilities: Option<Capabilities>,
    /// Limits, which the parent sets.
    pub rlimits: Vec<PosixRlimit>,
    /// `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privileges: bool,
    /// For the out-of-memory killer.
    pub oom_score_adj: Option<i32>,
    /// How its processor time is scheduled.
    pub scheduler: Option<Scheduler>,
    /// `ioprio_set(2)`: class and priority in one number.
    pub io_priority: Option<u16>,
    /// `personality(2)`.
    pub personality: Option<Persona>,
    /// Name of its AppArmor profile.
    pub apparmor: Option<String>,
    /// Its SELinux label.
    pub selinux: Option<String>,
    /// Which system calls it may use; all without.
    pub seccomp: Option<Program>,
}

/// The five sets of capabilities(7).
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    /// What the process may use.
    pub effective: CapabilitySet,
    /// What it may make effective.
    pub permitted: CapabilitySet,
    /// What survives an exec of files that take it.
    pub inheritable: CapabilitySet,
    /// What can ever be gained.
    pub bounding: CapabilitySet,
    /// What survives an exec.
    pub ambient: CapabilitySet,
}

impl ProcessPlan {
    /// Reads a process, and its container's rules for system calls.
    ///
    /// # Errors
    /// [`Error::Spec`] or [`Error::Unsupported`].
    pub fn new(process: &Process, seccomp: Option<&LinuxSeccomp>) -> Result<ProcessPlan, Error> {
        let user = process.user();
        let args = strings("process.args", process.args().as_deref().unwrap_or_default())?;
        if args.is_empty() {
            return Err(Error::Spec { field: "process.args", reason: "there is no command".to_string() });
        }
        if !process.cwd().is_absolute() {
            let reason = format!("{} is not absolute", process.cwd().display());
            return Err(Error::Spec { field: "process.cwd", reason });
        }
        Ok(ProcessPlan {
            args,
            env: strings("process.env", process.env().as_deref().unwrap_or_default())?,
            cwd: process.cwd().clone(),
            uid: user.uid(),
            gid: user.gid(),
            groups: user.additional_gids().clone().unwrap_or_default(),
            umask: user.umask(),
            capabilities: process.capabilities().as_ref().map(Capabilities::new).transpose()?,
            rlimits: process.rlimits().clone().unwrap_or_default(),
            no_new_privileges: process.no_new_privileges().unwrap_or(false),
            oom_score_adj: process.oom_score_adj(),
            scheduler: process.scheduler().as_ref().map(schedule::scheduler).transpose()?,
            io_priority: process.io_priority().as_ref().map(schedule::io_priority).transpose()?,
            personality: None,
            apparmor: security_module(process.apparmor_profile(), has_apparmor(), "AppArmor")?,
            selinux: security_module(process.selinux_label(), has_selinux(), "SELinux")?,
            seccomp: seccomp.map(compile).transpose()?,
        })
    }
}

/// A label, where the kernel has the module that understands it.
fn security_module(label: &Option<String>, is_there: bool, name: &str) -> Result<Option<String>, Error> {
    match label.as_deref() {
        None | Some("") => Ok(None),
        Some(label) if is_there => Ok(Some(label.to_string())),
        Some(label) => Err(Error::Unsupported(format!("{name} (for {label}) on this kernel"))),
    }
}

impl Capabilities {
    fn new(sets: &oci_spec::runtime::LinuxCapabilities) -> Result<Capabilities, Error> {
        Ok(Capabilities {
            effective: set(sets.effective())?,
            permitted: set(sets.permitted())?,
            inheritable: set(sets.inheritable())?,
            bounding: set(sets.bounding())?,
            ambient: set(sets.ambient())?,
        })
    }
}

fn set(names: &Option<oci_spec::runtime::Capabilities>) -> Result<CapabilitySet, Error> {
    let mut set = CapabilitySet::empty();
    for name in names.iter().flatten() {
        let known = format!("CAP_{name}")
            .parse::<caps::Capability>()
            .map_err(|e| Error::Spec { field: "process.capabilities", reason: e.to_string() })?;
        set |= CapabilitySet::from_bits_retain(known.bitmask());
    }
    Ok(set)
}

fn strings(field: &'static str, list: &[String]) -> Result<Vec<CString>, Error> {
    let convert = |text: &String| {
        CString::new(text.as_bytes())
            .map_err(|_| Error::Spec { field, reason: format!("{text:?} holds a zero byte") })
    };
    list.iter().map(convert).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default_spec() -> Spec {
        Spec::default()
    }

    #[test]
    fn the_default_specification_is_readable() {
        let plan = Plan::new(&default_spec()).unwrap();
        assert_eq!(plan.process.args, [CString::from(c"sh")]);
        let capabilities = plan.process.capabilities.unwrap();
        assert!(capabilities.bounding.contains(CapabilitySet::KILL | CapabilitySet::NET_BIND_SERVICE));
        assert!(plan.uid_mappings.is_empty(), "no user namespace of its own, no maps");
    }

    #[test]
    fn a_parameter_of_the_whole_machine_is_refused() {
        let namespaces = |spec: &Spec| {
            let list = spec.linux().as_ref().and_then(|linux| linux.namespaces().clone());
            Namespaces::parse(&list.unwrap_or_default()).unwrap()
        };
        let all = namespaces(&default_spec());
        let none = Namespaces::parse(&[]).unwrap();
        let linux = |key: &str| {
            let mut linux = default_spec().linux().clone().unwrap();
            linux.set_sysctl(Some([(key.to_string(), "1".to_string())].into()));
            linux
        };
        for key in ["kernel.panic", "vm.swappiness", "net.ipv4/../../kernel/panic"] {
            assert!(sysctls(&linux(key), &all).is_err(), "{key}");
        }
        for key in ["net.ipv4.ip_forward", "kernel.shmmax", "fs.mqueue.msg_max", "kernel.domainname"] {
            assert!(sysctls(&linux(key), &all).is_ok(), "{key}");
            assert!(sysctls(&linux(key), &none).is_err(), "{key} of the host");
        }
    }

    #[test]
    fn a_command_is_needed_and_holds_no_zero() {
        let mut process = Process::default();
        process.set_args(Some(vec![]));
        assert!(ProcessPlan::new(&process, None).is_err());
        process.set_args(Some(vec!["a\0b".to_string()]));
        assert!(ProcessPlan::new(&process, None).is_err());
    }
}
