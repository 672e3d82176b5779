//! What an image consists of.

use std::collections::HashSet;

use oci_spec::image::{ImageConfiguration, ImageIndex, ImageManifest};

use crate::error::{Error, Result};
use crate::{Digest, Store};

/// No manifest, index or configuration is larger, in bytes.
pub(crate) const MAX_DOCUMENT: u64 = 4 << 20;

/// Adds all that `root` (a manifest or an index) refers to: blobs by digest, layers by diff id. What is missing or
/// damaged refers to nothing; it is counted itself all the same.
///
/// # Errors
/// [`Error::Io`] when a blob that is there cannot be read: nothing may be taken for unused then.
pub fn reach(store: &Store, root: Digest, found: &mut HashSet<Digest>) -> Result<()> {
    if !found.insert(root) {
        return Ok(());
    }
    let data = match store.read_blob(&root, MAX_DOCUMENT) {
        Ok(data) => data,
        Err(e @ Error::Io { .. }) => return Err(e),
        Err(_) => return Ok(()),
    };
    if let Ok(index) = serde_json::from_slice::<ImageIndex>(&data) {
        for manifest in index.manifests() {
            if let Ok(digest) = manifest.digest().to_string().parse() {
                reach(store, digest, found)?;
            }
        }
    } else if let Ok(manifest) = serde_json::from_slice::<ImageManifest>(&data) {
        found.extend(manifest.layers().iter().filter_map(|l| l.digest().to_string().parse::<Digest>().ok()));
        if let Ok(config) = manifest.config().digest().to_string().parse() {
            reach(store, config, found)?;
        }
    } else if let Ok(config) = serde_json::from_slice::<ImageConfiguration>(&data) {
        found.extend(config.rootfs().diff_ids().iter().filter_map(|d| d.parse::<Digest>().ok()));
    }
    Ok(())
}
