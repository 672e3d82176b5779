//! What a container is doing, in one word, and the marks in its directory that say what a user wanted.

use super::error::Error;
use super::files::{remove_if_there, write};
use super::record::{Container, Running, Status};

/// What a container is doing (Docker's words).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Made, never started.
    Created,
    /// Its first process is alive.
    Running,
    /// Alive and frozen.
    Paused,
    /// It ended, and its monitor is about to start it again.
    Restarting,
    /// It ended.
    Exited,
}

impl State {
    /// Docker's word.
    pub fn word(self) -> &'static str {
        match self {
            State::Created => "created",
            State::Running => "running",
            State::Paused => "paused",
            State::Restarting => "restarting",
            State::Exited => "exited",
        }
    }
}

/// A mark: an empty file in the container's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A user ended it: its policy does not start it again.
    Stopped,
    /// It waits for its first start, though it is to be removed at its end (`lay create --rm`).
    Idle,
    /// It ends in order to be started again, so it is not removed.
    Again,
}

impl Mark {
    fn file(self) -> &'static str {
        match self {
            Mark::Stopped => "stopped",
            Mark::Idle => "idle",
            Mark::Again => "again",
        }
    }
}

impl Container {
    /// What it is doing.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn state(&self) -> Result<State, Error> {
        Ok(self.state_of(&self.status()?))
    }

    /// The same, of a status that was just read.
    pub fn state_of(&self, status: &Status) -> State {
        match status {
            Status::Created => State::Created,
            Status::Running(running) if is_frozen(running) => State::Paused,
            Status::Running(_) => State::Running,
            // Its monitor holds the lock.
            Status::Exited(exit) if exit.next_start.is_some() && self.is_supervised() => State::Restarting,
            Status::Exited(_) => State::Exited,
        }
    }

    /// Whether a mark is set.
    pub fn is_marked(&self, mark: Mark) -> bool {
        self.path(mark.file()).exists()
    }

    pub(super) fn mark(&self, mark: Mark) -> Result<(), Error> {
        write(&self.path(mark.file()), b"")
    }

    pub(super) fn unmark(&self, mark: Mark) -> Result<(), Error> {
        remove_if_there(&self.path(mark.file()))
    }
}

fn is_frozen(running: &Running) -> bool {
    !running.cgroup.is_empty() && running.group().and_then(|group| Ok(group.is_frozen()?)).unwrap_or(false)
}
