//! Writing the maps of a new user namespace.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, WaitOptions, getpid, waitpid};

use super::Error;
use crate::kernel::process::{Cloned, clone, exit_now};

/// A process outside of the namespace, which has this one's ids mapped: newuidmap(1) runs with the privileges that a
/// process inside has not.
#[derive(Debug)]
pub struct Mapper {
    pid: i32,
    go: OwnedFd,
    answer: OwnedFd,
}

impl Mapper {
    /// Starts it; it waits.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn start(programs: [(PathBuf, Vec<u32>); 2]) -> Result<Mapper, Error> {
        let pipe = || {
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
                .map_err(|e| Error::System("make a pipe", e.into()))
        };
        let ((wait, go), (answer, say)) = (pipe()?, pipe()?);
        let target = getpid();
        match clone(0).map_err(|e| Error::System("start a process", e.into()))? {
            Cloned::Parent { pid, .. } => Ok(Mapper { pid, go, answer }),
            Cloned::Child => {
                drop((go, answer));
                serve(target, &programs, wait, say)
            }
        }
    }

    /// Has the maps written.
    ///
    /// # Errors
    /// [`Error::Map`] with the words of the program that refused.
    pub fn map(self) -> Result<(), Error> {
        let mut words = String::new();
        let told = File::from(self.go).write_all(b"go");
        let heard = told.and_then(|()| File::from(self.answer).read_to_string(&mut words));
        if let Some(pid) = Pid::from_raw(self.pid) {
            // It has said all that it has to say.
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
        heard.map_err(|e| Error::System("hear from newuidmap", e))?;
        match words.as_str() {
            "mapped" => Ok(()),
            words => Err(Error::Map(words.trim().to_string())),
        }
    }
}

fn serve(target: Pid, programs: &[(PathBuf, Vec<u32>); 2], wait: OwnedFd, say: OwnedFd) -> ! {
    let mut go = [0; 2];
    let words = match File::from(wait).read_exact(&mut go) {
        Ok(()) => programs.iter().find_map(|(program, lines)| run(program, target, lines).err()),
        // Nobody is there to be mapped.
        Err(_) => exit_now(1),
    };
    let _ = File::from(say).write_all(words.as_deref().unwrap_or("mapped").as_bytes());
    exit_now(0)
}

fn run(program: &Path, target: Pid, lines: &[u32]) -> Result<(), String> {
    let pid = target.as_raw_nonzero().to_string();
    let lines = lines.iter().map(u32::to_string);
    let mut command = Command::new(program);
    let out = command.arg(pid).args(lines).stdin(Stdio::null()).stdout(Stdio::null()).output();
    match out {
        Ok(out) if out.status.success() => Ok(()),
        Ok(out) => Err(String::from_utf8_lossy(&out.stderr).into_owned()),
        Err(e) => Err(format!("cannot run {}: {e}", program.display())),
    }
}

/// Maps the user alone, which takes no program. The kernel wants groups to be left alone then.
///
/// # Errors
/// [`Error::Proc`].
pub fn single(uid: u32, gid: u32) -> Result<(), Error> {
    let write = |name: &str, text: String| {
        let path = PathBuf::from("/proc/self").join(name);
        std::fs::write(&path, text).map_err(|source| Error::Proc { path, source })
    };
    write("setgroups", "deny".to_string())?;
    write("uid_map", format!("0 {uid} 1"))?;
    write("gid_map", format!("0 {gid} 1"))
}
