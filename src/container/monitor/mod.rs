//! The monitor: one small process a detached container, which holds its terminal, keeps its log, serves those who attach, asks
//! after its health, records its end, and starts it again where that is wanted. A keeper takes its place if it is killed.

mod hub;
mod keeper;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attached::console_of;
use super::create::Created;
use super::ending::{failed_start, remove_if_asked, take_down};
use super::error::Error;
use super::events::note_end;
use super::exit::Exit;
use super::files::on;
use super::health::Clock;
use super::launch::{Connection, Environment, LaunchOptions, Launched, launch};
use super::logs::Writer;
use super::networks;
use super::pump::{Outside, Pump};
use super::record::{Container, Status};
use super::restart::Backoff;
use super::state::Mark;
use super::streams::Streams;
use crate::snapshot::Kept;

pub(super) use hub::{Door, Hub, Wish};
use keeper::{Keeper, Watch};

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
    detach_with(created, None)
}

/// The same, with somebody attached from the beginning, by this socket.
///
/// # Errors
/// As [`detach`].
pub fn detach_with(created: Created, client: Option<OwnedFd>) -> Result<Container, Error> {
    let Created { container, lock } = created;
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|e| Error::System("make a pipe", e.into()))?;
    spawn(&container, &lock, Some(&write), client.as_ref())?;
    drop((lock, write, client));
    let mut report = Vec::new();
    File::from(read).read_to_end(&mut report).map_err(|e| Error::System("hear from the monitor", e))?;
    match serde_json::from_slice(&report) {
        Ok(Report::Started) => Ok(container),
        Ok(Report::Failed { message, code }) => Err(Error::Detached { message, code }),
        Err(_) => Err(Error::Monitor(container.short_id().to_string())),
    }
}

/// Gives a running container that has lost its monitor another one, which learns how it ends.
///
/// # Errors
/// When it cannot be started.
pub(super) fn adopt(container: &Container, lock: OwnedFd) -> Result<(), Error> {
    spawn(container, &lock, None, None)
}

fn spawn(
    container: &Container,
    lock: &OwnedFd,
    report: Option<&OwnedFd>,
    client: Option<&OwnedFd>,
) -> Result<(), Error> {
    let exe = Path::new("/proc/self/exe");
    let mut command = Command::new(exe);
    // As a user's root, it would look for its store elsewhere.
    command.arg0("lay").arg("--root").arg(root_of(&container.dir)).arg("monitor").arg(&container.dir);
    for fd in [Some(lock), report, client].into_iter().flatten() {
        command.arg(fd.as_raw_fd().to_string());
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())
            .map_err(|e| Error::System("hand a descriptor to the monitor", e.into()))?;
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    command.spawn().map(drop).map_err(on("run", exe))
}

/// The store that a container's directory is in.
pub(super) fn root_of(dir: &Path) -> &Path {
    dir.ancestors().nth(2).unwrap_or(dir)
}

/// The descriptors that a monitor inherits, by number.
#[derive(Clone, Copy, Debug)]
pub struct Inherited {
    /// The container's lock.
    pub lock: i32,
    /// Where to say how the start went; none for a container that runs already.
    pub report: Option<i32>,
    /// Somebody who is attached from the beginning.
    pub client: Option<i32>,
}

/// The monitor of a detached container: starts it, reports, and stays until its end.
///
/// # Errors
/// Only what happens after the report; until then errors travel in it.
pub fn monitor_main(env: &Environment, dir: &Path, inherited: Inherited) -> Result<(), Error> {
    let adopted = |fd: Option<i32>| fd.map(super::sys::adopt).transpose();
    let lock = super::sys::adopt(inherited.lock)?;
    let (report, client) = (adopted(inherited.report)?, adopted(inherited.client)?);
    rustix::process::setsid().map_err(|e| Error::System("start a session", e.into()))?;
    let container = Container::load(dir)?.ok_or_else(|| Error::NotFound(dir.display().to_string()))?;
    let result = match report {
        None => Monitor::over(env, container, None)?.resume(None),
        Some(report) => match keeper::divide((report, client))? {
            Watch::First(keeper, (report, client)) => {
                Monitor::over(env, container, Some(keeper))?.begin(report, client)
            }
            Watch::Heir(streams) => Monitor::over(env, container, None)?.resume(streams),
        },
    };
    drop(lock);
    result
}

/// A container and what its monitor has for it.
struct Monitor<'a> {
    env: &'a Environment,
    container: Container,
    hub: Hub,
    keeper: Option<Keeper>,
    backoff: Backoff,
    restarts: u32,
}

impl<'a> Monitor<'a> {
    fn over(env: &'a Environment, container: Container, keeper: Option<Keeper>) -> Result<Self, Error> {
        let hub = Hub::open(&container.dir)?;
        Ok(Monitor { env, container, hub, keeper, backoff: Backoff::default(), restarts: 0 })
    }

    /// Starts the container, says how that went, and watches over it.
    fn begin(mut self, report: OwnedFd, client: Option<OwnedFd>) -> Result<(), Error> {
        if let Some(client) = client {
            self.hub.admit(client)?;
        }
        let launched = self.launch().map_err(|error| failed_start(self.env, &self.container, error));
        tell(report, &launched)?;
        match launched {
            Ok((launched, log)) => self.watch(launched, log),
            Err(_) => Ok(()),
        }
    }

