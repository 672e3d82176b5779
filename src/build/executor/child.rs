//! The processes of a build: one a stage that is being built.
//!
//! A process that starts containers has one thread only, so stages that are built side by side need a process each. Events
//! come back over a pipe, one JSON document a line.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::signal::SigSet;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions, set_parent_process_death_signal, waitid};

use super::Event;
use crate::build::error::StepError;
use crate::kernel::process::{Cloned, clone, exit_now, pidfd_send_signal};

/// Exit code of a process that panicked.
const PANICKED: i32 = 101;

/// A process that builds a stage, as its parent sees it.
pub struct Child {
    /// The stage's number in the file.
    pub stage: usize,
    pidfd: OwnedFd,
    events: File,
    /// What came of a line so far.
    line: Vec<u8>,
}

/// Starts a process that does `work`, which tells of events and whether all went well. It ends when this one does.
///
/// # Errors
/// When it cannot be made.
pub fn spawn(stage: usize, work: impl FnOnce(&mut dyn FnMut(&Event)) -> bool) -> Result<Child, StepError> {
    let failed = |e| StepError::errno("start a process for", std::path::Path::new("the stage"))(e);
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    // What is still in the buffer would be printed by both.
    let _ = std::io::stdout().flush();
    match clone(0).map_err(failed)? {
        Cloned::Parent { pidfd, .. } => {
            Ok(Child { stage, pidfd, events: File::from(read), line: Vec::new() })
        }
        Cloned::Child => {
            drop(read);
            let mut events = File::from(write);
            let well = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _ = set_parent_process_death_signal(Some(Signal::KILL));
                // The parent receives signals by descriptor; this process ends by them.
                let _ = SigSet::all().thread_unblock();
                work(&mut |event| send(&mut events, event))
            }));
            exit_now(match well {
                Ok(true) => 0,
                Ok(false) => 1,
                Err(_) => PANICKED,
            })
        }
    }
}

/// That nobody listens any more means that this process is about to be ended.
fn send(events: &mut File, event: &Event) {
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    let _ = events.write_all(&line);
}

impl Child {
    /// Readable when there are events, or no more will come.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Reads what came; none when no more will come.
    pub fn receive(&mut self) -> Option<Vec<Event>> {
        let mut buffer = vec![0; 64 * 1024];
        let read = loop {
            match self.events.read(&mut buffer) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return None,
                Ok(read) => break read,
            }
        };
        self.line.extend_from_slice(&buffer[..read]);
        let end = self.line.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.line.split_off(end);
        let lines = std::mem::replace(&mut self.line, rest);
        Some(
            lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect(),
        )
    }

    /// Ends it at once.
    pub fn kill(&self) {
        // It may be gone already.
        let _ = pidfd_send_signal(&self.pidfd, libc::SIGKILL);
    }

    /// Waits for its end; words on how it ended if that was not by itself.
    pub fn wait(&self) -> Option<String> {
        match waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED) {
            Ok(Some(status)) if status.exit_status() == Some(PANICKED) => Some(" (panicked)".to_owned()),
            Ok(Some(status)) => status.terminating_signal().map(|signal| format!(" (signal {signal})")),
            _ => None,
        }
    }
}
