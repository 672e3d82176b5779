//! What an image under construction is after each instruction.

use std::path::PathBuf;

use jiff::Timestamp;
use lay_store::{Digest, Layer, LayerForm, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cache::{Wanted, is_here};
use super::error::StepError;
use super::plan::SavedScope;
use crate::container;
use crate::image::Image;
use crate::registry::Platform;
use crate::snapshot::{Snapshot, Via};

/// Media type of a layer that is not compressed (image-spec, "Media Types").
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// What an image without an environment of its own searches for programs.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Part {
    /// It is in the store.
    Stored {
        /// Digest of its archive.
        diff_id: Digest,
        /// Descriptor of its blob.
        blob: Value,
    },
    /// It is an archive already, and about to come into the store.
    Fresh {
        /// Digest of its archive.
        diff_id: Digest,
        /// Bytes of its archive.
        size: u64,
        /// Its mountable form.
        layer: (LayerForm, PathBuf),
    },
    /// It is still the directory that a command wrote into.
    Kept {
        /// The stage and the number of the step that made it.
        step: (usize, usize),
        /// The directory.
        path: PathBuf,
    },
}

impl Part {
    /// A part of a layer in the store whose blob is not compressed.
    pub fn stored(diff_id: Digest, size: u64) -> Self {
        Self::Stored { diff_id, blob: blob_of(diff_id, size) }
    }

    /// Digest of its archive, if that is known.
    pub fn diff_id(&self) -> Option<Digest> {
        match self {
            Self::Stored { diff_id, .. } | Self::Fresh { diff_id, .. } => Some(*diff_id),
            Self::Kept { .. } => None,
        }
    }

    /// Its diff id and the size of its archive, if a step made it and it is not in the store.
    pub fn missing(&self, store: &Store) -> Option<Wanted> {
        let Self::Stored { diff_id, blob } = self else { return None };
        let made = blob["mediaType"] == LAYER && blob["digest"] == json!(diff_id);
        Some((*diff_id, blob["size"].as_u64()?)).filter(|_| made && !is_here(store, diff_id))
    }

    fn layer(&self, store: &Store) -> Result<Layer, StepError> {
        let directory = |path: &PathBuf| Layer {
            diff_id: Digest::of(b""),
            form: LayerForm::Directory,
            path: path.clone(),
        };
        match self {
            Self::Kept { path, .. } => Ok(directory(path)),
            Self::Fresh { diff_id, layer: (form, path), .. } => {
                let fresh = Layer { diff_id: *diff_id, form: *form, path: path.clone() };
                Ok(store.layer(diff_id).unwrap_or(fresh))
            }
            Self::Stored { diff_id, .. } => {
                store.layer(diff_id).ok_or(container::Error::MissingLayer(*diff_id).into())
            }
        }
    }
}

/// The descriptor of a layer's archive as it is.
pub fn blob_of(diff_id: Digest, size: u64) -> Value {
    json!({"mediaType": LAYER, "digest": diff_id, "size": size})
}

/// An image under construction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The image's configuration without `config`, `rootfs` and `history`.
    pub config: Map<String, Value>,
    /// The object `config` inside of it: what containers get.
    pub settings: Map<String, Value>,
    /// How it came to be (image-spec, "history").
    pub history: Vec<Value>,
    /// Its layers, bottom to top.
    pub parts: Vec<Part>,
    /// No file and no record is younger, in seconds since 1970.
    pub epoch: i64,
    /// The variables.
    pub scope: SavedScope,
    /// The stage has set a `CMD` of its own.
    pub has_cmd: bool,
}

impl State {
    /// What `FROM scratch` begins with.
    pub fn scratch(platform: &Platform, epoch: i64) -> Self {
        let mut config = Map::new();
        config.insert("os".into(), json!(platform.os));
        config.insert("architecture".into(), json!(platform.architecture));
        if let Some(variant) = &platform.variant {
            config.insert("variant".into(), json!(variant));
        }
        let mut settings = Map::new();
        settings.insert("Env".into(), json!([format!("PATH={PATH}")]));
        let scope = SavedScope::default();
        Self { config, settings, history: Vec::new(), parts: Vec::new(), epoch, scope, has_cmd: false }
    }

