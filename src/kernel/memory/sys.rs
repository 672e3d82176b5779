//! Pages that a process can do without.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

/// Gives back what is free in the allocator, and what is mapped read-only of the program and its libraries.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: touches nothing that is allocated.
    unsafe {
        libc::malloc_trim(0);
    }
    // SAFETY: the callback has the type that is asked for, does not unwind and keeps nothing of what it is given.
    unsafe { libc::dl_iterate_phdr(Some(drop_text), std::ptr::null_mut()) };
}

/// Drops the pages of one object's segments that are never written to: those with relocations are writable segments, at first.
extern "C" fn drop_text(info: *mut libc::dl_phdr_info, _size: usize, _data: *mut c_void) -> c_int {
    // SAFETY: asks for a number.
    let Ok(page @ 1..) = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }) else { return 0 };
    // SAFETY: the loader passes a pointer to a description that lives during the call.
    let info = unsafe { &*info };
    // SAFETY: the description's array of headers has this length, and lives as long as the object is loaded.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let start = info.dlpi_addr as usize + header.p_vaddr as usize;
        let end = (start + header.p_memsz as usize).next_multiple_of(page);
        let start = start - start % page;
        // SAFETY: a private mapping of a file that nobody wrote to: the pages are the page cache's, and come back as they were
        // with the next access. No other segment is in them, since pages have one protection.
        unsafe { libc::madvise(start as *mut c_void, end - start, libc::MADV_DONTNEED) };
    }
    0
}
