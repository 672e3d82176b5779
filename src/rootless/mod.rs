//! Working as an ordinary user: in a user namespace in which that user is root, and the ranges of `/etc/subuid` and
//! `/etc/subgid` are the other ids.
//!
//! A command that makes or removes files of images and containers enters such a namespace, with a mount namespace of
//! its own, before anything else. No process keeps one alive: each command makes its own, all with the same ids, and a
//! running container keeps the one it was started in. Who started it may join that at any time, as its owner.

mod map;
mod ranges;

use std::io;
use std::path::PathBuf;

use nix::sched::{CloneFlags, setns, unshare};

use map::Mapper;
use ranges::Ranges;
pub use ranges::{Range, engine_ranges};

/// What keeps a user from being root in a namespace.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel or its settings refuse.
    #[error(
        "this user may not make user namespaces (see the settings user.max_user_namespaces, \
         kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns)"
    )]
    Refused(#[source] io::Error),
    /// A program said why.
    #[error("cannot map the ids of /etc/subuid and /etc/subgid: {0}")]
    Map(String),
    /// There is but one id.
    #[error("the container needs ids beside this user's own: {0}")]
    NoRanges(String),
    /// A file of `/proc` could not be opened or written.
    #[error("cannot use {path}")]
    Proc {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A system call failed.
    #[error("cannot {0}")]
    System(&'static str, #[source] io::Error),
}

/// The namespace that was entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    /// One with the user's ranges of ids.
    Ranges,
    /// One with a single id, and why.
    Single(String),
}

/// Makes a user and a mount namespace and enters them, as their root. The caller must be single-threaded, and not root.
///
/// # Errors
/// When user namespaces are not to be had, or the ranges cannot be mapped; the process is then good for nothing else.
pub fn enter() -> Result<Entered, Error> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    match Ranges::of(uid) {
        Ok(ranges) => {
            let mapper = Mapper::start(ranges.arguments(uid, gid))?;
            leave_host()?;
            mapper.map()?;
            Ok(Entered::Ranges)
        }
        Err(reason) => {
            leave_host()?;
            map::single(uid, gid)?;
            Ok(Entered::Single(reason))
        }
    }
}

/// The same, where the user keeps its own ids and is not root, but may do all that root may.
///
/// # Errors
/// Those of [`enter`], and when the user has no ranges.
pub fn enter_keeping_ids() -> Result<(), Error> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let mapper = Mapper::start(Ranges::of(uid).map_err(Error::NoRanges)?.around(uid, gid))?;
    leave_host()?;
    mapper.map()?;
    keep_capabilities()
}

/// Who is not root loses its capabilities by an exec, unless they are ambient.
fn keep_capabilities() -> Result<(), Error> {
    let failed = |e: rustix::io::Errno| Error::System("keep its capabilities", e.into());
    let mut sets = rustix::thread::capabilities(None).map_err(failed)?;
    sets.inheritable = sets.permitted;
    rustix::thread::set_capabilities(None, sets).map_err(failed)?;
    for capability in sets.permitted.iter() {
        rustix::thread::configure_capability_in_ambient_set(capability, true).map_err(failed)?;
    }
    Ok(())
}

/// Enters the user namespace of a process, which this user made, and a mount namespace of its own there, as their root.
///
/// # Errors
/// When the process is gone, or its user namespace is another user's.
pub fn join(pid: i32) -> Result<(), Error> {
    let path = PathBuf::from(format!("/proc/{pid}/ns/user"));
    let proc = |source| Error::Proc { path: path.clone(), source };
    let namespace = std::fs::File::open(&path).map_err(proc)?;
    setns(namespace, CloneFlags::CLONE_NEWUSER).map_err(|e| proc(e.into()))?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(|e| Error::Refused(e.into()))?;
    own_again()?;
    if rustix::process::geteuid().is_root() { Ok(()) } else { keep_capabilities() }
}

fn leave_host() -> Result<(), Error> {
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(|e| Error::Refused(e.into()))?;
    own_again()
}

/// The change of privilege made this process's files in `/proc` the machine's root's.
fn own_again() -> Result<(), Error> {
    let dumpable = rustix::process::DumpableBehavior::Dumpable;
    rustix::process::set_dumpable_behavior(dumpable)
        .map_err(|e| Error::System("make this process the user's own again", e.into()))
}
