//! Loading programs.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::Instruction;

const PROG_LOAD: libc::c_long = 5;

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

/// Loads a program of a type (`enum bpf_prog_type`).
///
/// # Errors
/// What the kernel's verifier, or the caller's privilege, says.
pub fn load(kind: u32, program: &[Instruction]) -> io::Result<OwnedFd> {
    let mut attr = Load {
        kind,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"Apache".as_ptr() as u64,
        ..Load::default()
    };
    // SAFETY: `attr` is the beginning of `union bpf_attr` for this command, of the size passed; the program and the text that
    // it points to outlive the call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, std::ptr::from_mut(&mut attr), size_of::<Load>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(result as i32) })
}
