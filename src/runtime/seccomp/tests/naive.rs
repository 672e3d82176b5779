//! What a specification says of one call, read rule by rule.

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompOperator as Operator,
    LinuxSyscall,
};

use serde_json::json;

use super::machine::Call;
use crate::runtime::seccomp::arch::{Convention, conventions};

const ENOSYS: u32 = 0x0005_0026;

/// The verdict of libseccomp's and runc's rules.
pub fn decide(seccomp: &LinuxSeccomp, machine: &str, call: &Call) -> u32 {
    let listed = seccomp.architectures().clone().unwrap_or_default();
    let possible = conventions(machine);
    let x32 = call.audit == 0xc000_003e && (0x4000_0000..u32::MAX).contains(&call.number);
    let fits = |c: &&Convention| c.audit == call.audit && (c.arch == Arch::ScmpArchX32) == x32;
    let Some(convention) = possible.iter().find(fits) else { return 0 };
    if convention.arch != possible[0].arch && !listed.contains(&convention.arch) {
        return 0;
    }
    let calls = (convention.calls)();
    let name = calls.iter().find(|(number, _)| *number == call.number).map_or("", |(_, name)| *name);
    let default = seccomp.default_action().as_u32(seccomp.default_errno_ret());
    let mut candidates: Vec<(Vec<LinuxSeccompArg>, u32)> = Vec::new();
    for rule in seccomp.syscalls().iter().flatten() {
        let action = rule.action().as_u32(rule.errno_ret());
        if action == default || !rule.names().iter().any(|n| same(n, name)) {
            continue;
        }
        let args = rule.args().clone().unwrap_or_default();
        if args.is_empty() {
            return action;
        }
        let repeated = args.iter().any(|a| args.iter().filter(|b| a.index() == b.index()).count() > 1);
        match repeated {
            true => candidates.extend(args.into_iter().map(|arg| (vec![arg], action))),
            false => candidates.push((args, action)),
        }
    }
    if name == "socketcall" {
        candidates.extend(socket_rule(seccomp, default));
    }
    candidates.retain(|(args, _)| args.iter().all(|arg| holds(arg, convention.wide, call)));
    // Of those that hold, the first that no more general one stands above.
    let general = |(args, _): &&(Vec<LinuxSeccompArg>, u32)| {
        !candidates
            .iter()
            .any(|(other, _)| other.len() < args.len() && other.iter().all(|a| args.contains(a)))
    };
    if let Some((_, action)) = candidates.iter().find(general) {
        return *action;
    }
    let known = |n: &str| seccomp.syscalls().iter().flatten().any(|r| r.names().iter().any(|m| same(m, n)));
    let last = calls.iter().filter(|(_, n)| known(n)).map(|(number, _)| *number).max();
    let permissive = [Action::ScmpActAllow, Action::ScmpActLog, Action::ScmpActTrace];
    match last {
        Some(last) if call.number > last && !permissive.contains(&seccomp.default_action()) => ENOSYS,
        _ => default,
    }
}

/// What is said of socket without conditions is said of socketcall's number 1.
fn socket_rule(seccomp: &LinuxSeccomp, default: u32) -> Option<(Vec<LinuxSeccompArg>, u32)> {
    let code = json!({"index": 0, "value": 0xffff, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"});
    let code = serde_json::from_value(code).unwrap();
    let plain = |rule: &&LinuxSyscall| rule.args().as_deref().unwrap_or_default().is_empty();
    let rules = seccomp.syscalls().iter().flatten().filter(plain);
    let actions = rules.filter(|r| r.names().iter().any(|n| n == "socket"));
    let action = actions.map(|r| r.action().as_u32(r.errno_ret())).find(|a| *a != default)?;
    Some((vec![code], action))
}

/// The kernel's header for 64-bit ARM has another name for one call.
fn same(wanted: &str, name: &str) -> bool {
    wanted == name || (wanted == "newfstatat" && name == "fstatat")
}

fn holds(condition: &LinuxSeccompArg, wide: bool, call: &Call) -> bool {
    let half = |value: u64| if wide { value } else { value & 0xffff_ffff };
    let arg = half(call.args[condition.index()]);
    let (value, second) = (half(condition.value()), half(condition.value_two().unwrap_or(0)));
    match condition.op() {
        Operator::ScmpCmpNe => arg != value,
        Operator::ScmpCmpLt => arg < value,
        Operator::ScmpCmpLe => arg <= value,
        Operator::ScmpCmpEq => arg == value,
        Operator::ScmpCmpGe => arg >= value,
        Operator::ScmpCmpGt => arg > value,
        Operator::ScmpCmpMaskedEq => arg & value == second,
    }
}
