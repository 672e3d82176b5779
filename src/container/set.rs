//! All containers of a store.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use lay_store::Digest;

use super::error::Error;
use super::files::on;
use super::id::{check_name, generated_name};
use super::record::Container;
use super::volume::images;

/// The directory `containers/` of a store.
#[derive(Clone, Debug)]
pub struct Containers {
    root: PathBuf,
}

impl Containers {
    /// Opens (and makes) the directory below the store's root.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(store_root: &Path) -> Result<Containers, Error> {
        let root = store_root.join("containers");
        let names = root.join("names");
        if !names.is_dir() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&names).map_err(on("create", &names))?;
        }
        Ok(Containers { root })
    }

    /// The store's root.
    pub fn store_root(&self) -> &Path {
        self.root.parent().unwrap_or(&self.root)
    }

    /// The lock on which those who make a container's directory hold a share until its own lock exists.
    pub(super) fn making(&self, exclusive: bool) -> Result<Option<std::fs::File>, Error> {
        use rustix::fs::FlockOperation;
        let path = self.root.join("making.lock");
        let file = std::fs::File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(on("open", &path))?;
        let how =
            if exclusive { FlockOperation::NonBlockingLockExclusive } else { FlockOperation::LockShared };
        match rustix::fs::flock(&file, how) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(on("lock", &path)(e.into())),
        }
    }

    /// Directory of a container.
    pub(super) fn dir(&self, id: &str) -> PathBuf {
        self.root.join(id)
    }

    /// All containers whose record is complete, newest first.
    ///
    /// # Errors
    /// When the directory cannot be read. A container with a damaged record is left out with a warning.
    pub fn list(&self) -> Result<Vec<Container>, Error> {
        let mut all = Vec::new();
        for dir in self.dirs()? {
            match Container::load(&dir) {
                Ok(Some(container)) => all.push(container),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "container left out"),
            }
        }
        all.sort_by(|a, b| b.record.created.cmp(&a.record.created));
        Ok(all)
    }

    /// Every container's directory, also half-made ones.
    pub(super) fn dirs(&self) -> Result<Vec<PathBuf>, Error> {
        let mut dirs = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(on("read", &self.root))? {
            let entry = entry.map_err(on("read", &self.root))?;
            if is_id(&entry.file_name().to_string_lossy()) {
                dirs.push(entry.path());
            }
        }
        Ok(dirs)
    }

    /// Finds a container by name, id, or a prefix of its id that no other has.
    ///
    /// # Errors
    /// [`Error::NotFound`] or [`Error::Ambiguous`].
    pub fn find(&self, name: &str) -> Result<Container, Error> {
        if check_name(name).is_err() {
            return Err(Error::NotFound(name.to_string()));
        }
        if let Some(id) = self.owner_of(name)?
            && let Some(container) = Container::load(&self.dir(&id))?
        {
            return Ok(container);
        }
        let mut found = None;
        for dir in self.dirs()? {
            let matches = dir.file_name().is_some_and(|n| n.to_string_lossy().starts_with(name));
            if matches && let Some(container) = Container::load(&dir)? {
                if found.is_some() {
                    return Err(Error::Ambiguous(name.to_string()));
                }
                found = Some(container);
            }
        }
        found.ok_or_else(|| Error::NotFound(name.to_string()))
    }

    /// Diff ids and manifests that containers use: they must stay in the store.
    ///
    /// # Errors
    /// When a record cannot be read: then nothing may be collected.
    pub fn roots(&self) -> Result<Vec<Digest>, Error> {
        self.roots_without(&[])
    }

    /// The same, as if the containers with these ids were gone.
    ///
    /// # Errors
    /// As [`Containers::roots`].
    pub fn roots_without(&self, gone: &[&str]) -> Result<Vec<Digest>, Error> {
        let mut roots = Vec::new();
        for dir in self.dirs()? {
            if let Some(container) = Container::load(&dir)?.filter(|c| !gone.contains(&c.record.id.as_str()))
            {
                roots.push(container.record.manifest);
                for image in images(&container.record.options.mounts) {
                    roots.extend(image.layers.iter().copied().chain(image.manifest));
                }
                roots.extend(container.record.layers);
            }
        }
        Ok(roots)
    }

    /// Which image each container uses, for `lay rmi`.
    ///
    /// # Errors
    /// When the containers cannot be listed.
    pub fn claims(&self) -> Result<Vec<crate::image::Claim>, Error> {
        self.claims_without(&[])
    }

    /// The same without some containers, by id.
    ///
    /// # Errors
    /// When the containers cannot be listed.
    pub fn claims_without(&self, gone: &[&str]) -> Result<Vec<crate::image::Claim>, Error> {
        let claims = |c: Container| {
            let mounted = images(&c.record.options.mounts).filter_map(|image| image.manifest);
            let all: Vec<Digest> = mounted.chain([c.record.manifest]).collect();
            all.into_iter()
                .map(move |manifest| crate::image::Claim { container: c.record.name.clone(), manifest })
        };
        let stay = |c: &Container| !gone.contains(&c.record.id.as_str());
        Ok(self.list()?.into_iter().filter(stay).flat_map(claims).collect())
    }

    /// Reserves a name for an id: a link that only one process can create.
    pub(super) fn reserve_name(&self, wanted: Option<&str>, id: &str) -> Result<String, Error> {
        if let Some(name) = wanted {
            check_name(name)?;
            return match self.try_reserve(name, id)? {
                None => Ok(name.to_string()),
                Some(owner) => {
                    let short = owner[..12.min(owner.len())].to_string();
                    Err(Error::NameInUse { name: name.to_string(), id: short })
                }
            };
        }
        let mut attempt = 0;
        loop {
            let name = generated_name(attempt)?;
            if self.try_reserve(&name, id)?.is_none() {
                return Ok(name);
            }
            attempt += 1;
        }
    }

    /// Takes the name, or tells who has it. A name whose container is gone is free.
    fn try_reserve(&self, name: &str, id: &str) -> Result<Option<String>, Error> {
        let link = self.name_link(name);
        loop {
            match symlink(id, &link) {
                Ok(()) => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(on("create", &link)(e)),
            }
            match self.owner_of(name)? {
                Some(owner) if self.dir(&owner).exists() => return Ok(Some(owner)),
                _ => super::files::remove_if_there(&link)?,
            }
        }
    }

    /// Frees a name if it is this container's.
    pub(super) fn release_name(&self, name: &str, id: &str) -> Result<(), Error> {
        if self.owner_of(name)?.as_deref() == Some(id) {
            super::files::remove_if_there(&self.name_link(name))?;
        }
        Ok(())
    }

    /// Frees every name that leads to this id, which no record names: its maker was killed between the two.
    pub(super) fn release_names_of(&self, id: &str) -> Result<(), Error> {
        let names = self.root.join("names");
        for entry in fs::read_dir(&names).map_err(on("read", &names))? {
            let name = entry.map_err(on("read", &names))?.file_name();
            self.release_name(&name.to_string_lossy(), id)?;
        }
        Ok(())
    }

    fn owner_of(&self, name: &str) -> Result<Option<String>, Error> {
        let link = self.name_link(name);
        match fs::read_link(&link) {
            Ok(id) => Ok(Some(id.to_string_lossy().into_owned())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(on("read", &link)(e)),
        }
    }

    fn name_link(&self, name: &str) -> PathBuf {
        self.root.join("names").join(name)
    }
}

fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_one_container_until_that_is_gone() {
        let tmp = tempfile::tempdir().unwrap();
        let set = Containers::open(tmp.path()).unwrap();
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        fs::create_dir(set.dir(&a)).unwrap();
        fs::create_dir(set.dir(&b)).unwrap();
        set.reserve_name(Some("web"), &a).unwrap();
        let error = set.reserve_name(Some("web"), &b).unwrap_err();
        assert!(matches!(error, Error::NameInUse { ref id, .. } if *id == "a".repeat(12)), "{error}");
        fs::remove_dir(set.dir(&a)).unwrap();
        set.reserve_name(Some("web"), &b).unwrap();
        set.release_name("web", &a).unwrap();
        assert_eq!(set.owner_of("web").unwrap(), Some(b.clone()));
        set.release_names_of(&a).unwrap();
        assert_eq!(set.owner_of("web").unwrap(), Some(b.clone()));
        set.release_names_of(&b).unwrap();
        assert_eq!(set.owner_of("web").unwrap(), None);
    }
}
