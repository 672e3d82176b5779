//! Who watches over a container: the foreground `lay run` itself, or one small process a detached container.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::create::Created;
use super::error::Error;
use super::events::note_end;
use super::exit::Exit;
use super::files::on;
use super::launch::{Environment, LaunchOptions, Launched, launch};
use super::logs::Writer;
use super::pump::{Outside, Pump, receive_signals};
use super::record::Container;
use super::streams::Streams;
use super::teardown::{forget, teardown, teardown_and_remove};
use super::terminal::{RawTerminal, copy_window_size};

/// What of this process's standard streams a foreground container gets.
#[derive(Clone, Copy, Debug)]
pub struct Attach {
    /// `-i`: pass on stdin.
    pub stdin: bool,
}

/// Runs a container in the foreground, as its own supervisor, until it ends.
///
/// # Errors
/// When it cannot be started; a container that was to be removed afterwards is removed then too.
pub fn run_attached(env: &Environment, created: Created, attach: Attach) -> Result<Exit, Error> {
    let container = &created.container;
    let signals = receive_signals()?;
    let options = LaunchOptions { stdin: attach.stdin, die_with_parent: true };
    let failed = |error| failed_start(env, container, error);
    let log = open_log(container).map_err(failed)?;
    let launched = launch(env, container, options).map_err(failed)?;
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let outside = Outside {
        stdin: attach.stdin.then(|| stdin.as_fd()),
        stdout: Some(stdout.as_fd()),
        stderr: Some(stderr.as_fd()),
    };
    let Launched { process, streams, connection } = launched;
    let console = console_of(&streams)?;
    let raw = raw_terminal(console.is_some(), outside.stdin)?;
    let pump = Pump::new(streams, outside, log, Some(&signals), console.as_ref().map(AsFd::as_fd))?;
    let code = pump.run(&process);
    drop(raw);
    drop(connection);
    finish(env, container, code?)
}

/// With a terminal inside, a terminal outside passes everything on.
pub(super) fn raw_terminal(
    terminal_inside: bool,
    stdin: Option<BorrowedFd<'_>>,
) -> Result<Option<RawTerminal<'_>>, Error> {
    match stdin {
        Some(stdin) if terminal_inside && rustix::termios::isatty(stdin) => {
            RawTerminal::enter(stdin).map(Some)
        }
        _ => Ok(None),
    }
}

pub(super) fn console_of(streams: &Streams) -> Result<Option<OwnedFd>, Error> {
    let Streams::Terminal(master) = streams else { return Ok(None) };
    copy_window_size(master.as_fd());
    master.try_clone().map(Some).map_err(|e| Error::System("duplicate the terminal", e))
}

/// A container that will be removed as soon as it ends needs no log.
fn open_log(container: &Container) -> Result<Option<Writer>, Error> {
    if container.record.options.auto_remove {
        return Ok(None);
    }
    Writer::open(container)
}

/// Records the end, takes everything down, and removes the container if that was asked.
fn finish(env: &Environment, container: &Container, code: i32) -> Result<Exit, Error> {
    let down = teardown(env, container)?;
    let exit = Exit::now(code, down.oom_killed, "");
    container.write_exit(&exit)?;
    note_end(env, container, &exit);
    if container.record.options.auto_remove {
        forget(env, container)?;
    }
    Ok(exit)
}

/// A start that failed leaves an exit record (so that `lay ps -a` tells why), or nothing with `--rm`.
fn failed_start(env: &Environment, container: &Container, error: Error) -> Error {
    let recorded = if container.record.options.auto_remove {
        teardown_and_remove(env, container)
    } else {
        container.write_exit(&Exit::now(i32::from(error.exit_code()), false, error.to_string()))
    };
    match recorded {
        Ok(()) => error,
        Err(cleanup) => Error::Cleanup { error: Box::new(error), cleanup: Box::new(cleanup) },
    }
}

/// What a monitor tells the process that started it.
#[derive(Debug, Deserialize, Serialize)]
enum Report {
    Started,
    Failed { message: String, code: u8 },
}

/// Starts a container in the background: a monitor takes over the lock and stays until the container ends.
///
/// # Errors
/// What the monitor reports.
pub fn detach(created: Created) -> Result<Container, Error> {
    let Created { container, lock } = created;
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|e| Error::System("make a pipe", e.into()))?;
    let exe = Path::new("/proc/self/exe");
    let mut command = Command::new(exe);
    // As a user's root, it would look for its store elsewhere.
    command.arg0("lay").arg("--root").arg(root_of(&container.dir)).arg("monitor").arg(&container.dir);
    command.arg(lock.as_raw_fd().to_string()).arg(write.as_raw_fd().to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    for fd in [&lock, &write] {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())
            .map_err(|e| Error::System("hand a descriptor to the monitor", e.into()))?;
    }
    command.spawn().map_err(on("run", exe))?;
    drop((lock, write));
    let mut report = Vec::new();
    File::from(read).read_to_end(&mut report).map_err(|e| Error::System("hear from the monitor", e))?;
    match serde_json::from_slice(&report) {
        Ok(Report::Started) => Ok(container),
        Ok(Report::Failed { message, code }) => Err(Error::Detached { message, code }),
        Err(_) => Err(Error::Monitor(container.short_id().to_string())),
    }
}

/// The store that a container's directory is in.
fn root_of(dir: &Path) -> &Path {
    dir.ancestors().nth(2).unwrap_or(dir)
}

/// The monitor of a detached container: starts it, reports, keeps its log, records its end.
///
/// # Errors
/// Only what happens after the report; until then errors travel in it.
pub fn monitor_main(env: &Environment, dir: &Path, lock_fd: i32, report_fd: i32) -> Result<(), Error> {
    let (lock, report) = (super::sys::adopt(lock_fd)?, super::sys::adopt(report_fd)?);
    rustix::process::setsid().map_err(|e| Error::System("start a session", e.into()))?;
    let container = Container::load(dir)?.ok_or_else(|| Error::NotFound(dir.display().to_string()))?;
    let started = start_detached(env, &container);
    tell(report, &started)?;
    let Ok((launched, log)) = started else { return Ok(()) };
    let Launched { process, streams, connection } = launched;
    let console = console_of(&streams)?;
    let pump = Pump::new(streams, Outside::default(), log, None, console.as_ref().map(AsFd::as_fd))?;
    let code = pump.run(&process);
    drop(connection);
    let result = finish(env, &container, code?).map(drop);
    drop(lock);
    result
}

fn start_detached(env: &Environment, container: &Container) -> Result<(Launched, Option<Writer>), Error> {
    let log = Writer::open(container).map_err(|error| failed_start(env, container, error))?;
    // With -i and no one attached, stdin stays open and silent.
    let options = LaunchOptions { stdin: container.record.options.interactive, die_with_parent: false };
    match launch(env, container, options) {
        Ok(launched) => Ok((launched, log)),
        Err(error) => Err(failed_start(env, container, error)),
    }
}

fn tell<T>(report: OwnedFd, started: &Result<T, Error>) -> Result<(), Error> {
    let message = match started {
        Ok(_) => Report::Started,
        Err(error) => Report::Failed { message: crate::error::chain(error), code: error.exit_code() },
    };
    let data = serde_json::to_vec(&message).unwrap_or_default();
    File::from(report).write_all(&data).map_err(|e| Error::System("report to the starter", e))
}
