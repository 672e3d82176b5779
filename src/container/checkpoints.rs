//! Kept states of a container's writable layer.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};

use super::changes::frozen_upper;
use super::error::Error;
use super::files::{on, read_json, write_json};
use super::fork::copy_upper;
use super::id::{check_name, new_id};
use super::record::Container;
use super::remove::disk_usage;

/// A kept state.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Checkpoint {
    /// Its name.
    pub name: String,
    /// When it was taken (RFC 3339, UTC).
    pub created: String,
    /// Bytes on disk; shared ones count too.
    #[serde(skip)]
    pub size: u64,
}

/// The kept states of one container, below its directory.
#[derive(Debug)]
pub struct Checkpoints<'a> {
    container: &'a Container,
    root: PathBuf,
}

impl<'a> Checkpoints<'a> {
    /// Those of a container.
    pub fn of(container: &'a Container) -> Checkpoints<'a> {
        Checkpoints { container, root: container.path("snapshots") }
    }

    /// Keeps the writable layer as it is now; processes stand still meanwhile.
    ///
    /// # Errors
    /// When the name is taken, or the files cannot be copied; nothing is left behind then.
    pub fn create(&self, name: Option<&str>) -> Result<Checkpoint, Error> {
        let created = Timestamp::now().to_string();
        let name = name.map_or_else(|| created.replace([':', '.'], "-"), str::to_string);
        check_name(&name)?;
        let dir = self.root.join(&name);
        if dir.exists() {
            return Err(Error::SnapshotExists(name));
        }
        let half = self.root.join(format!(".{}", new_id()?));
        let upper = half.join("upper");
        DirBuilder::new().recursive(true).mode(0o700).create(&upper).map_err(on("create", &upper))?;
        let checkpoint = Checkpoint { name, created, size: 0 };
        let kept = frozen_upper(self.container, |from| match from.is_dir() {
            true => copy_upper(from, &upper),
            false => Ok(()),
        })
        .and_then(|()| write_json(&half.join("snapshot.json"), &checkpoint))
        .and_then(|()| fs::rename(&half, &dir).map_err(on("create", &dir)));
        if kept.is_err() {
            let _ = fs::remove_dir_all(&half);
        }
        kept.map(|()| checkpoint)
    }

    /// All of them, oldest first.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Checkpoint>, Error> {
        let entries = match fs::read_dir(&self.root) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(on("read", &self.root))?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(on("read", &self.root))?.path();
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if let (false, Some(checkpoint)) = (hidden, read_json::<Checkpoint>(&path.join("snapshot.json"))?)
            {
                all.push(Checkpoint { size: disk_usage(&path), ..checkpoint });
            }
        }
        all.sort_by(|a, b| a.created.cmp(&b.created));
        Ok(all)
    }

    /// Makes the writable layer what it was. The container must not run.
    ///
    /// # Errors
    /// [`Error::Running`], [`Error::NoSnapshot`], or when the files cannot be copied; the layer is then as before.
    pub fn rollback(&self, name: &str) -> Result<(), Error> {
        let from = self.find(name)?.join("upper");
        let running = || Error::Running(self.container.record.name.clone());
        // Whoever starts it has to wait.
        let _lock = self.container.try_lock()?.ok_or_else(running)?;
        if self.container.require_running().is_ok() {
            return Err(running());
        }
        let (upper, new) =
            (self.container.path("rw").join("upper"), self.container.path("rw").join("rollback"));
        remove_tree(&new)?;
        DirBuilder::new().mode(0o700).create(&new).map_err(on("create", &new))?;
        copy_upper(&from, &new)?;
        renameat_with(CWD, &new, CWD, &upper, RenameFlags::EXCHANGE)
            .map_err(|e| on("replace", &upper)(e.into()))?;
        remove_tree(&new)
    }

    /// Forgets one.
    ///
    /// # Errors
    /// [`Error::NoSnapshot`], or when it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let dir = self.find(name)?;
        let gone = self.root.join(format!(".{}", new_id()?));
        fs::rename(&dir, &gone).map_err(on("remove", &dir))?;
        remove_tree(&gone)
    }

    fn find(&self, name: &str) -> Result<PathBuf, Error> {
        let dir = self.root.join(name);
        let there = check_name(name).is_ok() && dir.is_dir();
        there.then_some(dir).ok_or_else(|| Error::NoSnapshot(name.to_string()))
    }
}

fn remove_tree(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(on("remove", path)(e)),
        _ => Ok(()),
    }
}
