//! What a specification says about each call, as libseccomp and runc read it.

use std::collections::HashMap;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction as Action, LinuxSyscall};

use super::arch::{ARM_PRIVATE, Convention, MULTIPLEXED, X32_BIT, alias};
use super::condition::{Condition, Test};
use crate::runtime::error::Error;

/// Largest `errno(3)` that the kernel returns (`MAX_ERRNO`); it would take larger ones for this.
const MAX_ERRNO: u32 = 4095;
/// Largest number that goes with an action (`SECCOMP_RET_DATA`).
const MAX_DATA: u32 = 0xffff;
/// What a call that does not exist gives.
const MISSING: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
/// The call through which the child hands the listener to the parent.
const HANDING_OVER: &str = "sendmsg";

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The first of these whose conditions all hold decides, by a value of `SECCOMP_RET_…`.
    pub rules: Vec<(Vec<Condition>, u32)>,
    /// What is done when none does.
    pub otherwise: u32,
}

impl Verdict {
    /// The same for any arguments.
    pub fn always(action: u32) -> Verdict {
        Verdict { rules: Vec::new(), otherwise: action }
    }
}

/// All rules of a specification, by the call's name.
pub(super) struct Rules<'a> {
    default: u32,
    entries: Vec<Entry>,
    /// Which entries name a call. It stays known if all that is said of it is the default.
    by_name: HashMap<&'a str, Vec<usize>>,
    unknown_is_missing: bool,
    /// Whether any call is handed to a listener.
    pub notifies: bool,
}

struct Entry {
    action: u32,
    /// Holds if any of these does; each is a list of conditions that must all hold.
    alternatives: Vec<Vec<Condition>>,
}

