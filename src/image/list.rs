//! What `lay images` and `lay history` show.

use lay_store::{Digest, Store};
use oci_spec::image::Descriptor;

use super::find::load_entry;
use super::{Error, Image};
use crate::layer::Compression;

/// One row of `lay images`.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The image.
    pub image: Image,
    /// Bytes that its layers take when mounted; the compressed size where a layer is missing.
    pub size: u64,
}

/// All images, newest first. Entries that cannot be read come back as errors beside the others.
///
/// # Errors
/// When `index.json` itself cannot be read.
pub fn list(store: &Store) -> Result<Vec<Result<Listed, Error>>, Error> {
    let mut rows = Vec::new();
    for entry in store.images()? {
        match load_entry(store, entry) {
            // Nothing can be said of it; 'lay manifest ls' lists it.
            Err(Error::EmptyIndex(_)) => {}
            row => rows.push(row.map(|image| listed(store, image))),
        }
    }
    let damaged = store.damaged_entries()?.into_iter();
    rows.extend(damaged.map(|entry| Err(Error::Store(entry.into()))));
    let created = |row: &Result<Listed, Error>| {
        row.as_ref().ok().and_then(|l| l.image.config.created().clone()).unwrap_or_default()
    };
    rows.sort_by_key(|row| std::cmp::Reverse(created(row)));
    Ok(rows)
}

fn listed(store: &Store, image: Image) -> Listed {
    let mounted: Option<u64> = image.layers.iter().map(|diff_id| store.layer_size(diff_id)).sum();
    Listed { size: mounted.unwrap_or_else(|| image.compressed_size()), image }
}

/// One row of `lay history`, newest first.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    /// When the step was made (RFC 3339).
    pub created: Option<String>,
    /// The instruction.
    pub created_by: String,
    /// Bytes of the layer that it made, not compressed if that is known; none for steps without a layer.
    pub size: Option<u64>,
    /// The builder's comment.
    pub comment: String,
}

/// The steps that made an image. Layers of which the configuration tells nothing are listed all the same.
pub fn history(store: &Store, image: &Image) -> Vec<HistoryEntry> {
    let size = |(blob, diff_id): (&Descriptor, &Digest)| match Compression::of_media_type(
        blob.media_type().as_ref(),
    ) {
        Some(Compression::Plain) => blob.size(),
        _ => store.layer_size(diff_id).unwrap_or(blob.size()),
    };
    let mut sizes = image.blobs.iter().zip(&image.layers).map(size);
    let mut rows: Vec<HistoryEntry> = image
        .config
        .history()
        .iter()
        .flatten()
        .map(|h| HistoryEntry {
            created: h.created().clone(),
            created_by: h.created_by().clone().unwrap_or_default(),
            size: if h.empty_layer().unwrap_or(false) { None } else { sizes.next() },
            comment: h.comment().clone().unwrap_or_default(),
        })
        .collect();
    rows.extend(sizes.map(|size| HistoryEntry {
        created: None,
        created_by: String::new(),
        size: Some(size),
        comment: String::new(),
    }));
    rows.reverse();
    rows
}
