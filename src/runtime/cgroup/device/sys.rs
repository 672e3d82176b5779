//! `bpf(2)`, as far as device programs need it.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::kernel::bpf;
pub use crate::kernel::bpf::Instruction;

const PROG_ATTACH: libc::c_long = 8;
const PROG_DETACH: libc::c_long = 9;
const PROG_GET_FD_BY_ID: libc::c_long = 13;
const PROG_QUERY: libc::c_long = 16;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;

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

fn call<T>(command: libc::c_long, attr: &mut T) -> io::Result<i32> {
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
    bpf::load(TYPE_CGROUP_DEVICE, program)
}

/// Attaches a program beside those that are there.
pub fn attach(group: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    call(PROG_ATTACH, &mut attachment(group, program)).map(drop)
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
    call(PROG_QUERY, &mut attr)?;
    ids.truncate(attr.count as usize);
    Ok(ids)
}

/// Detaches the program with this id.
pub fn detach(group: BorrowedFd<'_>, id: u32) -> io::Result<()> {
    // The attribute begins with the id; the rest is zero.
    let program = call(PROG_GET_FD_BY_ID, &mut [id, 0, 0]).map(owned)?;
    use std::os::fd::AsFd;
    let mut attr = Attach { flags: 0, ..attachment(group, program.as_fd()) };
    call(PROG_DETACH, &mut attr).map(drop)
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