impl<'a> Rules<'a> {
    /// Reads the rules.
    ///
    /// # Errors
    /// [`Error::Spec`] for what cannot be meant.
    pub fn new(seccomp: &'a LinuxSeccomp) -> Result<Rules<'a>, Error> {
        let action = seccomp.default_action();
        if action == Action::ScmpActNotify {
            return Err(
                bad("SCMP_ACT_NOTIFY cannot be the default: nobody could answer in time".to_string()),
            );
        }
        let default = value(action, seccomp.default_errno_ret())?;
        // A tracer answers for calls that it does not know.
        let permissive = matches!(action, Action::ScmpActAllow | Action::ScmpActLog | Action::ScmpActTrace);
        let mut rules = Rules {
            default,
            entries: Vec::new(),
            by_name: HashMap::new(),
            unknown_is_missing: !permissive,
            notifies: false,
        };
        for syscall in seccomp.syscalls().iter().flatten() {
            rules.add(syscall)?;
        }
        Ok(rules)
    }

    fn add(&mut self, syscall: &'a LinuxSyscall) -> Result<(), Error> {
        let action = value(syscall.action(), syscall.errno_ret())?;
        if syscall.action() == Action::ScmpActNotify {
            self.notifies = true;
            if syscall.names().iter().any(|name| name == HANDING_OVER) {
                let reason =
                    format!("SCMP_ACT_NOTIFY cannot be used for {HANDING_OVER}: it hands the listener over");
                return Err(bad(reason));
            }
        }
        let alternatives = alternatives(syscall)?;
        // What says the same as the default says nothing: a rule with conditions may say more of the same call.
        let entry = (action != self.default).then_some(self.entries.len());
        for name in syscall.names() {
            self.by_name.entry(name).or_default().extend(entry);
        }
        if entry.is_some() {
            self.entries.push(Entry { action, alternatives });
        }
        Ok(())
    }

    /// Verdicts by number, for a convention: each holds from its number to the next one's, the first from 0.
    pub fn ranges(&self, convention: &Convention) -> Vec<(u32, Verdict)> {
        let calls = (convention.calls)();
        let mut newest = calls.iter().rev().filter(|(number, _)| number & !X32_BIT < ARM_PRIVATE);
        let last = newest.find(|(_, name)| self.named(name).is_some()).map(|(number, _)| *number);
        // As runc: a call newer than all that the author of the rules knew of is missing rather than forbidden, so that
        // libraries fall back to older ones.
        let otherwise = |number| match last {
            Some(last) if number > last && self.unknown_is_missing && number & !X32_BIT < ARM_PRIVATE => {
                MISSING
            }
            _ => self.default,
        };
        let mut ranges = vec![(0, Verdict::always(otherwise(0)))];
        let mut next = 0;
        for (number, name) in calls {
            if number > next {
                begin(&mut ranges, next, Verdict::always(otherwise(next)));
            }
            begin(&mut ranges, number, self.verdict(name, otherwise(number)));
            next = number + 1;
        }
        begin(&mut ranges, next, Verdict::always(otherwise(next)));
        ranges
    }

    /// The entries that name a call by any of its names; nothing if the specification does not know it.
    fn named(&self, name: &str) -> Option<impl Iterator<Item = &Entry>> {
        let (one, other) = (self.by_name.get(name), alias(name).and_then(|alias| self.by_name.get(alias)));
        let known = one.is_some() || other.is_some();
        known.then(|| one.into_iter().chain(other).flatten().map(|entry| &self.entries[*entry]))
    }

    fn verdict(&self, name: &str, otherwise: u32) -> Verdict {
        let mut rules: Vec<(Vec<Condition>, u32)> = Vec::new();
        for entry in self.named(name).into_iter().flatten() {
            for conditions in &entry.alternatives {
                // As libseccomp: what is said of a call without conditions is the last word, whatever the order.
                if conditions.is_empty() {
                    return Verdict::always(entry.action);
                }
                rules.push((conditions.clone(), entry.action));
            }
        }
        if matches!(name, "socketcall" | "ipc") {
            rules.extend(self.multiplexed(name));
        }
        Verdict { rules: without_special_cases(rules), otherwise }
    }

    /// What is said of the calls that an old interface does. Their arguments are in memory, where no filter sees them: only
    /// what is said without conditions counts.
    fn multiplexed(&self, interface: &str) -> impl Iterator<Item = (Vec<Condition>, u32)> {
        let calls = MULTIPLEXED.iter().filter(move |(by, ..)| *by == interface);
        calls.filter_map(|(_, call, code)| {
            let entry = self.named(call)?.find(|entry| entry.alternatives == [[]])?;
            // The upper half of ipc's number is a version.
            let condition = Condition { index: 0, test: Test::Masked(0xffff, u64::from(*code)) };
            Some((vec![condition], entry.action))
        })
    }
}

/// Begins a range; one that agrees with its neighbour becomes part of it. Numbers ascend.
fn begin(ranges: &mut Vec<(u32, Verdict)>, number: u32, verdict: Verdict) {
    match ranges.last_mut() {
        Some((_, last)) if *last == verdict => {}
        Some((first, last)) if *first == number => *last = verdict,
        _ => ranges.push((number, verdict)),
    }
}

/// As libseccomp: a rule decides alone over what it covers; one that only adds conditions to it counts for nothing.
fn without_special_cases(rules: Vec<(Vec<Condition>, u32)>) -> Vec<(Vec<Condition>, u32)> {
    let covers = |general: &[Condition], special: &[Condition]| general.iter().all(|c| special.contains(c));
    let is_special = |at: usize| {
        let conditions = &rules[at].0;
        rules.iter().enumerate().any(|(other, (general, _))| {
            other != at && covers(general, conditions) && (other < at || general.len() < conditions.len())
        })
    };
    let kept = (0..rules.len()).filter(|at| !is_special(*at)).collect::<Vec<_>>();
    kept.into_iter().map(|at| rules[at].clone()).collect()
}

/// As runc: conditions all must hold, unless several are on the same argument; then any of them suffices.
fn alternatives(syscall: &LinuxSyscall) -> Result<Vec<Vec<Condition>>, Error> {
    let args = syscall.args().as_deref().unwrap_or_default();
    let conditions: Vec<Condition> = args.iter().map(Condition::new).collect::<Result<_, _>>()?;
    let twice = |at: usize| conditions[..at].iter().any(|c| c.index == conditions[at].index);
    if (0..conditions.len()).any(twice) {
        return Ok(conditions.into_iter().map(|condition| vec![condition]).collect());
    }
    Ok(vec![conditions])
}

/// The kernel's value for an action.
fn value(action: Action, data: Option<u32>) -> Result<u32, Error> {
    let most = match action {
        Action::ScmpActErrno => MAX_ERRNO,
        Action::ScmpActTrace => MAX_DATA,
        _ if data.is_some() => return Err(bad(format!("{action} takes no errnoRet"))),
        _ => 0,
    };
    match data {
        Some(data) if data > most => Err(bad(format!("errnoRet {data} of {action} is more than {most}"))),
        data => Ok(action.as_u32(data)),
    }
}

fn bad(reason: String) -> Error {
    Error::Spec { field: "linux.seccomp", reason }
}
