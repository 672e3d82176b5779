//! A container that the foreground `lay run` supervises itself.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::create::Created;
use super::ending::{failed_start, finish};
use super::error::Error;
use super::exit::Exit;
use super::launch::{Environment, LaunchOptions, Launched, launch};
use super::logs::Writer;
use super::pump::{Outside, Pump, receive_signals};
use super::record::Container;
use super::streams::Streams;
use super::terminal::{RawTerminal, copy_window_size};

/// What of this process's standard streams a foreground container gets.
#[derive(Clone, Copy, Debug)]
pub struct Attach {
    /// `-i`: pass on stdin.
    pub stdin: bool,
    /// Show what it prints to stdout.
    pub stdout: bool,
    /// Show what it prints to stderr.
    pub stderr: bool,
}

/// Runs a container in the foreground, as its own supervisor, until it ends.
///
/// # Errors
/// When it cannot be started; a container that was to be removed afterwards is removed then too.
pub fn run_attached(env: &Environment, created: Created, attach: Attach) -> Result<Exit, Error> {
    let container = &created.container;
    let signals = receive_signals()?;
    let options = LaunchOptions { stdin: attach.stdin, die_with_parent: true, restarts: 0, size: None };
    let failed = |error| failed_start(env, container, error);
    let log = open_log(container).map_err(failed)?;
    let launched = launch(env, container, options).map_err(failed)?;
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let outside = Outside {
        stdin: attach.stdin.then(|| stdin.as_fd()),
        stdout: attach.stdout.then(|| stdout.as_fd()),
        stderr: attach.stderr.then(|| stderr.as_fd()),
    };
    let Launched { process, streams, mut connection, spent } = launched;
    // It is left to this process's end, or to one that goes on after it.
    std::mem::forget(spent);
    let console = console_of(&streams)?;
    let raw = raw_terminal(console.is_some(), outside.stdin)?;
    let mut pump = Pump::new(streams, outside, log, Some(&signals), console.as_ref().map(AsFd::as_fd))?;
    pump.relay(container, connection.as_mut());
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
