//! Garbage collection: what no image, container or running process refers to.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use oci_spec::image::Descriptor;

use crate::build::BuildPrune;
use crate::error::{Error, Result};
use crate::fsutil::{self, disk_usage, lock, lock_file, random_name, remove_all, try_lock};
use crate::layer::remove_abandoned;
use crate::lease::protected;
use crate::names::name_of;
use crate::reach::reach;
use crate::{Digest, Store};

/// What a collection does.
#[derive(Clone, Copy, Debug)]
pub struct PruneOptions<'a> {
    /// Only say what would be removed.
    pub dry_run: bool,
    /// Entries of `index.json` to remove. Those that a running process protects stay.
    pub images: &'a [Unwanted],
    /// Remove compressed layers that can be fetched again ([`Store::refetchable`]).
    pub refetchable_blobs: bool,
    /// Remove results of builds and the layers that nothing else uses; without, all of them stay.
    pub build_cache: Option<BuildPrune>,
    /// Remove half-arrived blobs that nobody has touched for this long.
    pub ingest_older_than: Duration,
}

/// An entry of `index.json`: its name, if it has one, and what it stands for.
pub type Unwanted = (Option<String>, Digest);

/// What a collection removed, or would remove.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// Images that were to be removed.
    pub images: Vec<Unwanted>,
    /// Blobs and their sizes in bytes.
    pub blobs: Vec<(Digest, u64)>,
    /// Layers by diff id, and the bytes that they take on disk.
    pub layers: Vec<(Digest, u64)>,
    /// Half-arrived blobs and their sizes in bytes.
    pub ingests: Vec<(Digest, u64)>,
    /// Bytes in all, with what earlier processes left half made.
    pub bytes: u64,
    /// An entry of `index.json` does not say any more what it stands for, so all blobs and layers stayed.
    pub withheld: bool,
}

impl Store {
    /// Removes what is not used. `roots` tells, while nothing can be claimed anew, which manifests, configurations and diff
    /// ids containers use; it may fail, and then nothing is removed.
    ///
    /// # Errors
    /// What `roots` returns, or the store's own.
    pub fn prune<E: From<Error>>(
        &self,
        options: &PruneOptions<'_>,
        roots: impl FnOnce() -> std::result::Result<Vec<Digest>, E>,
    ) -> std::result::Result<Pruned, E> {
        let collection = lock(&self.path("gc.lock"), true)?;
        let images = self.drop_entries(options.images, options.dry_run)?;
        let mut pruned = Pruned { images, ..Pruned::default() };
        let mut used = self.used(roots()?, &pruned.images)?;
        used.extend(match &options.build_cache {
            Some(prune) => self.prune_build_records(prune, options.dry_run)?,
            None => self.build_layers()?,
        });
        if options.refetchable_blobs {
            let held: HashSet<Digest> = protected(self)?.into_iter().collect();
            let can_go = self.refetchable()?;
            used.retain(|digest| !can_go.contains_key(digest) || held.contains(digest));
        }
        let mut trash = Vec::new();
        pruned.withheld = self.damaged_entries()?.iter().any(|entry| entry.digest.is_none());
        if !pruned.withheld {
            self.collect_blobs(&used, &mut pruned, &mut trash)?;
            self.collect_layers(&used, &mut pruned, &mut trash)?;
        }
        self.collect_ingests(options.ingest_older_than, &mut pruned, &mut trash)?;
        if options.dry_run {
            return Ok(pruned);
        }
        pruned.bytes += remove_abandoned(self, &mut trash)?;
        self.throw_away(trash)?;
        self.forget(&pruned);
        // Big trees take long to delete; nobody needs to wait for that.
        drop(collection);
        self.empty_trash()?;
        Ok(pruned)
    }

    fn drop_entries(&self, unwanted: &[Unwanted], dry_run: bool) -> Result<Vec<Unwanted>> {
        let protected: HashSet<Digest> = protected(self)?.into_iter().collect();
        let gone: Vec<Unwanted> =
            unwanted.iter().filter(|(_, digest)| !protected.contains(digest)).cloned().collect();
        if !dry_run && !gone.is_empty() {
            self.change_names(|mut list| {
                list.retain(|descriptor| !stands_in(&gone, name_of(descriptor), descriptor));
                (list, ())
            })?;
        }
        Ok(gone)
    }

