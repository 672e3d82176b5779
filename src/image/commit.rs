//! New images: from a container's changes, or from an archive of a whole tree.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::Path;

use jiff::Timestamp;
use lay_store::{Digest, LayerForm, Lease, Store};
use oci_spec::image::Descriptor;
use serde_json::{Value, json};

use super::{Changes, Error, Image};
use crate::layer::{self, Hashed};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What a new image is to be.
#[derive(Clone, Debug)]
pub struct Commit<'a> {
    /// Its name; none leaves it without.
    pub name: Option<&'a str>,
    /// Who made it.
    pub author: Option<&'a str>,
    /// Why.
    pub message: Option<&'a str>,
    /// Changes of the configuration.
    pub changes: Changes,
    /// What its layer is turned into.
    pub form: LayerForm,
}

/// Makes an image of another one and the archive of changes that `write` writes; gives its id.
///
/// # Errors
/// What `write` returns, or when the store is full; nothing has a name then.
pub fn commit<E: From<Error>>(
    store: &Store,
    base: &Image,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    commit: &Commit<'_>,
) -> Result<Digest, E> {
    let failed = |error: lay_store::Error| E::from(error.into());
    let lease = store.lease().map_err(failed)?;
    lease.protect(base.layers.iter().copied().chain([base.manifest, base.id])).map_err(failed)?;
    let (diff_id, blob) = keep_layer(store, &lease, commit.form, write)?;
    Ok(commit_layer(store, &lease, base, (diff_id, blob), commit)?)
}

/// The same, with its layer in the store.
fn commit_layer(
    store: &Store,
    lease: &Lease,
    base: &Image,
    (diff_id, blob): (Digest, Value),
    commit: &Commit<'_>,
) -> Result<Digest, Error> {
    let mut config: Value = serde_json::from_slice(&base.raw_config).map_err(|source| Error::Document {
        subject: base.id,
        what: "configuration",
        source,
    })?;
    let layers = base.blobs.iter().map(|d| json!(d)).collect();
    extend(&mut config, &diff_id, commit, "lay commit");
    keep_image(store, lease, config, layers, blob, commit.name)
}

/// Makes an image of one layer from an archive, which may be compressed; gives its id.
///
/// # Errors
/// When the archive is none or hostile, or the store is full.
pub fn import(store: &Store, archive: impl Read + Send, commit: &Commit<'_>) -> Result<Digest, Error> {
    let lease = store.lease()?;
    let mut plain = layer::inflate(archive)?;
    let copy = |out: &mut dyn Write| match io::copy(&mut plain, out) {
        Ok(_) => Ok(()),
        Err(e) => Err(Error::Layer(layer::Error::Read(e))),
    };
    let (diff_id, blob) = keep_layer(store, &lease, commit.form, copy)?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut config = json!({
        "architecture": architecture, "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": []}, "history": [],
    });
    extend(&mut config, &diff_id, commit, "lay import");
    keep_image(store, &lease, config, Vec::new(), blob, commit.name)
}

/// Adds a layer to a configuration, and what was changed with it.
fn extend(config: &mut Value, diff_id: &Digest, commit: &Commit<'_>, by: &str) {
    let created = created();
    if let Some(diff_ids) = config["rootfs"]["diff_ids"].as_array_mut() {
        diff_ids.push(json!(diff_id));
    }
    if !config["config"].is_object() {
        config["config"] = json!({});
    }
    if let Some(object) = config["config"].as_object_mut() {
        commit.changes.apply(object);
    }
    let mut entry = json!({"created": created, "created_by": by});
    if let Some(author) = commit.author {
        config["author"] = json!(author);
        entry["author"] = json!(author);
    }
    if let Some(message) = commit.message {
        entry["comment"] = json!(message);
    }
    match config["history"].as_array_mut() {
        Some(history) => history.push(entry),
        None => config["history"] = json!([entry]),
    }
    config["created"] = json!(created);
}

/// Now, or the time that `SOURCE_DATE_EPOCH` names (reproducible-builds.org).
fn created() -> String {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let given = given.and_then(|seconds| Timestamp::from_second(seconds).ok());
    given.unwrap_or_else(Timestamp::now).to_string()
}

fn keep_image(
    store: &Store,
    lease: &Lease,
    config: Value,
    mut layers: Vec<Value>,
    blob: Value,
    name: Option<&str>,
) -> Result<Digest, Error> {
    layers.push(blob);
    let config = config.to_string();
    let id = Digest::of(config.as_bytes());
    let reference = json!({"mediaType": CONFIG, "digest": id, "size": config.len()});
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": reference, "layers": layers}).to_string();
    let digest = Digest::of(manifest.as_bytes());
    lease.protect([id, digest])?;
    store.put_blob(config.as_bytes(), CONFIG)?;
    store.put_blob(manifest.as_bytes(), MANIFEST)?;
    let descriptor = json!({"mediaType": MANIFEST, "digest": digest, "size": manifest.len()});
    let descriptor: Descriptor = serde_json::from_value(descriptor).map_err(|source| Error::Document {
        subject: digest,
        what: "descriptor",
        source,
    })?;
    match name {
        Some(name) => store.tag(name, descriptor)?,
        None => store.tag_nameless(descriptor)?,
    }
    Ok(id)
}

/// Writes a layer's archive into the store, and turns it into its mountable form. It is not compressed: whoever pushes it
/// decides how, and most layers are never pushed.
fn keep_layer<E: From<Error>>(
    store: &Store,
    lease: &Lease,
    form: LayerForm,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(Digest, Value), E> {
    let dir = store.root().join("ingest");
    let file = tempfile::tempfile_in(&dir).map_err(|e| Error::file("write in", &dir)(e))?;
    let mut plain = Hashed::new(BufWriter::with_capacity(1 << 20, file));
    write(&mut plain)?;
    Ok(adopt_layer(store, lease, form, plain, &dir)?)
}

fn adopt_layer(
    store: &Store,
    lease: &Lease,
    form: LayerForm,
    plain: Hashed<BufWriter<File>>,
    dir: &Path,
) -> Result<(Digest, Value), Error> {
    let (digest, size) = (plain.digest(), plain.passed());
    let diff_id = digest;
    let written = plain.into_inner().into_inner().map_err(io::IntoInnerError::into_error);
    let mut file = written.map_err(Error::file("write in", dir))?;
    lease.protect([digest])?;
    if !store.has_blob_of(&digest, size) {
        file.rewind().map_err(Error::file("read in", dir))?;
        keep_blob(store, &mut file, &digest, size)?;
    }
    if store.layer(&diff_id).is_none() {
        let path = store.blob_path(&digest);
        let blob = File::open(&path).map_err(Error::file("open", &path))?;
        layer::unpack(store, blob, &diff_id, form)?;
    }
    Ok((diff_id, json!({"mediaType": LAYER, "digest": digest, "size": size})))
}

/// Copies a blob of known digest and size into the store.
pub(super) fn keep_blob(store: &Store, from: &mut dyn Read, digest: &Digest, size: u64) -> Result<(), Error> {
    let mut ingest = store.ingest(digest, Some(size))?;
    // What another process left there may be all that is needed, but this is at hand.
    ingest.restart()?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => ingest.write(&buffer[..read])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::file("read", Path::new("the archive"))(e)),
        }
    }
    ingest.finish(LAYER)?;
    Ok(())
}
