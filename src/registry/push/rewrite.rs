//! Documents of which something was compressed on its way: as they were, but for the descriptors of what changed. A manifest is
//! the OCI's then, since Docker's has no name for every compression.

use std::collections::HashMap;

use lay_store::Digest;
use oci_distribution::manifest::{IMAGE_CONFIG_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use serde_json::{Value, json};

use super::plan::{Below, Node};
use crate::layer::Compression;
use crate::registry::manifest::{ManifestError, Target};

/// The media type and the bytes of a document with other descriptors. The same changes give the same bytes.
pub(super) fn rewrite(
    node: &Node,
    changes: &HashMap<Digest, Target>,
) -> Result<(String, Vec<u8>), ManifestError> {
    let kind = match node.below {
        Below::Parts(_) => "manifest",
        Below::Nodes(_) => "index",
    };
    let json = |source| ManifestError::Json { kind, source };
    let mut document: Value = serde_json::from_slice(&node.bytes).map_err(json)?;
    let media_type = match node.below {
        Below::Parts(_) => OCI_IMAGE_MEDIA_TYPE,
        Below::Nodes(_) => OCI_IMAGE_INDEX_MEDIA_TYPE,
    };
    document["mediaType"] = json!(media_type);
    if let Below::Parts(_) = node.below {
        document["config"]["mediaType"] = json!(IMAGE_CONFIG_MEDIA_TYPE);
    }
    for field in ["layers", "manifests"] {
        let list = document.get_mut(field).and_then(Value::as_array_mut);
        list.into_iter().flatten().for_each(|descriptor| change(descriptor, changes));
    }
    Ok((media_type.to_owned(), serde_json::to_vec(&document).map_err(json)?))
}

fn change(descriptor: &mut Value, changes: &HashMap<Digest, Target>) {
    let digest = descriptor["digest"].as_str().and_then(|text| text.parse::<Digest>().ok());
    if let Some(to) = digest.and_then(|digest| changes.get(&digest)) {
        descriptor["mediaType"] = json!(to.media_type);
        descriptor["digest"] = json!(to.digest);
        descriptor["size"] = json!(to.size);
        return;
    }
    let kind = descriptor["mediaType"].as_str().unwrap_or_default();
    if let Some(kind) = oci(kind) {
        descriptor["mediaType"] = json!(kind);
    }
}

/// The OCI's name for Docker's kind of layer.
fn oci(media_type: &str) -> Option<&'static str> {
    let foreign = media_type.contains(".foreign.");
    match Compression::of_media_type(media_type)
        .filter(|_| media_type.starts_with("application/vnd.docker."))?
    {
        Compression::Gzip if foreign => Some("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
        Compression::Plain => Some("application/vnd.oci.image.layer.v1.tar"),
        Compression::Gzip => Some("application/vnd.oci.image.layer.v1.tar+gzip"),
        Compression::Zstd => Some("application/vnd.oci.image.layer.v1.tar+zstd"),
        Compression::Bzip2 | Compression::Xz => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_another() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let bytes = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": a, "size": 1},
            "layers": [
                {"mediaType": "application/vnd.docker.image.rootfs.diff.tar", "digest": a, "size": 1},
                {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "digest": b, "size": 2},
            ],
            "annotations": {"kept": "yes"},
        });
        let bytes = bytes.to_string().into_bytes();
        let target = |digest| Target { media_type: String::new(), digest, size: 0, urls: Vec::new() };
        let node = Node { target: target(a), bytes, below: Below::Parts(Vec::new()) };
        let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
        let to = Target { media_type: zstd.to_owned(), digest: Digest::of(b"c"), size: 3, urls: Vec::new() };
        let (media_type, bytes) = rewrite(&node, &HashMap::from([(a, to.clone())])).unwrap();
        assert_eq!(media_type, OCI_IMAGE_MEDIA_TYPE);
        let after: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(after["layers"][0], json!({"mediaType": zstd, "digest": to.digest, "size": 3}));
        let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
        assert_eq!(after["layers"][1], json!({"mediaType": gzip, "digest": b, "size": 2}));
        assert_eq!(after["config"]["mediaType"], IMAGE_CONFIG_MEDIA_TYPE);
        assert_eq!(after["annotations"]["kept"], "yes");
        assert!(after.get("manifests").is_none(), "it is no index: {after}");
    }
}
