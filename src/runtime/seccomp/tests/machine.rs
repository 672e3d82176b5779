//! The kernel's part: runs a program on the description of a call (`bpf_prog_run`, `seccomp_check_filter`).

use crate::kernel::seccomp::{Instruction, MAX_INSTRUCTIONS};

/// A system call, as a filter sees it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub audit: u32,
    pub number: u32,
    pub args: [u64; 6],
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        let mut data = Vec::new();
        data.extend(self.number.to_ne_bytes());
        data.extend(self.audit.to_ne_bytes());
        data.extend(0u64.to_ne_bytes());
        self.args.iter().for_each(|arg| data.extend(arg.to_ne_bytes()));
        let at = offset as usize;
        assert!(at.is_multiple_of(4) && at + 4 <= data.len(), "the kernel refuses to load from {at}");
        u32::from_ne_bytes(data[at..at + 4].try_into().unwrap())
    }
}

/// The verdict, and how many instructions it took. Panics where the kernel would not take the program.
pub fn run(program: &[Instruction], call: &Call) -> (u32, usize) {
    assert!((1..=MAX_INSTRUCTIONS).contains(&program.len()));
    let (mut accumulator, mut at) = (0u32, 0usize);
    for steps in 1.. {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let choose = |holds: bool| usize::from(if holds { jt } else { jf });
        match u32::from(code) {
            0x20 => accumulator = call.word(k),
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => at += choose(accumulator == k),
            0x25 => at += choose(accumulator > k),
            0x35 => at += choose(accumulator >= k),
            0x06 => return (k, steps),
            _ => panic!("{code:#x} is not what the compiler writes"),
        }
    }
    unreachable!("steps do not end")
}
