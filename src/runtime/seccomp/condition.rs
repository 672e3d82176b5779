//! Conditions on a call's arguments, and code for them.

use oci_spec::runtime::{LinuxSeccompArg, LinuxSeccompOperator as Operator};

use super::bpf::{Code, Compare, and, jump, load, offset, ret};
use crate::runtime::error::Error;

/// Arguments of a call.
const ARGUMENTS: usize = 6;

/// A condition on one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// Which argument, from 0 to 5.
    pub index: u32,
    /// What it says.
    pub test: Test,
}

/// What a condition says of an argument, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Eq(u64),
    Ne(u64),
    Gt(u64),
    Ge(u64),
    Lt(u64),
    Le(u64),
    /// The argument, masked with the first, is the second.
    Masked(u64, u64),
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// [`Error::Spec`] when there is no such argument.
    pub fn new(arg: &LinuxSeccompArg) -> Result<Condition, Error> {
        if arg.index() >= ARGUMENTS {
            let reason = format!("a call has no argument {}; they go from 0 to 5", arg.index());
            return Err(Error::Spec { field: "linux.seccomp.syscalls.args", reason });
        }
        let value = arg.value();
        let test = match arg.op() {
            Operator::ScmpCmpEq => Test::Eq(value),
            Operator::ScmpCmpNe => Test::Ne(value),
            Operator::ScmpCmpGt => Test::Gt(value),
            Operator::ScmpCmpGe => Test::Ge(value),
            Operator::ScmpCmpLt => Test::Lt(value),
            Operator::ScmpCmpLe => Test::Le(value),
            Operator::ScmpCmpMaskedEq => Test::Masked(value, arg.value_two().unwrap_or(0)),
        };
        Ok(Condition { index: arg.index() as u32, test })
    }

    /// Falls through where it holds; else skips what follows the code, and `rest` instructions of that.
    fn code(self, wide: bool, rest: u8) -> Code {
        if wide { self.wide(rest) } else { self.narrow(rest) }
    }

    fn wide(self, rest: u8) -> Code {
        use Compare::{Eq, Ge, Gt};
        let (high, low) = (load(offset::high(self.index)), load(offset::low(self.index)));
        let upper = |value: u64| (value >> 32) as u32;
        let lower = |value: u64| value as u32;
        match self.test {
            Test::Eq(v) => vec![high, jump(Eq, upper(v), 0, rest + 2), low, jump(Eq, lower(v), 0, rest)],
            Test::Ne(v) => vec![high, jump(Eq, upper(v), 0, 2), low, jump(Eq, lower(v), rest, 0)],
            Test::Gt(v) | Test::Ge(v) => {
                let compare = if matches!(self.test, Test::Gt(_)) { Gt } else { Ge };
                let more = jump(Gt, upper(v), 3, 0);
                vec![high, more, jump(Eq, upper(v), 0, rest + 2), low, jump(compare, lower(v), 0, rest)]
            }
            Test::Lt(v) | Test::Le(v) => {
                let compare = if matches!(self.test, Test::Le(_)) { Gt } else { Ge };
                let more = jump(Gt, upper(v), rest + 3, 0);
                vec![high, more, jump(Eq, upper(v), 0, 2), low, jump(compare, lower(v), rest, 0)]
            }
            Test::Masked(mask, v) => {
                let first = [high, and(upper(mask)), jump(Eq, upper(v), 0, rest + 3)];
                let second = [low, and(lower(mask)), jump(Eq, lower(v), 0, rest)];
                [first, second].concat()
            }
        }
    }

    /// For architectures of 32 bits, whose arguments have no upper half: as libseccomp, the value's is not looked at.
    fn narrow(self, rest: u8) -> Code {
        use Compare::{Eq, Ge, Gt};
        let low = load(offset::low(self.index));
        let test = match self.test {
            Test::Eq(v) => jump(Eq, v as u32, 0, rest),
            Test::Ne(v) => jump(Eq, v as u32, rest, 0),
            Test::Gt(v) => jump(Gt, v as u32, 0, rest),
            Test::Ge(v) => jump(Ge, v as u32, 0, rest),
            Test::Lt(v) => jump(Ge, v as u32, rest, 0),
            Test::Le(v) => jump(Gt, v as u32, rest, 0),
            Test::Masked(mask, v) => return vec![low, and(mask as u32), jump(Eq, v as u32, 0, rest)],
        };
        vec![low, test]
    }
}

/// Ends with `action` where all conditions hold, else goes on with what follows. At most six conditions of at most six
/// instructions, so every jump is short.
pub(super) fn rule(conditions: &[Condition], action: u32, wide: bool) -> Code {
    let mut code = vec![ret(action)];
    for condition in conditions.iter().rev() {
        let mut longer = condition.code(wide, code.len() as u8);
        longer.extend(code);
        code = longer;
    }
    code
}
