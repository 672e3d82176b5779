//! Names of images: `index.json` (image-spec, "Image Index Specification" and "Pre-Defined Annotation Keys").

use oci_spec::image::Descriptor;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::fsutil::{lock, replace};
use crate::{Digest, Store};

/// Annotation that holds an image's name.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An index without images.
pub(crate) const EMPTY: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// `index.json`, whose entries are looked at one by one: what is wrong with one is no matter of the others.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Document {
    #[serde(flatten)]
    rest: Map<String, Value>,
    manifests: Vec<Value>,
}

/// An entry of `index.json` that cannot be read.
#[derive(Clone, Debug)]
pub struct DamagedEntry {
    /// The name in it, if that is there.
    pub name: Option<String>,
    /// The digest in it, if that is one.
    pub digest: Option<Digest>,
    /// The parser's words.
    pub reason: String,
}

/// One entry of `index.json`.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its name; none for an image whose name went to another.
    pub name: Option<String>,
    /// Descriptor of its manifest, with annotations.
    pub descriptor: Descriptor,
}

impl Store {
    /// All entries of `index.json` that can be read.
    ///
    /// # Errors
    /// When it cannot be read itself.
    pub fn images(&self) -> Result<Vec<Image>> {
        let descriptors = self.read_names()?.manifests.into_iter().filter_map(|value| read(&value).ok());
        Ok(descriptors.map(|descriptor| Image { name: name_of(&descriptor), descriptor }).collect())
    }

    /// The entries of `index.json` that cannot be read.
    ///
    /// # Errors
    /// When it cannot be read itself.
    pub fn damaged_entries(&self) -> Result<Vec<DamagedEntry>> {
        Ok(self.read_names()?.manifests.iter().filter_map(|value| read(value).err()).collect())
    }

    /// The image with exactly this name.
    ///
    /// # Errors
    /// [`Error::Entry`] when there is one and its entry is damaged; when `index.json` cannot be read.
    pub fn find(&self, name: &str) -> Result<Option<Descriptor>> {
        let mut damaged = None;
        for value in self.read_names()?.manifests {
            match read(&value) {
                Ok(descriptor) if name_of(&descriptor).as_deref() == Some(name) => {
                    return Ok(Some(descriptor));
                }
                Err(entry) if entry.name.as_deref() == Some(name) => damaged = Some(entry),
                _ => {}
            }
        }
        damaged.map_or(Ok(None), |entry| Err(entry.into()))
    }

    /// Gives an image a name. Another image that had it stays, without a name if it has no other.
    ///
    /// # Errors
    /// When `index.json` cannot be replaced; it is as before then.
    pub fn tag(&self, name: &str, descriptor: Descriptor) -> Result<()> {
        let replaced = |entry: &DamagedEntry| entry.name.as_deref() == Some(name);
        self.change_entries(replaced, |mut list| {
            let (old, mut rest): (Vec<_>, Vec<_>) =
                list.drain(..).partition(|d| name_of(d).as_deref() == Some(name));
            let digest = descriptor.digest().to_string();
            rest.retain(|d| name_of(d).is_some() || d.digest().to_string() != digest);
            for mut old in old {
                let named = rest.iter().any(|d| d.digest() == old.digest());
                if old.digest() != descriptor.digest() && !named {
                    set_name(&mut old, None);
                    rest.push(old);
                }
            }
            let mut new = descriptor.clone();
            set_name(&mut new, Some(name));
            rest.push(new);
            (rest, ())
        })
    }

    /// Adds an image without a name, unless it is listed already.
    ///
    /// # Errors
    /// As [`Store::tag`].
    pub fn tag_nameless(&self, mut descriptor: Descriptor) -> Result<()> {
        set_name(&mut descriptor, None);
        self.change_names(|mut list| {
            if !list.iter().any(|d| d.digest() == descriptor.digest()) {
                list.push(descriptor);
            }
            (list, ())
        })
    }

    /// Takes a name away, and with it its entry; returns what it named.
    ///
    /// # Errors
    /// As [`Store::tag`].
    pub fn untag(&self, name: &str) -> Result<Option<Descriptor>> {
        self.change_entries(
            |entry| entry.name.as_deref() == Some(name),
            |list| {
                let (mut gone, rest): (Vec<_>, Vec<_>) =
                    list.into_iter().partition(|d| name_of(d).as_deref() == Some(name));
                (rest, gone.pop())
            },
        )
    }

    /// Removes all entries of an image; returns the names that it had.
    ///
    /// # Errors
    /// As [`Store::tag`].
    pub fn remove_image(&self, manifest: &Digest) -> Result<Vec<String>> {
        let digest = manifest.to_string();
        self.change_names(|list| {
            let (gone, rest): (Vec<_>, Vec<_>) =
                list.into_iter().partition(|d| d.digest().to_string() == digest);
            (rest, gone.iter().filter_map(name_of).collect())
        })
    }

    fn read_names(&self) -> Result<Document> {
        let path = self.path("index.json");
        let data = std::fs::read(&path).map_err(Error::io("read", &path))?;
        serde_json::from_slice(&data).map_err(|source| Error::Json { path, source })
    }

    /// Replaces the list of entries, under the store's lock.
    pub(crate) fn change_names<T>(
        &self,
        change: impl FnOnce(Vec<Descriptor>) -> (Vec<Descriptor>, T),
    ) -> Result<T> {
        self.change_entries(|_| false, change)
    }

