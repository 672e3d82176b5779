//! Which system calls a container may use.

mod calls;
mod profile;

use oci_spec::runtime::{
    Arch, Capabilities, Capability, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg,
    LinuxSeccompArgBuilder, LinuxSeccompBuilder, LinuxSeccompOperator as Operator, LinuxSyscall,
    LinuxSyscallBuilder,
};

use crate::container::error::Error;
use crate::container::security::Seccomp;
use calls::{ALWAYS, LAST_FAMILY, NEW_NAMESPACES, PERSONALITIES, WITH};

pub use profile::Profile;

/// The rules that a user asked for, for a container with these capabilities in its bounding set; none for an unconfined
/// one.
///
/// # Errors
/// When a profile cannot be applied to this machine.
pub fn rules(wanted: &Seccomp, capabilities: &Capabilities) -> Result<Option<LinuxSeccomp>, Error> {
    match wanted {
        Seccomp::Default => default(capabilities).map(Some),
        Seccomp::Unconfined => Ok(None),
        Seccomp::Profile(profile) => profile.rules(capabilities).map(Some),
    }
}

/// The rules of containers that ask for none: what is not listed gives `EPERM`.
fn default(capabilities: &Capabilities) -> Result<LinuxSeccomp, Error> {
    let has = |capability| capabilities.contains(&capability);
    let mut names: Vec<String> = ALWAYS.iter().flat_map(|list| words(list)).collect();
    for (_, list) in WITH.iter().filter(|(capability, _)| has(*capability)) {
        names.extend(words(list));
    }
    let mut rules = vec![rule(names, Action::ScmpActAllow).build()?];
    for persona in PERSONALITIES {
        rules.push(allow_if("personality", arg(0, persona, Operator::ScmpCmpEq)?)?);
    }
    rules.push(allow_if("socket", arg(0, LAST_FAMILY, Operator::ScmpCmpLe)?)?);
    if !has(Capability::SysAdmin) {
        // On s390x, stack and flags change places (clone(2)).
        let flags = if cfg!(target_arch = "s390x") { 1 } else { 0 };
        rules.push(allow_if("clone", arg(flags, NEW_NAMESPACES, Operator::ScmpCmpMaskedEq)?)?);
        // Its flags are in memory, where no filter sees them. Libraries use clone where this is missing.
        let missing = rule(words("clone3").collect(), Action::ScmpActErrno).errno_ret(libc::ENOSYS as u32);
        rules.push(missing.build()?);
    }
    let rules = LinuxSeccompBuilder::default()
        .default_action(Action::ScmpActErrno)
        .default_errno_ret(libc::EPERM as u32)
        .architectures(architectures(std::env::consts::ARCH))
        .syscalls(rules);
    Ok(rules.build()?)
}

/// All calling conventions of a machine.
fn architectures(machine: &str) -> Vec<Arch> {
    match machine {
        "x86_64" => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32],
        "aarch64" => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        _ => Vec::new(),
    }
}

fn words(list: &str) -> impl Iterator<Item = String> {
    list.split_ascii_whitespace().map(String::from)
}

fn rule(names: Vec<String>, action: Action) -> LinuxSyscallBuilder {
    LinuxSyscallBuilder::default().names(names).action(action)
}

fn allow_if(name: &str, arg: LinuxSeccompArg) -> Result<LinuxSyscall, Error> {
    Ok(rule(vec![name.to_string()], Action::ScmpActAllow).args(vec![arg]).build()?)
}

/// A condition; with `MASKED_EQ`, that no bit of the value is set.
fn arg(index: usize, value: u64, op: Operator) -> Result<LinuxSeccompArg, Error> {
    Ok(LinuxSeccompArgBuilder::default().index(index).value(value).value_two(0u64).op(op).build()?)
}

#[cfg(test)]
mod tests;
