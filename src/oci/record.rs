//! Containers of this runtime: a directory each, with what must be remembered.

use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::Error;
use crate::container::ProcessId;
use crate::runtime::cgroup::Cgroup;
use crate::runtime::{Subject, gate};

/// Where states are kept without `--root`.
const ROOT: &str = "/run/lay-oci";

/// What a container is (`state.json`).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// Its bundle.
    pub bundle: PathBuf,
    /// Its root.
    pub rootfs: PathBuf,
    /// Its first process.
    pub process: ProcessId,
    /// When it was created (RFC 3339).
    pub created: String,
    /// Its control group, below each hierarchy.
    pub cgroup: String,
    /// It has a user namespace of its own.
    pub own_users: bool,
    /// User id on the host who owns it.
    pub owner: u32,
    /// Annotations of its specification.
    pub annotations: HashMap<String, String>,
}

/// What a container is doing (runtime-spec, "State").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

/// All containers.
pub struct Containers(PathBuf);

/// One container.
pub struct Container {
    pub dir: PathBuf,
    pub record: Record,
}

impl Containers {
    pub fn new(root: Option<PathBuf>) -> Containers {
        let default = || match std::env::var_os("XDG_RUNTIME_DIR") {
            Some(dir) if !rustix::process::geteuid().is_root() => PathBuf::from(dir).join("lay-oci"),
            _ => PathBuf::from(ROOT),
        };
        Containers(root.unwrap_or_else(default))
    }

    /// Makes a container's directory.
    pub fn make(&self, id: &str) -> Result<PathBuf, Error> {
        let dir = self.dir(id)?;
        let builder = || {
            let mut builder = DirBuilder::new();
            builder.mode(0o700);
            builder
        };
        builder().recursive(true).create(&self.0).map_err(Error::io("create", &self.0))?;
        match builder().create(&dir) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(Error::Exists(id.to_string())),
            result => result.map(|()| dir.clone()).map_err(Error::io("create", &dir)),
        }
    }

    pub fn find(&self, id: &str) -> Result<Container, Error> {
        let dir = self.dir(id)?;
        let path = dir.join("state.json");
        let data = match fs::read(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(Error::NotFound(id.to_string())),
            result => result.map_err(Error::io("read", &path))?,
        };
        let record = serde_json::from_slice(&data).map_err(|source| Error::Json { path, source })?;
        Ok(Container { dir, record })
    }

    pub fn all(&self) -> Result<Vec<Container>, Error> {
        let entries = match fs::read_dir(&self.0) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            result => result.map_err(Error::io("read", &self.0))?,
        };
        let ids = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        // What is being made or removed just now is not there.
        let mut all: Vec<Container> = ids.filter_map(|id| self.find(&id).ok()).collect();
        all.sort_by(|a, b| a.record.id.cmp(&b.record.id));
        Ok(all)
    }

    /// Directory of a container whose id is one.
    pub fn dir(&self, id: &str) -> Result<PathBuf, Error> {
        let fine = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
        match id.chars().all(fine) && !["", ".", ".."].contains(&id) {
            true => Ok(self.0.join(id)),
            false => Err(Error::Id(id.to_string())),
        }
    }
}

impl Container {
    pub fn status(&self) -> Status {
        if !self.record.process.is_alive() {
            Status::Stopped
        } else if gate::is_waiting(&self.dir) {
            Status::Created
        } else if self.cgroup().is_ok_and(|group| group.is_frozen().unwrap_or(false)) {
            Status::Paused
        } else {
            Status::Running
        }
    }

    pub fn cgroup(&self) -> Result<Cgroup, Error> {
        Ok(Cgroup::open(&self.record.cgroup)?)
    }

    /// Its specification, as it was when it was created.
    pub fn spec(&self) -> Result<Spec, Error> {
        Ok(Spec::load(self.dir.join("config.json"))?)
    }

    pub fn subject(&self) -> Subject {
        Subject {
            id: self.record.id.clone(),
            bundle: self.record.bundle.clone(),
            annotations: self.record.annotations.clone(),
        }
    }

    /// Its state, with what runc adds to it.
    pub fn state(&self) -> Value {
        let status = self.status();
        let pid = if status == Status::Stopped { 0 } else { self.record.process.pid };
        json!({
            "ociVersion": crate::runtime::SPEC_VERSION, "id": self.record.id, "pid": pid, "status": status.name(),
            "bundle": self.record.bundle, "rootfs": self.record.rootfs, "created": self.record.created,
            "annotations": self.record.annotations, "owner": owner(self.record.owner),
        })
    }
}

fn owner(uid: u32) -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid));
    user.ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// Writes a file that appears whole or not at all.
pub fn write(path: &Path, data: &[u8]) -> Result<(), Error> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let save = || {
        let mut file = tempfile::Builder::new().prefix(".lay-").tempfile_in(dir)?;
        file.write_all(data)?;
        rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o644))?;
        file.persist(path).map(drop).map_err(|e| e.error)
    };
    save().map_err(Error::io("write", path))
}
