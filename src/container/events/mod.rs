//! What happened to containers, images, volumes and networks: each command appends it to a file of the store, which is kept
//! small. There is nobody to ask, so whoever wants to know reads that file, and waits for it to grow.

mod follow;
mod write;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use follow::{Span, follow};

use super::exit::Exit;
use super::launch::Environment;
use super::record::Container;

/// Directory in the store.
const DIR: &str = "events";
/// The newest file in it.
const NAME: &str = "log";

/// Something that happened.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Event {
    /// When.
    pub time: Timestamp,
    /// To what: `container`, `image`, `volume` or `network`.
    pub kind: String,
    /// What, such as `start`, in Docker's words.
    pub action: String,
    /// Id of the container, or name of the image, volume or network.
    pub id: String,
    /// What else is known of it, such as `name`, `image` and `exitCode`.
    pub attributes: BTreeMap<String, String>,
}

/// Notes that something happened. That it cannot be noted never keeps it from happening.
pub fn note(store_root: &std::path::Path, kind: &str, action: &str, id: &str, attributes: &[(&str, String)]) {
    let attributes = attributes.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
    let (kind, action, id) = (kind.to_string(), action.to_string(), id.to_string());
    let event = Event { time: Timestamp::now(), kind, action, id, attributes };
    if let Err(error) = write::append(&store_root.join(DIR), &event) {
        tracing::warn!(%error, "event not noted");
    }
}

/// Notes what happened to a container, with its name, image and labels.
pub fn note_container(env: &Environment, container: &Container, action: &str, more: &[(&str, String)]) {
    let record = &container.record;
    let mut attributes = vec![("image", record.image.clone()), ("name", record.name.clone())];
    attributes.extend(record.labels.iter().map(|(key, value)| (key.as_str(), value.clone())));
    attributes.extend(more.iter().cloned());
    note(env.store.root(), "container", action, &record.id, &attributes);
}

/// Notes how a container ended.
pub fn note_end(env: &Environment, container: &Container, exit: &Exit) {
    if exit.oom_killed {
        note_container(env, container, "oom", &[]);
    }
    note_container(env, container, "die", &[("exitCode", exit.code.to_string())]);
}
