//! The last steps: working directory, user, descriptors, exec.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io::Read;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;

use super::home::with_home;
use super::places::make_directory;
use super::{Named, Outcome, become_user, end_with_parent, write_proc};
use crate::kernel::process::{close_on_exec_from, execve, reset_signals};
use crate::runtime::channel::{Channel, Failure, Message, Step};
use crate::runtime::plan::ProcessPlan;
use crate::runtime::seccomp::Program;

/// Makes `fds` the standard streams.
pub(super) fn standard_streams(fds: [&OwnedFd; 3]) -> Outcome<()> {
    rustix::stdio::dup2_stdin(fds[0]).step(|| "set its stdin".to_string())?;
    rustix::stdio::dup2_stdout(fds[1]).step(|| "set its stdout".to_string())?;
    rustix::stdio::dup2_stderr(fds[2]).step(|| "set its stderr".to_string())
}

/// Executes the command as its user. From the filter on, no other call is made: it may refuse any.
pub(super) fn execute(
    process: &ProcessPlan,
    die_with_parent: bool,
    channel: &Channel,
    preserve_fds: u32,
) -> Outcome<Infallible> {
    hide()?;
    let env = with_home(&process.env, process.uid);
    label(process)?;
    become_user(process)?;
    rustix::process::chdir(&process.cwd)
        .step(|| format!("change to the directory {}", process.cwd.display()))?;
    check_cwd()?;
    if die_with_parent {
        end_with_parent()?;
    }
    reset_signals().step(|| "reset its signals".to_string())?;
    close_on_exec_from(3 + preserve_fds).step(|| "close its descriptors".to_string())?;
    let command = &process.args[0];
    let failed = |errno: Errno| Failure {
        step: Step::Execute(command.to_string_lossy().into_owned()),
        errno: errno.raw_os_error(),
    };
    let path = find(command, &env).map_err(failed)?;
    refuse_own(&path).map_err(failed)?;
    if let Some(program) = &process.seccomp {
        filter(program, channel)?;
    }
    Err(failed(execve(&path, &process.args, &env)))
}

/// Keeps other processes of the container from what this one still is and has, until the command is executed: its memory, its
/// descriptors and, by `/proc/PID/exe`, the runtime's own binary.
pub(super) fn hide() -> Outcome<()> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .step(|| "keep others out of its memory".to_string())
}

/// What the security modules of the kernel are to make of the command.
fn label(process: &ProcessPlan) -> Outcome<()> {
    if let Some(personality) = process.personality {
        nix::sys::personality::set(personality).step(|| "set the personality".to_string())?;
    }
    if let Some(profile) = &process.apparmor {
        write_proc(Path::new("/proc/thread-self/attr/apparmor/exec"), &format!("exec {profile}"))
            .step(|| format!("take the AppArmor profile {profile}"))?;
    }
    if let Some(context) = &process.selinux {
        write_proc(Path::new("/proc/thread-self/attr/exec"), context)
            .step(|| format!("take the SELinux label {context}"))?;
    }
    Ok(())
}

/// Installs the filter; its listener goes to the parent, and ends here with the exec.
fn filter(program: &Program, channel: &Channel) -> Outcome<()> {
    let listener = program.install().step(|| "install the seccomp filter".to_string())?;
    match listener {
        Some(fd) => {
            let sent = channel.send(&Message::Listener, &[fd.as_fd()]);
            // The exec closes it; closing it here may be refused.
            let _ = fd.into_raw_fd();
            sent.step(|| "hand over the seccomp filter's listener".to_string())
        }
        None => Ok(()),
    }
}

/// A missing working directory is made, as Docker does.
pub(super) fn make_cwd(cwd: &Path) -> Outcome<()> {
    match make_directory(cwd) {
        // Whether it can be used is seen when the user changes to it.
        Err(Errno::ROFS | Errno::ACCESS) => Ok(()),
        result => result.step(|| format!("make the working directory {}", cwd.display())),
    }
}

/// A directory outside of the root has no path in it; getcwd(2) says so with "(unreachable)".
fn check_cwd() -> Outcome<()> {
    let cwd = rustix::process::getcwd(Vec::new()).step(|| "read the working directory".to_string())?;
    let result = if cwd.to_bytes().starts_with(b"/") { Ok(()) } else { Err(Errno::NOENT) };
    result.step(|| "find the working directory below the root".to_string())
}

/// The runtime's own binary, which only magic links lead to here, is not executed: with the container's libraries it would
/// do what the container wants, and be a file of the host that it could try to write.
fn refuse_own(path: &CStr) -> Result<(), Errno> {
    // Without /proc there is no such link.
    let Ok(own) = rustix::fs::stat("/proc/self/exe") else { return Ok(()) };
    let mut path = path.to_bytes().to_vec();
    // As deep as the kernel follows interpreters (`fs/exec.c`).
    for _ in 0..5 {
        let file = Path::new(std::ffi::OsStr::from_bytes(&path));
        // An interpreter that is not there is for the kernel to tell of.
        let Ok(found) = rustix::fs::stat(file) else { break };
        if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino) {
            return Err(Errno::ACCESS);
        }
        let mut start = [0; 256];
        let read = std::fs::File::open(file).and_then(|mut file| file.read(&mut start)).unwrap_or(0);
        let Some(line) = start[..read].strip_prefix(b"#!") else { break };
        let line = line.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii_start();
        path = line.split(|b| b.is_ascii_whitespace()).next().unwrap_or_default().to_vec();
    }
    Ok(())
}

/// Looks a command up in the `PATH` that it will have, as execvp(3) does.
fn find(command: &CStr, env: &[CString]) -> Result<CString, Errno> {
    let name = command.to_bytes();
    if name.contains(&b'/') {
        return Ok(command.to_owned());
    }
    if name.is_empty() {
        return Err(Errno::NOENT);
    }
    let path = env.iter().find_map(|e| e.to_bytes().strip_prefix(b"PATH=")).unwrap_or_default();
    let mut error = Errno::NOENT;
    for directory in path.split(|b| *b == b':') {
        let directory = if directory.is_empty() { b".".as_slice() } else { directory };
        let candidate = [directory, b"/", name].concat();
        match usable(&candidate) {
            Ok(()) => return CString::new(candidate).map_err(|_| Errno::INVAL),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(e) => error = e,
        }
    }
    Err(error)
}

fn usable(candidate: &[u8]) -> Result<(), Errno> {
    let path = Path::new(std::ffi::OsStr::from_bytes(candidate));
    rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)?;
    let is_file = rustix::fs::stat(path).map(|s| rustix::fs::FileType::from_raw_mode(s.st_mode).is_file())?;
    if is_file { Ok(()) } else { Err(Errno::ACCESS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_as_execvp_finds_them() {
        let env = |path: &str| [CString::new(format!("PATH={path}")).unwrap()];
        assert_eq!(find(c"sh", &env("/nowhere:/bin")), Ok(c"/bin/sh".into()));
        assert_eq!(find(c"sh", &env("/nowhere")), Err(Errno::NOENT));
        assert_eq!(find(c"./x", &env("/bin")), Ok(c"./x".into()));
        assert_eq!(find(c"", &env("/bin")), Err(Errno::NOENT));
        assert_eq!(find(c"passwd", &env("/etc")), Err(Errno::ACCESS), "a file that is not executable");
    }
}
