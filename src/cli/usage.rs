//! What the store takes on disk, in all: `lay du` without an image.

use std::collections::{BTreeMap, HashSet};

use lay_store::{Digest, Store};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::human;
use super::output::{Format, rows};
use crate::container::{self, Environment, Status, Volumes};
use crate::image::{self, Image};

/// What one kind of things takes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Usage {
    total: usize,
    active: usize,
    /// Bytes in all.
    size: u64,
    /// Bytes that a removal of what is not active frees.
    reclaimable: u64,
}

impl Usage {
    fn add(&mut self, active: bool, size: u64) {
        self.total += 1;
        self.active += usize::from(active);
        self.size += size;
        self.reclaimable += if active { 0 } else { size };
    }

    fn row(&self, kind: &str) -> Value {
        let share = (self.reclaimable * 100).checked_div(self.size).unwrap_or(0);
        json!({
            "Type": kind,
            "TotalCount": self.total,
            "Active": self.active,
            "Size": human::size(self.size, 4),
            "Bytes": self.size,
            "Reclaimable": format!("{} ({share}%)", human::size(self.reclaimable, 4)),
            "ReclaimableBytes": self.reclaimable,
        })
    }
}

/// Prints the table.
pub fn show(context: &Context, format: Option<&str>) -> Result<u8, Failure> {
    let format = Format::parse(format)?;
    let env = context.environment()?;
    let tried = || "cannot measure the store".to_string();
    container::sweep(&env).tried(tried)?;
    let listed: Vec<Image> =
        image::list(&env.store).tried(tried)?.into_iter().flatten().map(|row| row.image).collect();
    let (images, parts) = images(&env, &listed).tried(tried)?;
    let objects = [
        images.row("Images"),
        containers(&env).tried(tried)?.row("Containers"),
        volumes(&env).tried(tried)?.row("Local Volumes"),
        results(&env.store, &parts).tried(tried)?.row("Build Cache"),
    ];
    let columns = [
        ("TYPE", "Type"),
        ("TOTAL", "TotalCount"),
        ("ACTIVE", "Active"),
        ("SIZE", "Size"),
        ("RECLAIMABLE", "Reclaimable"),
    ];
    rows(&format, &columns, &objects)?;
    Ok(0)
}

/// All images, and the blobs and layers that they consist of. What several images share counts once, and is freed with the last.
fn images(env: &Environment, listed: &[Image]) -> Result<(Usage, HashSet<Digest>), container::Error> {
    let claims = env.containers.claims()?;
    let in_use = |image: &Image| claims.iter().any(|claim| claim.manifest == image.manifest);
    let ids = |images: &mut dyn Iterator<Item = &Image>| images.map(|i| i.id).collect::<HashSet<_>>().len();
    let mut sizes: BTreeMap<Digest, (u64, bool)> = BTreeMap::new();
    for image in listed {
        for (part, size) in parts_of(&env.store, image) {
            let known = sizes.entry(part).or_insert((size, false));
            known.1 |= in_use(image);
        }
    }
    let size = |which: &dyn Fn(bool) -> bool| {
        sizes.values().filter(|(_, used)| which(*used)).map(|(size, _)| size).sum()
    };
    let usage = Usage {
        total: ids(&mut listed.iter()),
        active: ids(&mut listed.iter().filter(|image| in_use(image))),
        size: size(&|_| true),
        reclaimable: size(&|used| !used),
    };
    Ok((usage, sizes.into_keys().collect()))
}

/// Blobs and layers of an image that are in the store, with their bytes on disk.
fn parts_of(store: &Store, image: &Image) -> Vec<(Digest, u64)> {
    let blobs = image.blobs.iter().filter_map(|blob| blob.digest().to_string().parse().ok());
    let blobs = blobs.chain([image.manifest, image.id]).filter_map(|digest: Digest| {
        let meta = std::fs::metadata(store.blob_path(&digest)).ok()?;
        Some((digest, meta.len()))
    });
    let layers = image.layers.iter().filter_map(|diff_id| Some((*diff_id, store.layer_size(diff_id)?)));
    // A layer that travels uncompressed has one digest for both of its forms.
    let mut parts: BTreeMap<Digest, u64> = BTreeMap::new();
    for (digest, size) in blobs.chain(layers) {
        *parts.entry(digest).or_default() += size;
    }
    parts.into_iter().collect()
}

fn containers(env: &Environment) -> Result<Usage, container::Error> {
    let mut usage = Usage::default();
    for container in env.containers.list()? {
        usage.add(matches!(container.status()?, Status::Running(_)), container.written());
    }
    Ok(usage)
}

fn volumes(env: &Environment) -> Result<Usage, container::Error> {
    let volumes = Volumes::new(env.store.root());
    let users = volumes.users(&env.containers)?;
    let mut usage = Usage::default();
    for volume in volumes.list()? {
        usage.add(users.contains_key(&volume.name), volumes.size(&volume.name));
    }
    Ok(usage)
}

/// Layers that results of builds keep; active are those that images consist of.
fn results(store: &Store, parts: &HashSet<Digest>) -> Result<Usage, lay_store::Error> {
    let layers: BTreeMap<Digest, u64> =
        store.build_records()?.into_iter().filter_map(|record| record.layer).collect();
    let mut usage = Usage::default();
    for diff_id in layers.into_keys() {
        match parts.contains(&diff_id) {
            // Its bytes are the images'.
            true => usage.add(true, 0),
            false => {
                let blob = std::fs::metadata(store.blob_path(&diff_id)).map_or(0, |meta| meta.len());
                usage.add(false, store.layer_size(&diff_id).unwrap_or(0) + blob);
            }
        }
    }
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_active_can_be_had_back() {
        let mut usage = Usage::default();
        usage.add(true, 3_000_000);
        usage.add(false, 1_000_000);
        let row = usage.row("Images");
        assert_eq!((row["Size"].as_str(), row["TotalCount"].as_u64()), (Some("4MB"), Some(2)));
        assert_eq!(row["Reclaimable"], "1MB (25%)");
        assert_eq!(Usage::default().row("Images")["Reclaimable"], "0B (0%)");
    }
}
