//! Manifests, indexes and image configurations: reading them strictly, and refusing what two readers could
//! understand differently (CVE-2021-41190).

use std::collections::BTreeSet;
use std::str::FromStr;

use lay_store::Digest;
use oci_distribution::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};
use oci_spec::image::Descriptor;
use serde::Deserialize;

use super::platform::Platform;

/// The media types that are asked for and understood.
pub(super) const ACCEPTED: [&str; 4] = [
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
];

/// Docker's media types of the schema that was given up in 2017.
const SCHEMA1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// The media types of layers: plain, gzip and zstd, of the OCI and of Docker, and the variants that may lie
/// outside the registry.
const LAYERS: [&str; 10] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

/// Whether a layer may not be pushed (image spec, "Non-Distributable Layers").
pub(super) fn is_foreign(media_type: &str) -> bool {
    media_type.contains(".nondistributable.") || media_type.contains(".foreign.")
}

/// A document of a registry that is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not JSON, or not of the shape that its media type demands.
    #[error("the {kind} cannot be understood")]
    Json {
        /// Manifest, index or configuration.
        kind: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// Docker's old schema.
    #[error(
        "it is in Docker's schema 1 of before 2017, which is not supported; push it again with a current tool"
    )]
    Schema1,
    /// Neither manifest nor index.
    #[error("its media type '{0}' is not supported")]
    MediaType(String),
    /// The document says it is something else than who named it says.
    #[error("it is announced as '{announced}' and calls itself '{own}'")]
    MediaTypeMismatch {
        /// By the registry or the index.
        announced: String,
        /// By the document.
        own: String,
    },
    /// Could be read as a manifest and as an index.
    #[error("it is ambiguous: a {kind} must not have '{field}'")]
    Ambiguous {
        /// What it says it is.
        kind: &'static str,
        /// What does not belong there.
        field: &'static str,
    },
    /// Something else than an image is kept there, such as a Helm chart.
    #[error("it is no container image but has a configuration of type '{0}'")]
    NotAnImage(String),
    /// A layer that nobody here can unpack.
    #[error("layer {digest} has the media type '{media_type}', which is not supported")]
    LayerMediaType {
        /// The layer's blob.
        digest: Digest,
        /// What it is said to be.
        media_type: String,
    },
    /// Not a sha256 digest.
    #[error("'{0}' is no sha256 digest")]
    Digest(String),
    /// The index has nothing for the platform.
    #[error("there is no image for {wanted}, only for {available}")]
    NoPlatform {
        /// What was looked for.
        wanted: Platform,
        /// What there is.
        available: String,
    },
    /// The image is for another platform.
    #[error("the image is for {actual} and not for {wanted}")]
    OtherPlatform {
        /// What was looked for.
        wanted: Platform,
        /// What the configuration says.
        actual: Platform,
    },
    /// The configuration and the manifest are not of one image.
    #[error("the configuration names {diff_ids} layers, the manifest {layers}")]
    LayerCount {
        /// In the configuration.
        diff_ids: usize,
        /// In the manifest.
        layers: usize,
    },
    /// Indexes in indexes without end.
    #[error("indexes lie more than {0} deep in each other")]
    TooDeep(usize),
}

/// A descriptor (image spec, "OCI Content Descriptors"), as far as a pull needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub media_type: String,
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// Where else the blob may be had.
    pub urls: Vec<String>,
}

impl Target {
    /// What a descriptor of the store points to.
    pub(super) fn of(descriptor: &Descriptor) -> Result<Self, ManifestError> {
        let text = descriptor.digest().to_string();
        Ok(Self {
            media_type: descriptor.media_type().to_string(),
            digest: Digest::from_str(&text).map_err(|_| ManifestError::Digest(text))?,
            size: descriptor.size(),
            urls: descriptor.urls().clone().unwrap_or_default(),
        })
    }
}

