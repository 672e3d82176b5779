//! What starting a network stack needs of the system beyond the standard library.
#![allow(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, set_parent_process_death_signal};

/// Has the process that `command` starts killed when the calling thread ends.
pub(super) fn end_with_this(command: &mut Command) {
    let tie = || set_parent_process_death_signal(Some(Signal::KILL)).map_err(std::io::Error::from);
    // SAFETY: between fork and exec, the closure makes one system call, and touches no memory that is shared or locked.
    unsafe { command.pre_exec(tie) };
}
