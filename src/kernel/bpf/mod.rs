//! Programs for the kernel, and maps that they read (`bpf(2)`).

mod sys;

pub use sys::{load, make_hash, map_of_program, put};

use std::os::fd::{AsRawFd, BorrowedFd};

/// One instruction (`struct bpf_insn`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u8,
    /// Destination in the low half, source in the high one.
    pub registers: u8,
    /// Of a jump, in instructions after the next; of memory, in bytes.
    pub offset: i16,
    /// Constant.
    pub immediate: i32,
}

impl Instruction {
    fn new(code: u8, dst: u8, src: u8, offset: i16, immediate: i32) -> Instruction {
        Instruction { code, registers: src << 4 | dst, offset, immediate }
    }
    /// `BPF_LDX | BPF_MEM | BPF_W`
    pub fn load(dst: u8, src: u8, offset: i16) -> Instruction {
        Self::new(0x61, dst, src, offset, 0)
    }
    /// `BPF_ALU | BPF_MOV | BPF_X`
    pub fn copy(dst: u8, src: u8) -> Instruction {
        Self::new(0xbc, dst, src, 0, 0)
    }
    /// `BPF_ALU | BPF_MOV | BPF_K`
    pub fn set(dst: u8, value: i32) -> Instruction {
        Self::new(0xb4, dst, 0, 0, value)
    }
    /// `BPF_ALU | BPF_AND | BPF_K`
    pub fn and(dst: u8, value: i32) -> Instruction {
        Self::new(0x54, dst, 0, 0, value)
    }
    /// `BPF_ALU | BPF_RSH | BPF_K`
    pub fn shift_right(dst: u8, bits: i32) -> Instruction {
        Self::new(0x74, dst, 0, 0, bits)
    }
    /// `BPF_JMP32 | BPF_JNE | BPF_K`
    pub fn jump_unless_equal(dst: u8, value: i32) -> Instruction {
        Self::new(0x56, dst, 0, 0, value)
    }
    /// `BPF_JMP32 | BPF_JEQ | BPF_K`
    pub fn jump_if_equal(dst: u8, value: i32) -> Instruction {
        Self::new(0x16, dst, 0, 0, value)
    }
    /// `BPF_ALU64 | BPF_MOV | BPF_X`
    pub fn copy_pointer(dst: u8, src: u8) -> Instruction {
        Self::new(0xbf, dst, src, 0, 0)
    }
    /// `BPF_LD | BPF_ABS`: 1, 2 or 4 bytes of a frame into register 0, as a number of this machine. A frame that has them not
    /// ends the program with 0. Register 6 has to hold the context; 1 to 5 are lost.
    pub fn frame(length: u8, offset: i32) -> Instruction {
        let size = match length {
            1 => 0x10,
            2 => 0x08,
            _ => 0x00,
        };
        Self::new(0x20 | size, 0, 0, 0, offset)
    }
    /// `BPF_STX | BPF_MEM | BPF_W`
    pub fn store(dst: u8, offset: i16, src: u8) -> Instruction {
        Self::new(0x63, dst, src, offset, 0)
    }
    /// `BPF_ALU64 | BPF_ADD | BPF_K`
    pub fn add_to_pointer(dst: u8, value: i32) -> Instruction {
        Self::new(0x07, dst, 0, 0, value)
    }
    /// `BPF_LD | BPF_DW | BPF_IMM` with `BPF_PSEUDO_MAP_FD`: the map's address. It takes two.
    pub fn map(dst: u8, map: BorrowedFd<'_>) -> [Instruction; 2] {
        const PSEUDO_MAP_FD: u8 = 1;
        [Self::new(0x18, dst, PSEUDO_MAP_FD, 0, map.as_raw_fd()), Self::new(0, 0, 0, 0, 0)]
    }
    /// `BPF_JMP | BPF_CALL`: one of the kernel's functions (`enum bpf_func_id`). Its result is in register 0; 1 to 5 are lost.
    pub fn call(function: i32) -> Instruction {
        Self::new(0x85, 0, 0, 0, function)
    }
    /// `BPF_JMP | BPF_JEQ | BPF_K` with 0
    pub fn jump_if_null(dst: u8) -> Instruction {
        Self::new(0x15, dst, 0, 0, 0)
    }
    /// `BPF_JMP | BPF_JA`
    pub fn jump() -> Instruction {
        Self::new(0x05, 0, 0, 0, 0)
    }
    /// `BPF_JMP | BPF_EXIT`
    pub fn exit() -> Instruction {
        Self::new(0x95, 0, 0, 0, 0)
    }
    /// Whether it is a conditional jump.
    pub fn is_jump(&self) -> bool {
        matches!(self.code, 0x56 | 0x16)
    }
}
