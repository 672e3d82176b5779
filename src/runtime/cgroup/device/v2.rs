//! Device rules on v2: a program that the kernel asks at each open and mknod (`BPF_PROG_TYPE_CGROUP_DEVICE`).

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use super::super::error::{Error, Result};
use super::sys::{self, Instruction};
use super::{Access, Exception, Kind};

/// Types of devices in the program's input (`BPF_DEVCG_DEV_*`).
const BLOCK: i32 = 1;
const CHAR: i32 = 2;

/// Gives a group its device rules; those that it had go, when the new ones stand.
pub fn apply(dir: &Path, access: &Access, fresh: bool) -> Result<()> {
    let failed = |operation| {
        let path = dir.to_path_buf();
        move |source| Error::Bpf { operation, path, source }
    };
    let group = File::open(dir).map_err(Error::io("open", dir))?;
    let old = if fresh { Vec::new() } else { sys::attached(group.as_fd()).map_err(failed("find"))? };
    let program = sys::load(&program(access)).map_err(failed("load"))?;
    sys::attach(group.as_fd(), program.as_fd()).map_err(failed("attach"))?;
    for id in old {
        sys::detach(group.as_fd(), id).map_err(failed("detach"))?;
    }
    Ok(())
}

/// The program: the first exception that fits decides, else the default.
fn program(access: &Access) -> Vec<Instruction> {
    use Instruction as I;
    // r1 points to access and type (16 bits each), major, minor; r2 type, r3 access, r4 major, r5 minor.
    let mut program = vec![
        I::load(2, 1, 0),
        I::copy(3, 2),
        I::and(2, 0xffff),
        I::shift_right(3, 16),
        I::load(4, 1, 4),
        I::load(5, 1, 8),
    ];
    for exception in &access.exceptions {
        let mut tests = tests_of(exception, access.allow);
        // Each test that fails jumps behind the two instructions that end the block.
        let length = tests.len();
        for (index, instruction) in tests.iter_mut().enumerate() {
            if instruction.is_jump() {
                instruction.offset = (length - index + 1) as i16;
            }
        }
        program.append(&mut tests);
        program.extend([I::set(0, i32::from(!access.allow)), I::exit()]);
    }
    program.extend([I::set(0, i32::from(access.allow)), I::exit()]);
    program
}

/// An allowed exception must cover all that is asked for; a forbidden one any of it.
fn tests_of(exception: &Exception, allowed_by_default: bool) -> Vec<Instruction> {
    use Instruction as I;
    let modes = i32::from(exception.modes.0);
    let kind = if exception.kind == Kind::Block { BLOCK } else { CHAR };
    let mut tests = vec![I::jump_unless_equal(2, kind), I::copy(1, 3)];
    match allowed_by_default {
        false => tests.extend([I::and(1, 0xff & !modes), I::jump_unless_equal(1, 0)]),
        true => tests.extend([I::and(1, modes), I::jump_if_equal(1, 0)]),
    }
    tests.extend(exception.major.map(|n| I::jump_unless_equal(4, n.cast_signed())));
    tests.extend(exception.minor.map(|n| I::jump_unless_equal(5, n.cast_signed())));
    tests
}

#[cfg(test)]
mod tests {
    use super::super::Modes;
    use super::*;

    /// Runs a program as the kernel does, for input of access, type, major and minor.
    fn run(program: &[Instruction], access: u32, kind: u32, major: u32, minor: u32) -> bool {
        let input = [access << 16 | kind, major, minor];
        let mut r = [0u32; 6];
        let mut at = 0;
        loop {
            let i = &program[at];
            let (dst, src) = ((i.registers & 15) as usize, (i.registers >> 4) as usize);
            let mut jump = false;
            match i.code {
                0x61 => r[dst] = input[i.offset as usize / 4],
                0xbc => r[dst] = r[src],
                0xb4 => r[dst] = i.immediate as u32,
                0x54 => r[dst] &= i.immediate as u32,
                0x74 => r[dst] >>= i.immediate,
                0x56 => jump = r[dst] != i.immediate as u32,
                0x16 => jump = r[dst] == i.immediate as u32,
                0x95 => return r[0] != 0,
                code => panic!("instruction {code:#x}"),
            }
            at += if jump { i.offset as usize + 1 } else { 1 };
        }
    }

    fn exception(kind: Kind, major: Option<u32>, minor: Option<u32>, modes: u8) -> Exception {
        Exception { kind, major, minor, modes: Modes(modes) }
    }

    const CHARS: u32 = CHAR as u32;

    #[test]
    fn only_what_is_listed_is_allowed() {
        let exceptions =
            vec![exception(Kind::Char, None, None, 1), exception(Kind::Char, Some(1), Some(3), 7)];
        let program = program(&Access { reset: true, allow: false, exceptions });
        assert!(run(&program, 6, CHARS, 1, 3), "read and write of null");
        assert!(run(&program, 1, CHARS, 10, 200), "mknod of any");
        assert!(!run(&program, 2, CHARS, 1, 1), "read of mem");
        assert!(!run(&program, 3, CHARS, 10, 200), "mknod and read of any");
        assert!(!run(&program, 2, BLOCK as u32, 1, 3), "a block device of the same number");
    }

    #[test]
    fn what_is_listed_is_forbidden() {
        let exceptions = vec![exception(Kind::Block, Some(8), None, 4)];
        let program = program(&Access { reset: true, allow: true, exceptions });
        assert!(!run(&program, 6, BLOCK as u32, 8, 1));
        assert!(run(&program, 2, BLOCK as u32, 8, 1) && run(&program, 4, CHARS, 8, 1));
    }
}
