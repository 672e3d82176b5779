//! Names of images: `index.json` (image-spec, "Image Index Specification" and "Pre-Defined Annotation Keys").

use oci_spec::image::{Descriptor, ImageIndex};

use crate::error::{Error, Result};
use crate::fsutil::{lock, replace};
use crate::{Digest, Store};

/// Annotation that holds an image's name.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An index without images.
pub(crate) const EMPTY: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// One entry of `index.json`.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its name; none for an image whose name went to another.
    pub name: Option<String>,
    /// Descriptor of its manifest, with annotations.
    pub descriptor: Descriptor,
}

impl Store {
    /// All entries of `index.json`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn images(&self) -> Result<Vec<Image>> {
        let index = self.read_names()?;
        let image = |d: &Descriptor| Image { name: name_of(d), descriptor: d.clone() };
        Ok(index.manifests().iter().map(image).collect())
    }

    /// The image with exactly this name.
    ///
    /// # Errors
    /// When `index.json` cannot be read.
    pub fn find(&self, name: &str) -> Result<Option<Descriptor>> {
        Ok(self.read_names()?.manifests().iter().find(|d| name_of(d).as_deref() == Some(name)).cloned())
    }

    /// Gives an image a name. Another image that had it stays, without a name if it has no other.
    ///
    /// # Errors
    /// When `index.json` cannot be replaced; it is as before then.
    pub fn tag(&self, name: &str, descriptor: Descriptor) -> Result<()> {
        self.change_names(|mut list| {
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
        self.change_names(|list| {
            let (mut gone, rest): (Vec<_>, Vec<_>) =
                list.into_iter().partition(|d| name_of(d).as_deref() == Some(name));
            (rest, gone.pop())
        })
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

    fn read_names(&self) -> Result<ImageIndex> {
        let path = self.path("index.json");
        let data = std::fs::read(&path).map_err(Error::io("read", &path))?;
        serde_json::from_slice(&data).map_err(|source| Error::Json { path, source })
    }

    /// Replaces the list of entries, under the store's lock.
    pub(crate) fn change_names<T>(
        &self,
        change: impl FnOnce(Vec<Descriptor>) -> (Vec<Descriptor>, T),
    ) -> Result<T> {
        let _lock = lock(&self.path("lock"), true)?;
        let mut index = self.read_names()?;
        let before = index.manifests().clone();
        let (after, result) = change(before.clone());
        if after != before {
            index.set_manifests(after);
            let path = self.path("index.json");
            let data =
                serde_json::to_vec(&index).map_err(|source| Error::Json { path: path.clone(), source })?;
            replace(&path, &data)?;
        }
        Ok(result)
    }
}

fn name_of(descriptor: &Descriptor) -> Option<String> {
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
