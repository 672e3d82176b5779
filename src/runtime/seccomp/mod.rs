//! Seccomp filters: an OCI `linux.seccomp` to a classic BPF program, made before the clone, installed right before the
//! command is executed.
//!
//! The meaning is that of libseccomp as runc uses it; see `docs/decisions/0011-seccomp.md` for where it differs. The
//! program finds a call by halving ranges of numbers that share a verdict, so that any call costs some eight
//! comparisons, or none where the kernel remembers that a call is always allowed.

mod arch;
mod bpf;
mod condition;
mod listener;
mod rules;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompFilterFlag as Flag};
use rustix::io::Errno;

use super::error::Error;
use crate::kernel::seccomp::{Flags, Instruction, MAX_INSTRUCTIONS, install};
use arch::{Convention, X32_BIT, conventions};
use bpf::{Code, Compare, branch, load, offset, ret, search};
use rules::{Rules, Verdict};

pub(super) use listener::Agent;

/// What is done with calls of an architecture that the specification does not name; libseccomp's choice.
const OTHER_ARCHITECTURE: u32 = libc::SECCOMP_RET_KILL_THREAD;

/// A filter, ready to be installed.
#[derive(Clone)]
pub struct Program {
    instructions: Vec<Instruction>,
    flags: Flags,
    listener: Option<Listener>,
}

/// Who is asked about calls whose action is `SCMP_ACT_NOTIFY`.
#[derive(Clone, Debug)]
struct Listener {
    /// Path of its socket.
    path: PathBuf,
    /// What it is told beside the container's state.
    metadata: Option<String>,
}

/// Translates a specification for this machine.
///
/// # Errors
/// [`Error::Spec`] for rules that make no sense or are too many, [`Error::Unsupported`] where this machine's calls are not
/// known.
pub fn compile(seccomp: &LinuxSeccomp) -> Result<Program, Error> {
    let rules = Rules::new(seccomp)?;
    let instructions = translate(seccomp, &rules, std::env::consts::ARCH)?;
    let listener = seccomp.listener_path().as_ref().filter(|_| rules.notifies);
    let listener =
        listener.map(|path| Listener { path: path.clone(), metadata: seccomp.listener_metadata().clone() });
    if rules.notifies && listener.is_none() {
        let reason = "SCMP_ACT_NOTIFY needs a listenerPath".to_string();
        return Err(Error::Spec { field: "linux.seccomp", reason });
    }
    let has = |flag| seccomp.flags().iter().flatten().any(|f| *f == flag);
    let flags = Flags {
        log: has(Flag::SeccompFilterFlagLog),
        spec_allow: has(Flag::SeccompFilterFlagSpecAllow),
        listener: listener.is_some(),
        wait_killable: has(Flag::SeccompFilterFlagWaitKillableRecv) && listener.is_some(),
    };
    Ok(Program { instructions, flags, listener })
}

/// The program for a kind of machine.
fn translate(seccomp: &LinuxSeccomp, rules: &Rules<'_>, machine: &str) -> Result<Code, Error> {
    let possible = conventions(machine);
    let Some(native) = possible.first() else {
        return Err(Error::Unsupported(format!("a seccomp filter on {machine}")));
    };
    let listed = seccomp.architectures().as_deref().unwrap_or_default();
    let is_named = |c: &&Convention| {
        // As libseccomp: the machine's own is always among them.
        c.arch == native.arch || listed.contains(&c.arch)
    };
    let named: Vec<&Convention> = possible.iter().filter(is_named).collect();
    let mut code = vec![ret(OTHER_ARCHITECTURE)];
    for convention in named.iter().rev().filter(|c| c.arch != Arch::ScmpArchX32) {
        let mut ranges = ranges_of(rules, convention);
        if convention.arch == Arch::ScmpArchX86_64 {
            let x32 = named.iter().find(|c| c.arch == Arch::ScmpArchX32);
            add_x32(&mut ranges, x32.map(|x32| ranges_of(rules, x32)));
        }
        let mut find = vec![load(offset::NUMBER)];
        find.extend(search(&ranges));
        code = branch(Compare::Eq, convention.audit, find, code);
    }
    code.insert(0, load(offset::ARCH));
    if code.len() > MAX_INSTRUCTIONS {
        let reason =
            format!("its program has {} instructions, the kernel takes {MAX_INSTRUCTIONS}", code.len());
        return Err(Error::Spec { field: "linux.seccomp", reason });
    }
    Ok(code)
}

/// Calls of x32 come as calls of x86-64 with a bit set.
fn add_x32(ranges: &mut Vec<(u32, Code)>, x32: Option<Vec<(u32, Code)>>) {
    if let Some(x32) = x32 {
        ranges.extend(x32.into_iter().map(|(number, code)| (number.max(X32_BIT), code)));
        return;
    }
    // As libseccomp: -1, with which tracers skip a call, is not one of x32.
    let newest = ranges.last().map(|(_, code)| (u32::MAX, code.clone()));
    ranges.push((X32_BIT, vec![ret(OTHER_ARCHITECTURE)]));
    ranges.extend(newest);
}

fn ranges_of(rules: &Rules<'_>, convention: &Convention) -> Vec<(u32, Code)> {
    let code = |verdict: Verdict| {
        let rules =
            verdict.rules.iter().flat_map(|(all, action)| condition::rule(all, *action, convention.wide));
        rules.chain([ret(verdict.otherwise)]).collect()
    };
    rules.ranges(convention).into_iter().map(|(number, verdict)| (number, code(verdict))).collect()
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Program { instructions, flags, listener } = self;
        write!(f, "Program({} instructions, {flags:?}, {listener:?})", instructions.len())
    }
}

impl Program {
    /// Installs the filter for this process and all that come of it, for ever; with the descriptor of its listener where
    /// it has one.
    ///
    /// # Errors
    /// Those of [`install`].
    pub fn install(&self) -> Result<Option<OwnedFd>, Errno> {
        install(&self.instructions, self.flags)
    }

    /// The same for a process whose calls no listener is asked about: they give `ENOSYS`.
    ///
    /// # Errors
    /// Those of [`install`].
    pub fn install_without_listener(&self) -> Result<(), Errno> {
        let flags = Flags { listener: false, wait_killable: false, ..self.flags };
        install(&self.instructions, flags).map(drop)
    }
}
