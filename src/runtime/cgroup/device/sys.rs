//! `bpf(2)`, as far as device programs need it.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One instruction (`struct bpf_insn`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub code: u8,
    /// Destination in the low half, source in the high one.
    pub registers: u8,
    pub offset: i16,
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
    /// `BPF_JMP | BPF_EXIT`
    pub fn exit() -> Instruction {
        Self::new(0x95, 0, 0, 0, 0)
    }
    pub fn is_jump(&self) -> bool {
        matches!(self.code, 0x56 | 0x16)
    }
}

const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const PROG_DETACH: libc::c_long = 9;
const PROG_GET_FD_BY_ID: libc::c_long = 13;
const PROG_QUERY: libc::c_long = 16;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;

/// Beginning of `union bpf_attr` for loading.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

/// Beginning of `union bpf_attr` for attaching and detaching.
#[repr(C)]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

/// Beginning of `union bpf_attr` for queries.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<i32> {
    // SAFETY: `attr` is the beginning of `union bpf_attr` for this command, of the size passed; the buffers that it points
    // to outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

fn owned(fd: i32) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Loads a device program.
pub fn load(program: &[Instruction]) -> io::Result<OwnedFd> {
    let mut attr = Load {
        kind: TYPE_CGROUP_DEVICE,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"Apache".as_ptr() as u64,
        ..Load::default()
    };
    bpf(PROG_LOAD, &mut attr).map(owned)
}

/// Attaches a program beside those that are there.
pub fn attach(group: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    bpf(PROG_ATTACH, &mut attachment(group, program)).map(drop)
}

fn attachment(group: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Attach {
    Attach {
        target: group.as_raw_fd().unsigned_abs(),
        program: program.as_raw_fd().unsigned_abs(),
        kind: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    }
}

/// Ids of the device programs that a group has of its own.
pub fn attached(group: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut ids = vec![0u32; 64];
    let mut attr = Query {
        target: group.as_raw_fd().unsigned_abs(),
        kind: ATTACH_CGROUP_DEVICE,
        ids: ids.as_mut_ptr() as u64,
        count: ids.len() as u32,
        ..Query::default()
    };
    bpf(PROG_QUERY, &mut attr)?;
    ids.truncate(attr.count as usize);
    Ok(ids)
}

/// Detaches the program with this id.
pub fn detach(group: BorrowedFd<'_>, id: u32) -> io::Result<()> {
    // The attribute begins with the id; the rest is zero.
    let program = bpf(PROG_GET_FD_BY_ID, &mut [id, 0, 0]).map(owned)?;
    use std::os::fd::AsFd;
    let mut attr = Attach { flags: 0, ..attachment(group, program.as_fd()) };
    bpf(PROG_DETACH, &mut attr).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    /// A group of our own in the unified hierarchy, gone at the end.
    struct Group(std::path::PathBuf);

    impl Drop for Group {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir(&self.0);
        }
    }

    #[test]
    fn a_program_is_attached_found_and_detached() {
        let hierarchies = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let unified =
            hierarchies.iter().find(|h| std::path::Path::new(h).join("cgroup.controllers").exists());
        let group = unified.map(|h| Group(format!("{h}/lay-bpf-{}", std::process::id()).into()));
        let Some(group) = group.filter(|g| std::fs::create_dir(&g.0).is_ok()) else {
            eprintln!("skipped: needs root and a unified hierarchy");
            return;
        };
        let dir = std::fs::File::open(&group.0).unwrap();
        let program = load(&[Instruction::set(0, 1), Instruction::exit()]).unwrap();
        attach(dir.as_fd(), program.as_fd()).unwrap();
        let ids = attached(dir.as_fd()).unwrap();
        assert_eq!(ids.len(), 1);
        detach(dir.as_fd(), ids[0]).unwrap();
        assert!(attached(dir.as_fd()).unwrap().is_empty());
    }
}