/// What a reference can point to.
#[derive(Debug)]
pub(super) enum Document {
    /// An image of one platform.
    Manifest { media_type: String, config: Target, layers: Vec<Target> },
    /// Images of several platforms.
    Index(Vec<IndexEntry>),
}

/// One image of an index.
#[derive(Debug)]
pub(super) struct IndexEntry {
    pub target: Target,
    pub platform: Option<Platform>,
}

/// What the configuration of an image must tell before the image can be unpacked.
#[derive(Debug)]
pub(super) struct ImageConfig {
    pub platform: Platform,
    pub diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u32>,
    media_type: Option<String>,
    config: Option<RawTarget>,
    layers: Option<Vec<RawTarget>>,
    manifests: Option<Vec<RawTarget>>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTarget {
    media_type: String,
    digest: String,
    size: u64,
    urls: Option<Vec<String>>,
    platform: Option<RawPlatform>,
}

#[derive(Deserialize)]
struct RawPlatform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

#[derive(Deserialize)]
struct RawConfig {
    #[serde(flatten)]
    platform: RawPlatform,
    rootfs: RawRootfs,
}

#[derive(Deserialize)]
struct RawRootfs {
    diff_ids: Vec<String>,
}

impl Document {
    /// Reads a document. `announced` is the media type that the registry or the index gives it; a general
    /// one, such as `application/json`, says nothing.
    pub fn parse(bytes: &[u8], announced: Option<&str>) -> Result<Self, ManifestError> {
        let announced = announced.map(essence).filter(|kind| !is_general(kind));
        if announced.is_some_and(|kind| SCHEMA1.contains(&kind)) {
            return Err(ManifestError::Schema1);
        }
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|source| ManifestError::Json { kind: "manifest", source })?;
        if raw.schema_version == Some(1) {
            return Err(ManifestError::Schema1);
        }
        let media_type = match (announced, raw.media_type.as_deref()) {
            (Some(announced), Some(own)) if announced != own => {
                return Err(ManifestError::MediaTypeMismatch {
                    announced: announced.to_owned(),
                    own: own.to_owned(),
                });
            }
            (Some(kind), _) | (None, Some(kind)) => kind.to_owned(),
            // The OCI allows it to be left out; then the fields decide, which must be unambiguous below.
            (None, None) if raw.manifests.is_some() => OCI_IMAGE_INDEX_MEDIA_TYPE.to_owned(),
            (None, None) => OCI_IMAGE_MEDIA_TYPE.to_owned(),
        };
        match media_type.as_str() {
            OCI_IMAGE_INDEX_MEDIA_TYPE | IMAGE_MANIFEST_LIST_MEDIA_TYPE => raw.into_index(),
            OCI_IMAGE_MEDIA_TYPE | IMAGE_MANIFEST_MEDIA_TYPE => raw.into_manifest(media_type),
            _ => Err(ManifestError::MediaType(media_type)),
        }
    }
}

impl Raw {
    fn into_index(self) -> Result<Document, ManifestError> {
        let ambiguous = |field| ManifestError::Ambiguous { kind: "index", field };
        if self.layers.is_some() {
            return Err(ambiguous("layers"));
        }
        if self.config.is_some() {
            return Err(ambiguous("config"));
        }
        let entries = required(self.manifests, "index", "manifests")?;
        let entries = entries.into_iter().map(|mut entry| {
            let platform = entry.platform.take().map(RawPlatform::into_platform);
            Ok(IndexEntry { target: entry.into_target()?, platform })
        });
        Ok(Document::Index(entries.collect::<Result<_, ManifestError>>()?))
    }

