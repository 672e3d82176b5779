//! A container's directory and the records in it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use lay_store::Digest;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::exit::Exit;
use super::files::{on, read_json, write_json};
use super::idmap::IdMaps;
use super::lock::locked_dir;
use super::networks::Attached;
use super::options::Options;
use super::process::ProcessId;
use crate::runtime::cgroup::Cgroup;

/// What a container was made from and is: written at creation (`container.json`), changed by `lay update` and `lay rename`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Record {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Unique name.
    pub name: String,
    /// When it was created (RFC 3339, UTC).
    pub created: String,
    /// The image as the user named it.
    pub image: String,
    /// Digest of the image's manifest.
    pub manifest: Digest,
    /// Digest of the image's configuration.
    pub image_id: Digest,
    /// Diff ids of its layers, bottom to top.
    pub layers: Vec<Digest>,
    /// What will be run: entrypoint and command.
    pub args: Vec<String>,
    /// Signal number that asks it to stop.
    pub stop_signal: i32,
    /// Labels of image and command line.
    pub labels: std::collections::BTreeMap<String, String>,
    /// What the user asked for.
    pub options: Options,
}

/// What a running container is (`state.json`).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Running {
    /// Its first process.
    pub process: ProcessId,
    /// When it started (RFC 3339, UTC).
    pub started: String,
    /// What it is on its networks.
    #[serde(default)]
    pub networks: Vec<Attached>,
    /// Path of its control group below each hierarchy; empty without one.
    pub cgroup: String,
    /// The ids of its user namespace; none in the host's.
    pub maps: Option<IdMaps>,
    /// How often its monitor has started it again.
    #[serde(default)]
    pub restarts: u32,
    /// It runs in the user namespace of an ordinary user.
    #[serde(default)]
    pub nested: bool,
    /// Its published ports, with those that were chosen for it.
    #[serde(default)]
    pub ports: Vec<crate::network::PortMapping>,
}

impl Running {
    /// Its control group.
    ///
    /// # Errors
    /// [`Error::NoCgroup`] where none could be made.
    pub fn group(&self) -> Result<Cgroup, Error> {
        match self.cgroup.as_str() {
            "" => Err(Error::NoCgroup),
            path => Ok(Cgroup::open(path)?),
        }
    }
}

/// What a container is doing, derived from its records and processes.
#[derive(Clone, Debug)]
pub enum Status {
    /// Made, never started.
    Created,
    /// Its first process is alive.
    Running(Running),
    /// It ended, and this is how.
    Exited(Exit),
}

/// A container in the store.
#[derive(Clone, Debug)]
pub struct Container {
    /// `containers/<id>/`.
    pub dir: PathBuf,
    /// What it was made from.
    pub record: Record,
}

impl Container {
    /// Reads a container's record; none where the directory holds none (yet).
    ///
    /// # Errors
    /// When the record is damaged or cannot be read.
    pub fn load(dir: &Path) -> Result<Option<Container>, Error> {
        let record = read_json(&dir.join("container.json"))?;
        Ok(record.map(|record| Container { dir: dir.to_path_buf(), record }))
    }

    /// The id as people see it: 12 digits.
    pub fn short_id(&self) -> &str {
        &self.record.id[..12.min(self.record.id.len())]
    }

    /// Derives what the container is doing.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn status(&self) -> Result<Status, Error> {
        if let Some(exit) = self.exit()? {
            return Ok(Status::Exited(exit));
        }
        match self.last_run()? {
            None => Ok(Status::Created),
            Some(running) if running.process.is_alive() => Ok(Status::Running(running)),
            // Its supervisor still has something to do, such as to log the last of what it printed.
            Some(running) if running.process.is_of_this_boot() && self.is_supervised() => {
                match self.exit()? {
                    Some(exit) => Ok(Status::Exited(exit)),
                    None => Ok(Status::Running(running)),
                }
            }
            // Read once more: it may have been written just now.
            Some(_) => Ok(Status::Exited(self.exit()?.unwrap_or_else(Exit::unknown))),
        }
    }

    /// The running process, or an error that says it is not running.
    ///
    /// # Errors
    /// [`Error::NotRunning`], or a damaged record.
    pub fn require_running(&self) -> Result<Running, Error> {
        match self.status()? {
            Status::Running(running) => Ok(running),
            _ => Err(Error::NotRunning(self.record.name.clone())),
        }
    }

    /// Changes the record, as it is on disk now, and writes it. What fails changes nothing.
    ///
    /// # Errors
    /// Those of `change`, or the record cannot be read or written.
    pub(super) fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Record) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _lock = locked_dir(&self.dir)?;
        let path = self.path("container.json");
        let mut record: Record =
            read_json(&path)?.ok_or_else(|| Error::NotFound(self.record.name.clone()))?;
        let changed = change(&mut record)?;
        write_json(&path, &record)?;
        self.record = record;
        Ok(changed)
    }

    /// The exit record, where there is one.
    pub(super) fn exit(&self) -> Result<Option<Exit>, Error> {
        read_json(&self.path("exit.json"))
    }

    /// What was running last, whether it still is or not; none if it was never started.
    ///
    /// # Errors
    /// When the record is damaged.
    pub fn last_run(&self) -> Result<Option<Running>, Error> {
        read_json(&self.path("state.json"))
    }

    pub(super) fn write_running(&self, running: &Running) -> Result<(), Error> {
        write_json(&self.path("state.json"), running)
    }

    pub(super) fn write_exit(&self, exit: &Exit) -> Result<(), Error> {
        write_json(&self.path("exit.json"), exit)
    }

    /// A file of the container.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether a supervisor holds its lock.
    pub(super) fn is_supervised(&self) -> bool {
        use rustix::fs::FlockOperation;
        // It is not made, since the directory may be about to be removed, the lock already.
        let Ok(file) = File::open(self.path("lock")) else { return self.dir.exists() };
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
    }

    /// Takes the supervisor's lock, which dies with its holder; none when another process has it.
    pub(super) fn try_lock(&self) -> Result<Option<OwnedFd>, Error> {
        let path = self.path("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(on("open", &path))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file.into())),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(on("lock", &path)(e.into())),
        }
    }
}