    /// All that is referred to, but for images that go.
    fn used(&self, roots: Vec<Digest>, gone: &[Unwanted]) -> Result<HashSet<Digest>> {
        let mut used = HashSet::new();
        for image in self.images()? {
            if stands_in(gone, image.name, &image.descriptor) {
                continue;
            }
            if let Ok(digest) = image.descriptor.digest().to_string().parse() {
                reach(self, digest, &mut used)?;
            }
        }
        // What a damaged entry still names stays until it is repaired or removed.
        let damaged = self.damaged_entries()?.into_iter().filter_map(|entry| entry.digest);
        for root in roots.into_iter().chain(damaged).chain(protected(self)?) {
            reach(self, root, &mut used)?;
        }
        Ok(used)
    }

    fn collect_blobs(
        &self,
        used: &HashSet<Digest>,
        pruned: &mut Pruned,
        trash: &mut Vec<PathBuf>,
    ) -> Result<()> {
        for (name, path) in fsutil::entries(&self.path("blobs/sha256"))? {
            match Digest::from_hex(&name) {
                Some(digest) if used.contains(&digest) => {}
                Some(digest) => {
                    let size = fs::metadata(&path).map_or(0, |m| m.len());
                    pruned.blobs.push((digest, size));
                    pruned.bytes += size;
                    trash.push(path);
                }
                // A half-written document of a dead process.
                None if name.starts_with(".tmp-") && is_older(&path, Duration::from_secs(3600)) => {
                    trash.push(path)
                }
                None => {}
            }
        }
        Ok(())
    }

    fn collect_layers(
        &self,
        used: &HashSet<Digest>,
        pruned: &mut Pruned,
        trash: &mut Vec<PathBuf>,
    ) -> Result<()> {
        for (name, path) in fsutil::entries(&self.path("layers"))? {
            let hex = name.strip_suffix(".erofs").unwrap_or(&name);
            let Some(diff_id) = Digest::from_hex(hex).filter(|d| !used.contains(d)) else { continue };
            let size = self.layer_size(&diff_id).unwrap_or_else(|| disk_usage(&path));
            pruned.layers.push((diff_id, size));
            pruned.bytes += size;
            trash.push(path);
        }
        Ok(())
    }

    fn collect_ingests(&self, age: Duration, pruned: &mut Pruned, trash: &mut Vec<PathBuf>) -> Result<()> {
        for (name, path) in fsutil::entries(&self.path("ingest"))? {
            let Some(digest) = Digest::from_hex(&name) else { continue };
            let file = lock_file(&path)?;
            if is_older(&path, age) && try_lock(&file, &path)? {
                let size = fs::metadata(&path).map_or(0, |m| m.len());
                pruned.ingests.push((digest, size));
                pruned.bytes += size;
                trash.push(path);
            }
        }
        Ok(())
    }

    fn throw_away(&self, paths: Vec<PathBuf>) -> Result<()> {
        for path in paths {
            let to = self.path("trash").join(random_name()?);
            match fs::rename(&path, &to) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path)(e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Deletes what lies in the trash, also what an earlier collection had not come to.
    fn empty_trash(&self) -> Result<()> {
        let entries = fsutil::entries(&self.path("trash"))?;
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(entries.len());
        if workers < 2 {
            return entries.iter().try_for_each(|(_, path)| remove_all(path));
        }
        // What takes long is that the kernel gives back the cached pages of big files, one processor for each file.
        let (entries, next) = (&entries, &AtomicUsize::new(0));
        let work = || {
            while let Some((_, path)) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                remove_all(path)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }
}

fn stands_in(entries: &[Unwanted], name: Option<String>, descriptor: &Descriptor) -> bool {
    let digest = descriptor.digest().to_string();
    entries.iter().any(|entry| entry.0 == name && entry.1.to_string() == digest)
}

fn is_older(path: &Path, age: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|m| m.modified());
    modified.is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|passed| passed >= age))
}

#[cfg(test)]
mod tests;