    fn into_manifest(self, media_type: String) -> Result<Document, ManifestError> {
        let ambiguous = |field| ManifestError::Ambiguous { kind: "manifest", field };
        if self.manifests.is_some() {
            return Err(ambiguous("manifests"));
        }
        if self.fs_layers.is_some() {
            return Err(ambiguous("fsLayers"));
        }
        let config = required(self.config, "manifest", "config")?.into_target()?;
        if ![IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE].contains(&config.media_type.as_str()) {
            return Err(ManifestError::NotAnImage(config.media_type));
        }
        let layers = required(self.layers, "manifest", "layers")?;
        let layers = layers.into_iter().map(|layer| {
            let layer = layer.into_target()?;
            match LAYERS.contains(&layer.media_type.as_str()) {
                true => Ok(layer),
                false => {
                    Err(ManifestError::LayerMediaType { digest: layer.digest, media_type: layer.media_type })
                }
            }
        });
        let layers = layers.collect::<Result<_, ManifestError>>()?;
        Ok(Document::Manifest { media_type, config, layers })
    }
}

fn required<T>(field: Option<T>, kind: &'static str, name: &'static str) -> Result<T, ManifestError> {
    let missing = || <serde_json::Error as serde::de::Error>::missing_field(name);
    field.ok_or_else(|| ManifestError::Json { kind, source: missing() })
}

impl RawTarget {
    fn into_target(self) -> Result<Target, ManifestError> {
        Ok(Target {
            media_type: self.media_type,
            digest: digest(self.digest)?,
            size: self.size,
            urls: self.urls.unwrap_or_default(),
        })
    }
}

impl RawPlatform {
    fn into_platform(self) -> Platform {
        Platform::new(&self.os, &self.architecture, self.variant.as_deref())
    }
}

impl ImageConfig {
    /// Reads an image configuration (image spec, "OCI Image Configuration").
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let raw: RawConfig = serde_json::from_slice(bytes)
            .map_err(|source| ManifestError::Json { kind: "image configuration", source })?;
        let diff_ids = raw.rootfs.diff_ids.into_iter().map(digest).collect::<Result<_, _>>()?;
        Ok(Self { platform: raw.platform.into_platform(), diff_ids })
    }

    /// Checks that the image can run on `wanted` and has as many layers as its manifest.
    pub fn check(&self, wanted: &Platform, layers: usize) -> Result<(), ManifestError> {
        if wanted.fitness(&self.platform).is_none() {
            return Err(ManifestError::OtherPlatform {
                wanted: wanted.clone(),
                actual: self.platform.clone(),
            });
        }
        let diff_ids = self.diff_ids.len();
        if diff_ids == layers { Ok(()) } else { Err(ManifestError::LayerCount { diff_ids, layers }) }
    }
}

/// The entry that runs best on `wanted`; of equal ones the first. One without a platform is taken only if
/// no other fits: its configuration will tell.
pub(super) fn choose<'a>(entries: &'a [IndexEntry], wanted: &Platform) -> Result<&'a Target, ManifestError> {
    let mut best: Option<(u32, &Target)> = None;
    for entry in entries {
        let fitness = entry.platform.as_ref().map_or(Some(0), |platform| wanted.fitness(platform));
        let fitness = fitness.map(|fitness| if entry.platform.is_some() { fitness.max(1) } else { 0 });
        if let Some(fitness) = fitness
            && best.is_none_or(|(best, _)| fitness > best)
        {
            best = Some((fitness, &entry.target));
        }
    }
    best.map(|(_, target)| target).ok_or_else(|| {
        let platforms = entries.iter().filter_map(|entry| entry.platform.as_ref());
        // Attestations are kept as images of no platform.
        let names: BTreeSet<String> =
            platforms.filter(|platform| platform.os != "unknown").map(Platform::to_string).collect();
        let available = match names.is_empty() {
            true => "nothing".to_owned(),
            false => names.into_iter().collect::<Vec<_>>().join(", "),
        };
        ManifestError::NoPlatform { wanted: wanted.clone(), available }
    })
}

fn digest(text: String) -> Result<Digest, ManifestError> {
    Digest::from_str(&text).map_err(|_| ManifestError::Digest(text))
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// What servers of plain files say, which tells nothing about the document.
fn is_general(media_type: &str) -> bool {
    matches!(media_type, "" | "application/json" | "application/octet-stream" | "text/plain")
}
