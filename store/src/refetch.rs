//! Compressed layers that need not be kept: their mountable form is there, and a registry has them.

use std::collections::{HashMap, HashSet};

use oci_spec::image::{ImageConfiguration, ImageManifest};

use crate::error::Result;
use crate::names::Image;
use crate::{Digest, Store};

/// Annotation of an image in `index.json` that was pulled: the digest that its reference had in the registry, which is
/// that of an index where the image is for several platforms.
pub const PULLED_DIGEST: &str = "org.lay.pulled.digest";
/// Annotation of an image that was pulled: the reference in full.
pub const PULLED_FROM: &str = "org.lay.pulled.from";

/// No manifest or configuration is larger, in bytes.
const MAX_DOCUMENT: u64 = 4 << 20;

impl Store {
    /// Compressed layers that only pulled images need and whose mountable form is there, each with its diff id: these can be
    /// fetched again. What cannot be read needs everything.
    ///
    /// # Errors
    /// When `index.json` cannot be read.
    pub fn refetchable(&self) -> Result<HashMap<Digest, Digest>> {
        let (mut can_go, mut needed) = (HashMap::new(), HashSet::new());
        for image in self.images()? {
            let Some(layers) = self.layer_blobs(&image) else { continue };
            match is_pulled(&image) {
                true => can_go.extend(layers),
                false => needed.extend(layers.into_iter().map(|(blob, _)| blob)),
            }
        }
        can_go.retain(|blob, diff_id| !needed.contains(blob) && self.layer(diff_id).is_some());
        Ok(can_go)
    }

    /// An image's compressed layers with their diff ids.
    fn layer_blobs(&self, image: &Image) -> Option<Vec<(Digest, Digest)>> {
        let manifest = image.descriptor.digest().to_string().parse().ok()?;
        let manifest: ImageManifest =
            serde_json::from_slice(&self.read_blob(&manifest, MAX_DOCUMENT).ok()?).ok()?;
        let config = manifest.config().digest().to_string().parse().ok()?;
        let config: ImageConfiguration =
            serde_json::from_slice(&self.read_blob(&config, MAX_DOCUMENT).ok()?).ok()?;
        let (blobs, diff_ids) = (manifest.layers(), config.rootfs().diff_ids());
        let pair = |(blob, diff_id): (&oci_spec::image::Descriptor, &String)| {
            Some((blob.digest().to_string().parse().ok()?, diff_id.parse().ok()?))
        };
        if blobs.len() != diff_ids.len() {
            return None;
        }
        blobs.iter().zip(diff_ids).map(pair).collect()
    }
}

fn is_pulled(image: &Image) -> bool {
    image.descriptor.annotations().as_ref().is_some_and(|a| a.contains_key(PULLED_DIGEST))
}
