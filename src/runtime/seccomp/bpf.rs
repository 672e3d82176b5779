//! Pieces of a classic BPF program. All jumps are relative and go forward, so pieces are put together by concatenation.

use crate::kernel::seccomp::Instruction;

/// A piece of a program.
pub(super) type Code = Vec<Instruction>;

/// A comparison of the accumulator with a constant, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// Equal.
    Eq,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

/// Offsets in the kernel's `struct seccomp_data` (`include/uapi/linux/seccomp.h`), in bytes.
pub(super) mod offset {
    /// The call's number.
    pub const NUMBER: u32 = 0;
    /// The architecture whose convention the caller used.
    pub const ARCH: u32 = 4;
    const ARGUMENTS: u32 = 16;
    const SECOND_HALF: u32 = 4;

    /// The lower half of an argument.
    pub const fn low(index: u32) -> u32 {
        ARGUMENTS + 8 * index + if cfg!(target_endian = "big") { SECOND_HALF } else { 0 }
    }

    /// The upper half of an argument.
    pub const fn high(index: u32) -> u32 {
        ARGUMENTS + 8 * index + if cfg!(target_endian = "big") { 0 } else { SECOND_HALF }
    }
}

const fn code(bits: u32) -> u16 {
    bits as u16
}

/// Loads a word of the call's description.
pub(super) fn load(offset: u32) -> Instruction {
    Instruction { code: code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS), jt: 0, jf: 0, k: offset }
}

/// Masks the accumulator.
pub(super) fn and(mask: u32) -> Instruction {
    Instruction { code: code(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K), jt: 0, jf: 0, k: mask }
}

/// Ends with a verdict.
pub(super) fn ret(action: u32) -> Instruction {
    Instruction { code: code(libc::BPF_RET | libc::BPF_K), jt: 0, jf: 0, k: action }
}

/// Skips `jt` instructions if the comparison holds, else `jf`.
pub(super) fn jump(compare: Compare, k: u32, jt: u8, jf: u8) -> Instruction {
    let operation = match compare {
        Compare::Eq => libc::BPF_JEQ,
        Compare::Gt => libc::BPF_JGT,
        Compare::Ge => libc::BPF_JGE,
    };
    Instruction { code: code(libc::BPF_JMP | operation | libc::BPF_K), jt, jf, k }
}

fn skip(count: u32) -> Instruction {
    Instruction { code: code(libc::BPF_JMP | libc::BPF_JA), jt: 0, jf: 0, k: count }
}

/// Goes on with `yes` if the comparison holds, else with `no`. Both end with a verdict on every way. A comparison jumps
/// over 255 instructions at most; what is farther away takes a jump of its own.
pub(super) fn branch(compare: Compare, k: u32, yes: Code, no: Code) -> Code {
    let mut all = Code::with_capacity(yes.len() + no.len() + 2);
    match u8::try_from(no.len()) {
        Ok(distance) => all.push(jump(compare, k, distance, 0)),
        Err(_) => all.extend([jump(compare, k, 0, 1), skip(no.len() as u32)]),
    }
    all.extend(no);
    all.extend(yes);
    all
}

/// Finds the accumulator's value among ranges by halving. Each range begins at its number and ends where the next one
/// begins; the first covers everything below as well. Nothing is allowed if there is no range.
pub(super) fn search(ranges: &[(u32, Code)]) -> Code {
    match ranges {
        [] => vec![ret(libc::SECCOMP_RET_KILL_THREAD)],
        [(_, code)] => code.clone(),
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            branch(Compare::Ge, high[0].0, search(high), search(low))
        }
    }
}
