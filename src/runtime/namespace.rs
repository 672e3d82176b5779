//! Which namespaces a container gets: new ones by `clone3`, existing ones by their file.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;

use nix::sched::{CloneFlags, setns};
use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType};

use super::error::Error;
use crate::kernel::userns;

/// The namespaces of a container.
#[derive(Debug)]
pub struct Namespaces {
    /// New ones, as `CLONE_NEW…` bits.
    new: u64,
    /// Existing ones, which the parent enters for the moment of the clone, or the child where the parent could not come back.
    join: Vec<(PathBuf, CloneFlags)>,
    /// An existing user namespace, which the child enters.
    pub user: Option<PathBuf>,
    /// Offsets of a new time namespace's clocks; none without one.
    time: Option<String>,
    /// New ones that the child makes later: a cgroup namespace when it is in its group, an IPC namespace when it is the
    /// container's root, who then owns the message queues in it.
    pub later: CloneFlags,
}

impl Namespaces {
    /// Reads `linux.namespaces`.
    ///
    /// # Errors
    /// When a type stands twice.
    pub fn parse(list: &[LinuxNamespace]) -> Result<Namespaces, Error> {
        let mut namespaces =
            Namespaces { new: 0, join: Vec::new(), user: None, time: None, later: CloneFlags::empty() };
        let mut seen = Vec::new();
        for namespace in list {
            if seen.contains(&namespace.typ()) {
                let reason = format!("{} stands twice", namespace.typ());
                return Err(Error::Spec { field: "linux.namespaces", reason });
            }
            seen.push(namespace.typ());
            namespaces.add(namespace)?;
        }
        Ok(namespaces)
    }

    fn add(&mut self, namespace: &LinuxNamespace) -> Result<(), Error> {
        let flag = flag_of(namespace.typ());
        match namespace.path() {
            // Whoever enters it cannot come back, so the child does.
            Some(path) if flag == CloneFlags::CLONE_NEWUSER => {
                self.user = Some(path.clone());
                Ok(())
            }
            Some(path) => {
                self.join.push((path.clone(), flag));
                Ok(())
            }
            None if flag.intersects(CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWIPC) => {
                self.later |= flag;
                Ok(())
            }
            // Its clocks are set before the first process is in it.
            None if namespace.typ() == LinuxNamespaceType::Time => {
                self.time = Some(String::new());
                Ok(())
            }
            None => {
                self.new |= flag.bits() as u32 as u64;
                Ok(())
            }
        }
    }

    /// Sets the clocks of a new time namespace (time_namespaces(7), `timens_offsets`).
    pub fn set_time_offsets(&mut self, lines: &str) {
        if let Some(time) = &mut self.time {
            *time = lines.to_string();
        }
    }

    /// Whether a new namespace of this type is made.
    pub fn has(&self, flag: CloneFlags) -> bool {
        self.new & (flag.bits() as u32 as u64) != 0
    }

    /// Whether it has another namespace of this type than its runtime: a new one, or an existing one that is not this process's
    /// own under another name.
    pub fn apart(&self, flag: CloneFlags) -> bool {
        let made = self.has(flag) || self.later.contains(flag);
        made || self.join.iter().any(|(path, joined)| *joined == flag && !is_own(path, flag))
    }

    /// Whether it has another user namespace than its runtime.
    pub fn own_users(&self) -> bool {
        self.has(CloneFlags::CLONE_NEWUSER) || self.user.is_some()
    }

    /// Whether it goes into existing namespaces from which this process could not come back: the ones that it is in belong to
    /// the machine's root, who this is not.
    pub fn leaves_for_good(&self) -> bool {
        userns::nested() && !self.join.is_empty()
    }

    /// Whether a first process enters existing namespaces, and the container's own is born there.
    pub fn in_two_steps(&self) -> bool {
        self.user.is_some() || self.leaves_for_good()
    }

    /// Whether it goes into an existing mount namespace.
    pub fn joins_mounts(&self) -> bool {
        self.join.iter().any(|(_, flag)| *flag == CloneFlags::CLONE_NEWNS)
    }

    /// The flags for `clone3`.
    pub fn clone_flags(&self) -> u64 {
        self.new
    }