    /// What `FROM image` begins with.
    ///
    /// # Errors
    /// When its configuration is no object.
    pub fn of_image(image: &Image, epoch: Option<i64>) -> Result<Self, StepError> {
        let damaged =
            |source| crate::image::Error::Document { subject: image.id, what: "configuration", source };
        let mut config: Map<String, Value> = serde_json::from_slice(&image.raw_config).map_err(damaged)?;
        config.remove("rootfs");
        // What Docker's own images say of the container that made them is of no use here.
        for field in ["container", "container_config", "id", "parent", "throwaway"] {
            config.remove(field);
        }
        let history = match config.remove("history") {
            Some(Value::Array(history)) => history,
            _ => Vec::new(),
        };
        let parts = image.layers.iter().zip(&image.blobs);
        let parts = parts.map(|(diff_id, blob)| Part::Stored { diff_id: *diff_id, blob: json!(blob) });
        let epoch = epoch.or_else(|| created(&config)).unwrap_or(0);
        let scope = SavedScope::default();
        let settings = match config.remove("config") {
            Some(Value::Object(settings)) => settings,
            _ => Map::new(),
        };
        Ok(Self { parts: parts.collect(), config, settings, history, epoch, scope, has_cmd: false })
    }

    /// A text of [`State::settings`], empty if it is not there.
    pub fn setting(&self, name: &str) -> &str {
        self.settings.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A list of texts of [`State::settings`].
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        serde_json::from_value(self.settings.get(name)?.clone()).ok()
    }

    /// The environment of containers.
    pub fn environment(&self) -> std::collections::BTreeMap<String, String> {
        let list = self.list("Env").unwrap_or_default();
        list.iter().filter_map(|entry| entry.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
    }

    /// What runs commands in shell form.
    pub fn shell(&self) -> Vec<String> {
        self.list("Shell").filter(|shell| !shell.is_empty()).unwrap_or(vec!["/bin/sh".into(), "-c".into()])
    }

    /// The platform that it is for.
    pub fn platform(&self) -> Platform {
        let text = |name: &str| self.config.get(name).and_then(Value::as_str);
        Platform::new(
            text("os").unwrap_or("linux"),
            text("architecture").unwrap_or_default(),
            text("variant"),
        )
    }

    /// Its layers, as they can be mounted now.
    ///
    /// # Errors
    /// When the store has lost one.
    pub fn snapshot(&self, store: &Store, via: Via) -> Result<Snapshot, StepError> {
        let layers = self.parts.iter().map(|part| part.layer(store)).collect::<Result<_, _>>()?;
        Ok(Snapshot { layers, via, ..Snapshot::default() })
    }

    /// Notes an instruction in the history.
    pub fn note(&mut self, created_by: &str, empty_layer: bool) {
        let mut entry = json!({"created": time(self.epoch), "created_by": created_by});
        if empty_layer {
            entry["empty_layer"] = json!(true);
        }
        self.history.push(entry);
    }

    /// Digests of all archives, bottom to top; none while one is not known.
    pub fn diff_ids(&self) -> Option<Vec<Digest>> {
        self.parts.iter().map(Part::diff_id).collect()
    }
}

/// A point in time as image configurations write it.
pub fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// When an image says that it was made, in seconds since 1970.
fn created(config: &Map<String, Value>) -> Option<i64> {
    config.get("created")?.as_str()?.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// What identifies the content of a root: a digest over the digests of its layers.
pub fn chain(diff_ids: &[Digest]) -> Digest {
    let text: String = diff_ids.iter().map(|digest| format!("{digest}\n")).collect();
    Digest::of(text.as_bytes())
}
