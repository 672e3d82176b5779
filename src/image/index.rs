//! Lists of images for several platforms: image indexes (image-spec, "OCI Image Index Specification") with a name in the store.

use lay_store::{Digest, Store};
use oci_spec::image::{Descriptor, MediaType};
use serde_json::{Map, Value, json};

use super::{Error, Image, MAX_DOCUMENT, find};
use crate::registry::Reference;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A list under change.
#[derive(Clone, Debug)]
pub struct List {
    /// Its name in the store.
    pub name: String,
    document: Value,
}

/// What is said of an image in a list, beside what its configuration says.
#[derive(Clone, Debug, Default)]
pub struct Annotation {
    /// `linux`.
    pub os: Option<String>,
    /// `arm64`.
    pub architecture: Option<String>,
    /// `v8`.
    pub variant: Option<String>,
    /// `10.0.14393.1066`, for Windows.
    pub os_version: Option<String>,
    /// `win32k`, for Windows.
    pub os_features: Vec<String>,
    /// Keys and values.
    pub annotations: Vec<(String, String)>,
}

/// Whether a media type is that of an index.
pub fn is_index(media_type: &MediaType) -> bool {
    let docker = "application/vnd.docker.distribution.manifest.list.v2+json";
    *media_type == MediaType::ImageIndex || media_type.as_ref() == docker
}

impl List {
    /// A list without images.
    pub fn new(name: &str) -> List {
        let document = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
        List { name: name.to_string(), document }
    }

    /// Reads the list of this name, if there is one.
    ///
    /// # Errors
    /// [`Error::NotAList`] for an image, [`Error::Document`], [`Error::Store`].
    pub fn read(store: &Store, name: &str) -> Result<Option<List>, Error> {
        let reference = Reference::parse(name).map_err(|e| Error::Reference {
            reference: name.to_string(),
            reason: crate::error::chain(&e.problem),
        })?;
        let name = reference.familiar();
        let Some(descriptor) = store.find(&name)? else { return Ok(None) };
        if !is_index(descriptor.media_type()) {
            return Err(Error::NotAList(name));
        }
        let text = descriptor.digest().to_string();
        let digest: Digest = text.parse().map_err(|_| Error::NotFound(text))?;
        let bytes = store.read_blob(&digest, MAX_DOCUMENT)?;
        let document = serde_json::from_slice(&bytes);
        let document =
            document.map_err(|source| Error::Document { subject: digest, what: "list", source })?;
        Ok(Some(List { name, document }))
    }

    /// The document, as `lay manifest inspect` shows it.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Adds an image, in place of what the list had for its digest; gives the digest.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such image, and as [`super::load`].
    pub fn add(&mut self, store: &Store, image: &str, more: &Annotation) -> Result<Digest, Error> {
        let image = find(store, image)?;
        let mut entry = entry(&image);
        more.apply(&mut entry);
        let digest = entry["digest"].clone();
        let entries = self.entries();
        entries.retain(|known| known["digest"] != digest);
        entries.push(entry);
        Ok(image.manifest)
    }

    /// Adds all images of another list as it names them; gives how many.
    ///
    /// # Errors
    /// As [`List::read`].
    pub fn add_all(&mut self, store: &Store, list: &str) -> Result<usize, Error> {
        let other = List::read(store, list)?.ok_or_else(|| Error::NotFound(list.to_string()))?;
        let added = other.document["manifests"].as_array().cloned().unwrap_or_default();
        let count = added.len();
        let entries = self.entries();
        entries.retain(|known| added.iter().all(|new| new["digest"] != known["digest"]));
        entries.extend(added);
        Ok(count)
    }

    /// Changes what is said of an image, which is named or given by its digest.
    ///
    /// # Errors
    /// [`Error::NotInList`].
    pub fn annotate(&mut self, store: &Store, image: &str, more: &Annotation) -> Result<(), Error> {
        let digest = digest_of(store, image);
        let list = self.name.clone();
        let entry = self.entries().iter_mut().find(|entry| entry["digest"] == digest);
        let entry = entry.ok_or_else(|| Error::NotInList { list, image: image.to_string() })?;
        more.apply(entry);
        Ok(())
    }

    /// Takes an image off the list.
    ///
    /// # Errors
    /// [`Error::NotInList`].
    pub fn remove(&mut self, store: &Store, image: &str) -> Result<(), Error> {
        let digest = digest_of(store, image);
        let list = self.name.clone();
        let entries = self.entries();
        let before = entries.len();
        entries.retain(|entry| entry["digest"] != digest);
        match entries.len() < before {
            true => Ok(()),
            false => Err(Error::NotInList { list, image: image.to_string() }),
        }
    }

    /// Puts the list into the store under its name. The one that had it is gone then, unless it has another.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn keep(&self, store: &Store) -> Result<Digest, Error> {
        let text = self.document.to_string();
        let digest = Digest::of(text.as_bytes());
        let lease = store.lease()?;
        lease.protect([digest])?;
        store.put_blob(text.as_bytes(), INDEX)?;
        let descriptor = json!({"mediaType": INDEX, "digest": digest, "size": text.len()});
        let descriptor: Descriptor = serde_json::from_value(descriptor)
            .map_err(|source| Error::Document { subject: digest, what: "descriptor", source })?;
        store.untag(&self.name)?;
        store.tag(&self.name, descriptor)?;
        Ok(digest)
    }

    /// The platforms of its images.
    pub fn platforms(&self) -> Vec<String> {
        let entries = self.document["manifests"].as_array().into_iter().flatten();
        let word = |entry: &Value, field: &str| entry["platform"][field].as_str().map(str::to_string);
        let platform = |entry: &Value| {
            let parts = ["os", "architecture", "variant"].iter().filter_map(|field| word(entry, field));
            parts.collect::<Vec<_>>().join("/")
        };
        entries.map(platform).collect()
    }

    fn entries(&mut self) -> &mut Vec<Value> {
        let list = &mut self.document["manifests"];
        if !list.is_array() {
            *list = json!([]);
        }
        list.as_array_mut().unwrap_or_else(|| unreachable!("an array was put there"))
    }
}

/// An image's descriptor with the platform that its configuration names.
fn entry(image: &Image) -> Value {
    let own = &image.manifest_descriptor;
    let raw: Value = serde_json::from_slice(&image.raw_config).unwrap_or_default();
    let mut platform = Map::new();
    for field in ["architecture", "os", "os.version", "os.features", "variant"] {
        if let Some(value) = raw.get(field).filter(|value| !value.is_null() && *value != "") {
            platform.insert(field.to_string(), value.clone());
        }
    }
    json!({"mediaType": own.media_type(), "digest": own.digest(), "size": own.size(), "platform": platform})
}

/// The digest of an image that is named, or the digest that was given.
fn digest_of(store: &Store, image: &str) -> String {
    let given = image.rsplit('@').next().unwrap_or(image);
    if given.parse::<Digest>().is_ok() {
        return given.to_string();
    }
    find(store, image).map_or_else(|_| image.to_string(), |image| image.manifest.to_string())
}

impl Annotation {
    fn apply(&self, entry: &mut Value) {
        let fields = [
            ("os", &self.os),
            ("architecture", &self.architecture),
            ("variant", &self.variant),
            ("os.version", &self.os_version),
        ];
        for (field, value) in fields {
            if let Some(value) = value {
                entry["platform"][field] = json!(value);
            }
        }
        if !self.os_features.is_empty() {
            entry["platform"]["os.features"] = json!(self.os_features);
        }
        for (key, value) in &self.annotations {
            entry["annotations"][key] = json!(value);
        }
    }
}