    /// Enters the existing namespaces that are to be joined; what comes back leads home. The child does not go home.
    ///
    /// # Errors
    /// [`Error::Namespace`] when one cannot be entered; those entered before are left again.
    pub fn enter(&self) -> Result<Home, Error> {
        let mut home = Home { namespaces: Vec::new(), cwd: None };
        if self.joins_mounts() {
            home.cwd = Some(open(&PathBuf::from("."))?);
        }
        for (path, flag) in &self.join {
            let own = PathBuf::from(format!("/proc/self/ns/{}", file_of(*flag)));
            let entered = open(&own).and_then(|file| {
                home.namespaces.push((own, file, *flag));
                enter(&open(path)?, path, *flag)
            });
            if let Err(error) = entered {
                home.go()?;
                return Err(error);
            }
        }
        if let Some(offsets) = &self.time
            && let Err(error) = new_time(&mut home, offsets)
        {
            home.go()?;
            return Err(error);
        }
        Ok(home)
    }
}

/// Has the next child be born in a time namespace of its own.
fn new_time(home: &mut Home, offsets: &str) -> Result<(), Error> {
    let flag = CloneFlags::from_bits_retain(libc::CLONE_NEWTIME);
    let own = PathBuf::from("/proc/self/ns/time_for_children");
    // This process never left its own.
    let file = open(&PathBuf::from("/proc/self/ns/time"))?;
    nix::sched::unshare(flag).map_err(|e| Error::Namespace { path: own.clone(), source: e.into() })?;
    home.namespaces.push((own, file, flag));
    if offsets.is_empty() {
        return Ok(());
    }
    std::fs::write("/proc/self/timens_offsets", offsets).map_err(Error::proc("/proc/self/timens_offsets"))
}

/// The way back to the namespaces that this process came from.
#[derive(Debug)]
pub struct Home {
    namespaces: Vec<(PathBuf, File, CloneFlags)>,
    /// A mount namespace that is entered is entered at its root.
    cwd: Option<File>,
}

impl Home {
    /// Goes back.
    ///
    /// # Errors
    /// [`Error::Namespace`].
    pub fn go(self) -> Result<(), Error> {
        self.namespaces.iter().try_for_each(|(path, file, flag)| enter(file, path, *flag))?;
        match &self.cwd {
            Some(cwd) => rustix::process::fchdir(cwd)
                .map_err(|e| Error::Namespace { path: PathBuf::from("."), source: e.into() }),
            None => Ok(()),
        }
    }
}

fn open(path: &PathBuf) -> Result<File, Error> {
    File::open(path).map_err(|source| Error::Namespace { path: path.clone(), source })
}

fn enter(namespace: &File, path: &std::path::Path, flag: CloneFlags) -> Result<(), Error> {
    setns(namespace.as_fd(), flag).map_err(|e| Error::Namespace { path: path.into(), source: e.into() })
}

/// Whether this file is the namespace that this process is in. One that cannot be found cannot be entered either, which tells
/// more.
fn is_own(path: &std::path::Path, flag: CloneFlags) -> bool {
    let same = |a: rustix::fs::Stat, b: rustix::fs::Stat| (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino);
    let own = rustix::fs::stat(format!("/proc/self/ns/{}", file_of(flag)));
    rustix::fs::stat(path).ok().zip(own.ok()).is_some_and(|(a, b)| same(a, b))
}

fn flag_of(kind: LinuxNamespaceType) -> CloneFlags {
    match kind {
        LinuxNamespaceType::Mount => CloneFlags::CLONE_NEWNS,
        LinuxNamespaceType::Cgroup => CloneFlags::CLONE_NEWCGROUP,
        LinuxNamespaceType::Uts => CloneFlags::CLONE_NEWUTS,
        LinuxNamespaceType::Ipc => CloneFlags::CLONE_NEWIPC,
        LinuxNamespaceType::User => CloneFlags::CLONE_NEWUSER,
        LinuxNamespaceType::Pid => CloneFlags::CLONE_NEWPID,
        LinuxNamespaceType::Network => CloneFlags::CLONE_NEWNET,
        LinuxNamespaceType::Time => CloneFlags::from_bits_retain(libc::CLONE_NEWTIME),
    }
}

fn file_of(flag: CloneFlags) -> &'static str {
    match flag {
        CloneFlags::CLONE_NEWCGROUP => "cgroup",
        CloneFlags::CLONE_NEWUTS => "uts",
        CloneFlags::CLONE_NEWIPC => "ipc",
        CloneFlags::CLONE_NEWPID => "pid_for_children",
        CloneFlags::CLONE_NEWNET => "net",
        CloneFlags::CLONE_NEWNS => "mnt",
        _ => "time_for_children",
    }
}
