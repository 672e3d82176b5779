//! Volumes on disk: a directory each, with the content in `_data` and what is known of it in `volume.json`.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::{Device, MountKind};
use crate::container::error::Error;
use crate::container::events::note;
use crate::container::files::{on, read_json, write_json};
use crate::container::id::{check_name, new_id};
use crate::container::lock::{locked, locked_dir};
use crate::container::record::Container;
use crate::container::set::Containers;

/// What is known of a volume.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// When it was made (RFC 3339, UTC).
    pub created: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `--opt`: where its content is, if it is not in the store.
    pub options: BTreeMap<String, String>,
    /// Nobody named it: it goes with its container.
    pub anonymous: bool,
}

/// The volumes of a store.
#[derive(Clone, Debug)]
pub struct Volumes {
    root: PathBuf,
}

impl Volumes {
    /// Those below a store's root.
    pub fn new(store_root: &Path) -> Volumes {
        Volumes { root: store_root.join("volumes") }
    }

    /// Directory of a volume.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Directory of a volume's content in the store.
    fn data(&self, name: &str) -> PathBuf {
        self.path(name).join("_data")
    }

    /// Where the content of a volume is, and whether nobody may write to it.
    ///
    /// # Errors
    /// When what is known of it is damaged.
    pub fn content(&self, name: &str) -> Result<Device, Error> {
        let device = Device::parse(&self.load(name.to_string())?.options)?;
        Ok(device.unwrap_or_else(|| Device { path: self.data(name), read_only: false }))
    }

    /// Makes a volume, with a name of its own if none is given. One that is there stays as it is.
    ///
    /// # Errors
    /// When the name is no name, an option makes no sense, or the disk refuses.
    pub fn create(
        &self,
        name: Option<&str>,
        labels: BTreeMap<String, String>,
        options: BTreeMap<String, String>,
    ) -> Result<Volume, Error> {
        Device::parse(&options)?;
        let anonymous = name.is_none();
        let name = name.map_or_else(new_id, |name| Ok(name.to_string()))?;
        check_name(&name)?;
        let _claim = self.claim()?;
        let created = Timestamp::now().to_string();
        self.make(Volume { name: name.clone(), created, labels, options, anonymous })?;
        self.find(&name)
    }

    /// The content of a container's volume, which is made when it is missing.
    pub(in crate::container) fn ensure(&self, name: &str, anonymous: bool) -> Result<Device, Error> {
        if !self.data(name).is_dir() {
            let created = Timestamp::now().to_string();
            self.make(Volume { name: name.to_string(), created, anonymous, ..Volume::default() })?;
        }
        self.content(name)
    }