    /// The same, without those damaged entries that `drop` says; others stay as they are.
    pub(crate) fn change_entries<T>(
        &self,
        drop: impl Fn(&DamagedEntry) -> bool,
        change: impl FnOnce(Vec<Descriptor>) -> (Vec<Descriptor>, T),
    ) -> Result<T> {
        let path = self.path("index.json");
        let _lock = lock(&self.path("lock"), true)?;
        let mut document = self.read_names()?;
        let (mut before, mut entries) = (Vec::new(), Vec::new());
        for value in std::mem::take(&mut document.manifests) {
            match read(&value) {
                Ok(descriptor) => before.push(descriptor),
                Err(entry) => entries.push((value, drop(&entry))),
            }
        }
        let (after, result) = change(before.clone());
        if after != before || entries.iter().any(|(_, goes)| *goes) {
            let json = |source| Error::Json { path: path.clone(), source };
            let kept = after.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>().map_err(json)?;
            let damaged = entries.into_iter().filter(|(_, goes)| !goes).map(|(value, _)| value);
            document.manifests = kept.into_iter().chain(damaged).collect();
            replace(&path, &serde_json::to_vec(&document).map_err(json)?)?;
        }
        Ok(result)
    }
}

fn read(value: &Value) -> Result<Descriptor, DamagedEntry> {
    Descriptor::deserialize(value).map_err(|error| DamagedEntry {
        name: value["annotations"][REF_NAME].as_str().map(str::to_string),
        digest: value["digest"].as_str().and_then(|text| text.parse().ok()),
        reason: error.to_string(),
    })
}

pub(crate) fn name_of(descriptor: &Descriptor) -> Option<String> {
    descriptor.annotations().as_ref()?.get(REF_NAME).cloned()
}

fn set_name(descriptor: &mut Descriptor, name: Option<&str>) {
    let mut annotations = descriptor.annotations().clone().unwrap_or_default();
    match name {
        Some(name) => annotations.insert(REF_NAME.to_string(), name.to_string()),
        None => annotations.remove(REF_NAME),
    };
    descriptor.set_annotations((!annotations.is_empty()).then_some(annotations));
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::image::{DescriptorBuilder, MediaType};

    fn descriptor(content: &str) -> Descriptor {
        let digest: oci_spec::image::Digest = Digest::of(content.as_bytes()).to_string().parse().unwrap();
        let builder = DescriptorBuilder::default().media_type(MediaType::ImageManifest).digest(digest);
        builder.size(content.len() as u64).build().unwrap()
    }

    fn names(store: &Store) -> Vec<(Option<String>, String)> {
        let images = store.images().unwrap();
        let mut names: Vec<_> =
            images.into_iter().map(|i| (i.name, i.descriptor.digest().to_string())).collect();
        names.sort();
        names
    }

    #[test]
    fn a_moved_name_leaves_the_old_image_without_one() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        let (a, b) = (descriptor("a"), descriptor("b"));
        let digest = |d: &Descriptor| d.digest().to_string();
        store.tag("x:1", a.clone()).unwrap();
        store.tag("x:1", a.clone()).unwrap();
        assert_eq!(names(&store), [(Some("x:1".into()), digest(&a))]);
        store.tag("x:1", b.clone()).unwrap();
        assert_eq!(names(&store), [(None, digest(&a)), (Some("x:1".into()), digest(&b))]);
        store.tag("y:1", a.clone()).unwrap();
        let both = [(Some("x:1".into()), digest(&b)), (Some("y:1".into()), digest(&a))];
        assert_eq!(names(&store), both, "a new name takes the nameless entry's place");
        store.tag("x:1", a.clone()).unwrap();
        assert_eq!(store.remove_image(&Digest::of(b"a")).unwrap(), ["y:1", "x:1"]);
        assert_eq!(names(&store), [(None, digest(&b))]);
    }

    #[test]
    fn a_damaged_entry_is_no_matter_of_the_others() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        store.tag("a:1", descriptor("a")).unwrap();
        let path = tmp.path().join("index.json");
        let mut document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let named = |name: &str| serde_json::json!({"digest": "sha256:zz", "annotations": {REF_NAME: name}});
        document["manifests"].as_array_mut().unwrap().extend([named("b:1"), named("c:1"), Value::from(5)]);
        std::fs::write(&path, document.to_string()).unwrap();
        assert_eq!(names(&store), [(Some("a:1".into()), descriptor("a").digest().to_string())]);
        assert!(store.find("a:1").unwrap().is_some() && store.find("d:1").unwrap().is_none());
        assert!(matches!(store.find("b:1"), Err(Error::Entry { .. })));
        store.tag("b:1", descriptor("a")).unwrap();
        assert!(store.find("b:1").unwrap().is_some(), "a new entry takes its place");
        let left = |store: &Store| store.damaged_entries().unwrap().len();
        assert_eq!(left(&store), 2, "others stay for a repair");
        store.untag("c:1").unwrap();
        assert_eq!((left(&store), names(&store).len()), (1, 2));
    }

    #[test]
    fn twenty_writers_lose_nothing() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        std::thread::scope(|scope| {
            for i in 0..20 {
                let store = &store;
                scope.spawn(move || store.tag(&format!("n:{i}"), descriptor(&i.to_string())).unwrap());
            }
        });
        assert_eq!(store.images().unwrap().len(), 20);
    }
}
