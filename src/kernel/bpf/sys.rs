//! Loading programs, and keeping what they look up.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::Instruction;

/// Commands (`enum bpf_cmd`).
const MAP_CREATE: libc::c_long = 0;
const MAP_UPDATE: libc::c_long = 2;
const PROG_LOAD: libc::c_long = 5;
const PROG_BY_ID: libc::c_long = 13;
const MAP_BY_ID: libc::c_long = 14;
const INFO_BY_FD: libc::c_long = 15;

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

/// The same for a new map.
#[repr(C)]
struct Create {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    inner_map: u32,
    numa_node: u32,
    name: [u8; 16],
}

/// The same for an entry.
#[repr(C)]
struct Entry {
    map: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// The same for what has an id.
#[repr(C)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

/// The same for asking what a descriptor is.
#[repr(C)]
struct AskInfo {
    descriptor: u32,
    length: u32,
    info: u64,
}

/// Beginning of `struct bpf_prog_info`, up to the ids of its maps.
#[repr(C)]
#[derive(Default)]
struct ProgramInfo {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    jited_length: u32,
    translated_length: u32,
    jited: u64,
    translated: u64,
    load_time: u64,
    created_by: u32,
    map_count: u32,
    maps: u64,
}

fn call<T>(command: libc::c_long, attr: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: `attr` is the beginning of `union bpf_attr` for this command, of the size passed; what it points to is as long as
    // it says, and outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn descriptor<T>(command: libc::c_long, attr: &mut T) -> io::Result<OwnedFd> {
    let fd = call(command, attr)?;
    // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
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
    descriptor(PROG_LOAD, &mut attr)
}

/// Key and value of the maps here.
pub type Key = [u32; 2];

/// Makes an empty map (`BPF_MAP_TYPE_HASH`) from [`Key`] to `u32` that takes memory as it fills, up to that many entries. Its
/// name is for who lists maps, at most 15 bytes.
///
/// # Errors
/// What the kernel says.
pub fn make_hash(name: &str, max_entries: u32) -> io::Result<OwnedFd> {
    const HASH: u32 = 1;
    const NO_PREALLOC: u32 = 1;
    let mut attr = Create {
        kind: HASH,
        key_size: size_of::<Key>() as u32,
        value_size: size_of::<u32>() as u32,
        max_entries,
        flags: NO_PREALLOC,
        inner_map: 0,
        numa_node: 0,
        name: [0; 16],
    };
    // The last byte stays the end of the text.
    for (to, from) in attr.name.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    descriptor(MAP_CREATE, &mut attr)
}

/// Sets an entry of such a map.
///
/// # Errors
/// `E2BIG` when it is full.
pub fn put(map: BorrowedFd<'_>, key: Key, value: u32) -> io::Result<()> {
    let mut attr = Entry {
        map: map.as_raw_fd().unsigned_abs(),
        key: key.as_ptr() as u64,
        value: std::ptr::from_ref(&value) as u64,
        flags: 0,
    };
    call(MAP_UPDATE, &mut attr).map(drop)
}

/// The first map of the program with that id.
///
/// # Errors
/// `ENOENT` when there is no such program, or it has no map.
pub fn map_of_program(id: u32) -> io::Result<OwnedFd> {
    let program = descriptor(PROG_BY_ID, &mut ById { id, next: 0, flags: 0 })?;
    let mut map = 0u32;
    let mut info =
        ProgramInfo { map_count: 1, maps: std::ptr::from_mut(&mut map) as u64, ..ProgramInfo::default() };
    let mut attr = AskInfo {
        descriptor: program.as_raw_fd().unsigned_abs(),
        length: size_of::<ProgramInfo>() as u32,
        info: std::ptr::from_mut(&mut info) as u64,
    };
    call(INFO_BY_FD, &mut attr)?;
    if info.map_count == 0 {
        return Err(io::Error::from_raw_os_error(libc::ENOENT));
    }
    descriptor(MAP_BY_ID, &mut ById { id: map, next: 0, flags: 0 })
}