    fn make(&self, volume: Volume) -> Result<(), Error> {
        let (dir, data) = (self.path(&volume.name), self.data(&volume.name));
        let make = |path: &Path, mode| {
            DirBuilder::new().recursive(true).mode(mode).create(path).map_err(on("create", path))
        };
        make(&dir, 0o711)?;
        // Containers that start at the same time make it once.
        let _lock = locked_dir(&dir)?;
        let about = dir.join("volume.json");
        if !about.exists() {
            write_json(&about, &volume)?;
            self.note("create", &volume.name);
        }
        make(&data, 0o755)
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Volume>, Error> {
        let mut all = Vec::new();
        let entries = match fs::read_dir(&self.root) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(all),
            entries => entries.map_err(on("read", &self.root))?,
        };
        for entry in entries {
            let entry = entry.map_err(on("read", &self.root))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                all.push(self.load(name)?);
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn load(&self, name: String) -> Result<Volume, Error> {
        let known: Option<Volume> = read_json(&self.path(&name).join("volume.json"))?;
        Ok(Volume { name, ..known.unwrap_or_default() })
    }

    /// One volume by its name.
    ///
    /// # Errors
    /// [`Error::NoVolume`].
    pub fn find(&self, name: &str) -> Result<Volume, Error> {
        let there = check_name(name).is_ok() && self.data(name).is_dir();
        if there { self.load(name.to_string()) } else { Err(Error::NoVolume(name.to_string())) }
    }

    /// The containers that have a volume, by name.
    ///
    /// # Errors
    /// When the containers cannot be listed.
    pub fn users(&self, containers: &Containers) -> Result<BTreeMap<String, Vec<String>>, Error> {
        self.users_without(containers, &[])
    }

    fn users_without(
        &self,
        containers: &Containers,
        gone: &[&str],
    ) -> Result<BTreeMap<String, Vec<String>>, Error> {
        let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let stay = |container: &Container| !gone.contains(&container.record.id.as_str());
        for container in containers.list()?.into_iter().filter(stay) {
            for mount in &container.record.options.mounts {
                if let MountKind::Volume(name) = &mount.kind {
                    users.entry(name.clone()).or_default().push(container.record.name.clone());
                }
            }
        }
        Ok(users)
    }

    /// Bytes that a volume takes in the store.
    pub fn size(&self, name: &str) -> u64 {
        crate::container::remove::disk_usage(&self.data(name))
    }

    /// Removes a volume that no container has.
    ///
    /// # Errors
    /// [`Error::NoVolume`], or [`Error::VolumeInUse`] with those that have it.
    pub fn remove(&self, containers: &Containers, name: &str) -> Result<(), Error> {
        self.find(name)?;
        let _alone = self.lock(FlockOperation::LockExclusive)?;
        if let Some(users) = self.users(containers)?.remove(name) {
            return Err(Error::VolumeInUse { name: name.to_string(), containers: users.join(", ") });
        }
        self.discard(name)
    }

    /// Removes (or, with `dry_run`, only names) those volumes that no container has, but for those with the ids `gone`, and that
    /// `wanted` picks; with their size in bytes.
    ///
    /// # Errors
    /// When one cannot be removed; those before are gone.
    pub fn prune(
        &self,
        containers: &Containers,
        gone: &[&str],
        dry_run: bool,
        wanted: impl Fn(&Volume) -> bool,
    ) -> Result<Vec<(Volume, u64)>, Error> {
        let _alone = self.lock(FlockOperation::LockExclusive)?;
        let users = self.users_without(containers, gone)?;
        let mut removed = Vec::new();
        for volume in self.list()?.into_iter().filter(|v| !users.contains_key(&v.name) && wanted(v)) {
            let size = self.size(&volume.name);
            if !dry_run {
                self.discard(&volume.name)?;
            }
            removed.push((volume, size));
        }
        Ok(removed)
    }

    fn note(&self, action: &str, name: &str) {
        let store = self.root.parent().unwrap_or(&self.root);
        note(store, "volume", action, name, &[("driver", "local".to_string())]);
    }

    /// Out of sight in one step, then away.
    fn discard(&self, name: &str) -> Result<(), Error> {
        let (dir, trash) = (self.path(name), self.root.with_file_name("trash"));
        fs::create_dir_all(&trash).map_err(on("create", &trash))?;
        let gone = trash.join(format!("volume-{}", new_id()?));
        fs::rename(&dir, &gone).map_err(on("remove", &dir))?;
        self.note("destroy", name);
        fs::remove_dir_all(&gone).map_err(on("remove", &gone))
    }

    /// As long as this is held, no volume is removed.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub(in crate::container) fn claim(&self) -> Result<File, Error> {
        self.lock(FlockOperation::LockShared)
    }

    fn lock(&self, how: FlockOperation) -> Result<File, Error> {
        locked(&self.root.with_file_name("volumes.lock"), how)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_that_many_ask_for_at_once_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let volumes = Volumes::new(dir.path());
        for round in 0..100 {
            let name = format!("v{round}");
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| volumes.ensure(&name, false).unwrap());
                }
            });
            assert_eq!(volumes.find(&name).unwrap().name, name);
            let left: Vec<_> = fs::read_dir(volumes.path(&name)).unwrap().flatten().collect();
            assert_eq!(left.len(), 2, "the content and what is known of it: {left:?}");
        }
        let noted = fs::read_to_string(dir.path().join("events/log")).unwrap_or_default();
        assert_eq!(noted.matches("create").count(), 100, "{noted}");
    }
}
