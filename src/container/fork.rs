//! A second container that starts from the first one's files as they are now.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use super::changes::frozen_upper;
use super::create::{Created, create};
use super::error::Error;
use super::files::on;
use super::launch::Environment;
use super::record::Container;
use super::rootfs::snapshot;
use super::teardown::teardown_and_remove;
use super::volume::{MountKind, Volumes};
use crate::image;
use crate::kernel::tree;

/// What is different in the second container.
#[derive(Clone, Debug, Default)]
pub struct ForkOptions {
    /// Its name; one is made up without.
    pub name: Option<String>,
    /// Command and arguments; the first one's without.
    pub command: Vec<String>,
    /// It is removed when it ends.
    pub auto_remove: bool,
}

/// Makes a container like another, with a copy of its writable layer and of the volumes that nobody named; its processes stand
/// still meanwhile. Named volumes and directories of the host are shared. Ports of the host are chosen anew.
///
/// # Errors
/// As [`create`], or when the files cannot be copied; nothing is left behind then.
pub fn fork(env: &Environment, source: &Container, wanted: ForkOptions) -> Result<Created, Error> {
    let record = &source.record;
    let image = image::of_manifest(&env.store, &record.manifest)?;
    let mut options = record.options.clone();
    options.name = wanted.name;
    options.auto_remove = wanted.auto_remove;
    (options.cidfile, options.volumes_from) = (None, Vec::new());
    if !wanted.command.is_empty() {
        options.command = wanted.command;
    }
    // A range is a choice already.
    for port in options.ports.iter_mut().filter(|port| port.host_last.is_none()) {
        port.host_port = 0;
    }
    for mount in options.mounts.iter_mut().filter(|mount| mount.anonymous) {
        mount.kind = MountKind::Volume(String::new());
    }
    let created = create(env, &image, &record.image, options)?;
    let copied = frozen_upper(source, |upper| copy(env, source, &created.container, upper));
    match copied {
        Ok(()) => Ok(created),
        Err(error) => match teardown_and_remove(env, &created.container) {
            Ok(()) => Err(error),
            Err(cleanup) => Err(Error::Cleanup { error: Box::new(error), cleanup: Box::new(cleanup) }),
        },
    }
}

fn copy(env: &Environment, source: &Container, target: &Container, upper: &Path) -> Result<(), Error> {
    // This makes the directory.
    snapshot(env, target)?;
    if upper.is_dir() {
        copy_upper(upper, &target.path("rw").join("upper"))?;
    }
    let volumes = Volumes::new(env.store.root());
    for mount in target.record.options.mounts.iter().filter(|mount| mount.anonymous) {
        let same = source.record.options.mounts.iter().find(|other| other.target == mount.target);
        if let (MountKind::Volume(new), Some(MountKind::Volume(old))) =
            (&mount.kind, same.map(|mount| &mount.kind))
        {
            let (from, to) = (open(&volumes.content(old)?.path)?, open(&volumes.ensure(new, true)?.path)?);
            tree::copy(&from, &to).map_err(|e| on("copy", Path::new(old))(e.into()))?;
        }
    }
    Ok(())
}

/// Copies a writable layer into an empty directory.
pub(super) fn copy_upper(from: &Path, to: &Path) -> Result<(), Error> {
    tree::copy_upper(&open(from)?, &open(to)?).map_err(|e| on("copy", from)(e.into()))
}

fn open(path: &Path) -> Result<OwnedFd, Error> {
    File::open(path).map(OwnedFd::from).map_err(on("open", path))
}