    /// Goes on where another monitor was killed.
    fn resume(mut self, streams: Option<Streams>) -> Result<(), Error> {
        let running = self.container.last_run()?;
        self.restarts = running.as_ref().map_or(0, |running| running.restarts);
        match self.container.status()? {
            Status::Running(running) => match running.process.open()? {
                Some(process) => {
                    let streams = streams.map_or_else(Streams::nowhere, Ok)?;
                    let log = Writer::open(&self.container)?;
                    let spent = Kept::default();
                    let connection = networks::hold(&running).map(Connection::Rules);
                    self.watch(Launched { process, streams, connection, spent }, log)
                }
                None => self.settle(streams, Exit::LOST),
            },
            // It ended, and this process may be its parent by now.
            _ => match (running, self.container.exit()?) {
                (Some(running), None) => {
                    let code = running.process.reap().unwrap_or(Exit::LOST);
                    self.settle(streams, code)
                }
                (_, Some(exit)) if exit.next_start.is_some() => self.end(exit),
                // It was recorded, or never began.
                _ => remove_if_asked(self.env, &self.container),
            },
        }
    }

    /// What a container printed before it ended is logged still.
    fn settle(&mut self, streams: Option<Streams>, code: i32) -> Result<(), Error> {
        if let Some(streams) = streams {
            let log = Writer::open(&self.container)?;
            Pump::new(streams, Outside::default(), log, None, None)?.drain()?;
        }
        let exit = take_down(self.env, &self.container, code)?;
        self.end(exit)
    }

    /// Starts the container, and opens its log before, which whoever follows it looks for.
    fn launch(&mut self) -> Result<(Launched, Option<Writer>), Error> {
        let log = Writer::open(&self.container)?;
        // With -i and no one attached, stdin stays open and silent.
        let options = LaunchOptions {
            stdin: self.container.record.options.interactive,
            die_with_parent: false,
            restarts: self.restarts,
            size: if self.container.record.options.tty { self.hub.first_size() } else { None },
        };
        let launched = launch(self.env, &self.container, options)?;
        if let Some(keeper) = &self.keeper {
            keeper.keep(&launched.streams, self.container.record.options.stdin_once)?;
        }
        Ok((launched, log))
    }

    /// Watches over a running container until it ends, and over those that follow it.
    fn watch(&mut self, launched: Launched, log: Option<Writer>) -> Result<(), Error> {
        let exit = self.attend(launched, log)?;
        self.end(exit)
    }

    /// Records an end, and sees to what is wanted after it.
    fn end(&mut self, exit: Exit) -> Result<(), Error> {
        let mut exit = exit;
        loop {
            exit = match self.follow(exit)? {
                Some(next) => next,
                None => return Ok(()),
            };
        }
    }

    /// One turn: the end, the pause, the next start and the next end; none when there is no next start.
    fn follow(&mut self, mut exit: Exit) -> Result<Option<Exit>, Error> {
        // It may have changed since the start.
        let policy = Container::load(&self.container.dir)?
            .map_or(self.container.record.options.restart, |now| now.record.options.restart);
        let pause = match policy.wants(exit.code, self.restarts) && !self.is_stopped() {
            true => Some(self.backoff.next(self.ran()?)),
            false => None,
        };
        exit.next_start = pause.map(|pause| (jiff::Timestamp::now() + pause).to_string());
        self.container.write_exit(&exit)?;
        note_end(self.env, &self.container, &exit);
        self.hub.part(&exit);
        let Some(pause) = pause else {
            return remove_if_asked(self.env, &self.container).map(|()| None);
        };
        if !self.doze(pause)? {
            exit.next_start = None;
            self.container.write_exit(&exit)?;
            return Ok(None);
        }
        self.restarts += 1;
        // It may have another name or other limits by now.
        self.container = Container::load(&self.container.dir)?
            .ok_or_else(|| Error::NotFound(self.container.record.name.clone()))?;
        match self.launch() {
            Ok((launched, log)) => self.attend(launched, log).map(Some),
            Err(error) => {
                let code = i32::from(error.exit_code());
                Ok(Some(Exit::now(code, false, crate::error::chain(&error))))
            }
        }
    }

    /// Waits; false if somebody stopped the container meanwhile.
    fn doze(&mut self, pause: Duration) -> Result<bool, Error> {
        let until = std::time::Instant::now() + pause;
        loop {
            if self.is_stopped() {
                return Ok(false);
            }
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Ok(true);
            }
            self.hub.doze(left);
        }
    }

    /// Whether somebody ended it, for good or to start it again himself.
    fn is_stopped(&self) -> bool {
        [Mark::Stopped, Mark::Again].into_iter().any(|mark| self.container.is_marked(mark))
    }

    fn ran(&self) -> Result<Duration, Error> {
        let running = self.container.last_run()?;
        Ok(running.map_or(Duration::ZERO, |running| super::since(&running.started)))
    }

    /// Carries what a container prints and is told until it ends, and takes it down.
    fn attend(&mut self, launched: Launched, log: Option<Writer>) -> Result<Exit, Error> {
        let Launched { process, streams, mut connection, spent } = launched;
        drop(spent);
        let mut clock = Clock::start(&self.container)?;
        let console = console_of(&streams)?;
        let console = console.as_ref().map(AsFd::as_fd);
        let mut pump = Pump::new(streams, Outside::default(), log, None, console)?;
        pump.serve(&self.container, &mut self.hub, clock.as_mut());
        pump.relay(&self.container, connection.as_mut());
        let code = pump.run(&process)?;
        drop(connection);
        take_down(self.env, &self.container, code)
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
