//! Images to archives: an OCI image layout that Docker's `load` reads as well.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use lay_store::{Digest, REF_NAME, Store};
use serde_json::{Value, json};
use tar::{Builder, Header};

use super::{Error, Image};
use crate::layer::Hashed;

/// Writes images as one archive: an OCI layout (image-spec, "Image Layout") with Docker's `manifest.json` beside it.
///
/// # Errors
/// When a blob is missing or damaged, or the archive cannot be written.
pub fn save_archive(store: &Store, images: &[Image], out: impl Write) -> Result<(), Error> {
    complete(store, images)?;
    let failed = || Error::file("write", Path::new("the archive"));
    let mut tar = Builder::new(out);
    let mut add = |name: &str, size: u64, data: &mut dyn Read| {
        let mut header = Header::new_ustar();
        header.set_size(size);
        header.set_mode(0o644);
        // Names are digests and constants, which always fit.
        tar.append_data(&mut header, name, data)
    };
    for digest in blobs(images) {
        let path = store.blob_path(&digest);
        let file = File::open(&path).map_err(Error::file("open", &path))?;
        let size = file.metadata().map_err(Error::file("examine", &path))?.len();
        let mut blob = Hashed::new(file);
        add(&format!("blobs/sha256/{}", digest.hex()), size, &mut blob).map_err(failed())?;
        verify(&blob, &digest)?;
    }
    for (name, text) in documents(images) {
        add(name, text.len() as u64, &mut text.as_bytes()).map_err(failed())?;
    }
    tar.into_inner().and_then(|mut out| out.flush()).map_err(failed())
}

/// Writes images as an OCI layout into a directory, which is made if it is missing.
///
/// # Errors
/// As [`save_archive`].
pub fn save_layout(store: &Store, images: &[Image], dir: &Path) -> Result<(), Error> {
    complete(store, images)?;
    let blob_dir = dir.join("blobs/sha256");
    std::fs::create_dir_all(&blob_dir).map_err(Error::file("create", &blob_dir))?;
    for digest in blobs(images) {
        let (from, path) = (store.blob_path(&digest), blob_dir.join(digest.hex()));
        let file = File::open(&from).map_err(Error::file("open", &from))?;
        let mut blob = Hashed::new(file);
        let copied = File::create(&path).and_then(|mut to| io::copy(&mut blob, &mut to));
        copied.map_err(Error::file("write", &path))?;
        verify(&blob, &digest)?;
    }
    for (name, text) in documents(images).into_iter().filter(|(name, _)| *name != "manifest.json") {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(Error::file("write", &path))?;
    }
    Ok(())
}

/// A blob of which all was read: is it what it should be?
fn verify(blob: &Hashed<File>, digest: &Digest) -> Result<(), Error> {
    match blob.digest() == *digest {
        true => Ok(()),
        false => Err(Error::DamagedBlob(*digest)),
    }
}

/// Nothing is written of an image whose compressed layers are gone.
fn complete(store: &Store, images: &[Image]) -> Result<(), Error> {
    for image in images {
        let layers = image.blobs.iter().filter_map(|d| d.digest().to_string().parse::<Digest>().ok());
        if let Some(digest) = layers.into_iter().find(|digest| !store.has_blob(digest)) {
            let next = match image.pulled_from() {
                Some(reference) => format!("'lay pull {reference}' fetches it again"),
                None => "it cannot be fetched again".to_string(),
            };
            let image = image.name.clone().unwrap_or_else(|| image.id.to_string());
            return Err(Error::Dropped { image, digest, next });
        }
    }
    Ok(())
}

fn blobs(images: &[Image]) -> BTreeSet<Digest> {
    let of = |image: &Image| {
        let layers = image.blobs.iter().filter_map(|d| d.digest().to_string().parse().ok());
        [image.manifest, image.id].into_iter().chain(layers).collect::<Vec<Digest>>()
    };
    images.iter().flat_map(of).collect()
}

/// `oci-layout`, `index.json`, and Docker's list.
fn documents(images: &[Image]) -> [(&'static str, String); 3] {
    let path = |digest: &str| format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"));
    let entry = |image: &Image| {
        let mut descriptor = json!(image.manifest_descriptor);
        descriptor["annotations"] = match &image.name {
            Some(name) => json!({REF_NAME: name, "io.containerd.image.name": canonical(name)}),
            None => json!({}),
        };
        descriptor
    };
    let docker = |image: &Image| {
        json!({
            "Config": path(&image.id.to_string()),
            "RepoTags": image.name.iter().collect::<Vec<_>>(),
            "Layers": image.blobs.iter().map(|d| path(d.digest().as_ref())).collect::<Vec<_>>(),
        })
    };
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": images.iter().map(entry).collect::<Vec<Value>>(),
    });
    [
        ("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#.to_string()),
        ("index.json", index.to_string()),
        ("manifest.json", json!(images.iter().map(docker).collect::<Vec<Value>>()).to_string()),
    ]
}

fn canonical(name: &str) -> String {
    crate::registry::Reference::parse(name).map_or_else(|_| name.to_string(), |r| r.canonical())
}
