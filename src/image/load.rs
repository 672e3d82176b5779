//! Archives to images: OCI layouts, and what `docker save` and `podman save` write.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use lay_store::{Digest, LayerForm, Lease, REF_NAME, Store};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::commit::keep_blob;
use super::{Error, Image, MAX_DOCUMENT};
use crate::layer;
use crate::registry::Reference;

/// One image in Docker's `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Loads all images of an archive, which may be compressed, or of a directory; gives their names, or ids where they have
/// none.
///
/// # Errors
/// [`Error::Archive`] when it holds no images; else what is wrong with one of them. Those before it stay.
pub fn load_archive(store: &Store, source: Source<'_>, form: LayerForm) -> Result<Vec<String>, Error> {
    let lease = store.lease()?;
    let unpacked;
    let dir = match source {
        Source::Directory(dir) => dir,
        Source::Stream(stream) => {
            unpacked = unpack(store, stream)?;
            unpacked.path()
        }
    };
    let loader = Loader { store, lease: &lease, dir, form };
    // Docker's list first: it names images as their users do.
    if dir.join("manifest.json").is_file() {
        return loader.docker();
    }
    if dir.join("index.json").is_file() {
        return loader.layout();
    }
    Err(Error::Archive("it has neither index.json nor manifest.json".to_string()))
}

/// Brings manifest and configuration of the first image of an OCI layout into the store, where `lease` keeps them; it gets no
/// name, and its layers stay where they are.
///
/// # Errors
/// As [`load_archive`].
pub fn read_layout(store: &Store, lease: &Lease, dir: &Path) -> Result<Image, Error> {
    // Nothing is turned into a mountable form.
    let loader = Loader { store, lease, dir, form: LayerForm::Directory };
    let index: ImageIndex = loader.parse("index.json", &loader.read("index.json")?)?;
    let entry = index.manifests().first().ok_or_else(|| Error::Archive("it holds no image".to_string()))?;
    let descriptor = loader.platform(entry)?;
    loader.keep_documents(&descriptor, &loader.documents(&descriptor)?)?;
    super::load(store, None, descriptor)
}

/// Brings one image of an OCI layout into the store, where `lease` keeps it; it gets no name. `wanted` is its tag or its digest;
/// without, it is the one that is called `latest`, or the only one.
///
/// # Errors
/// As [`load_archive`].
pub fn load_from_layout(
    store: &Store,
    lease: &Lease,
    dir: &Path,
    form: LayerForm,
    wanted: Option<&str>,
) -> Result<Image, Error> {
    let loader = Loader { store, lease, dir, form };
    let index: ImageIndex = loader.parse("index.json", &loader.read("index.json")?)?;
    let is = |entry: &&Descriptor, wanted: &str| {
        let tag = entry.annotations().as_ref().and_then(|all| all.get(REF_NAME));
        tag.is_some_and(|tag| tag == wanted) || entry.digest().to_string() == wanted
    };
    let mut entries = index.manifests().iter();
    let entry = match (wanted, index.manifests().as_slice()) {
        (None, [only]) => Some(only),
        (wanted, _) => entries.find(|entry| is(entry, wanted.unwrap_or("latest"))),
    };
    let entry = entry.ok_or_else(|| {
        Error::Archive(format!("it holds no image {}; say :TAG or @DIGEST", wanted.unwrap_or("latest")))
    })?;
    let (descriptor, _) = loader.image(entry)?;
    super::load(store, None, descriptor)
}

/// Brings one layer of an OCI layout into the store, where `lease` keeps it.
///
/// # Errors
/// When it is missing or damaged.
pub fn read_layer(
    store: &Store,
    lease: &Lease,
    dir: &Path,
    form: LayerForm,
    (blob, diff_id): (&Descriptor, &Digest),
) -> Result<(), Error> {
    let loader = Loader { store, lease, dir, form };
    let digest = digest(blob)?;
    loader.keep(&loader.blob_path(&digest), &digest, blob.size(), diff_id)
}

/// Where images come from.
pub enum Source<'a> {
    /// An archive.
    Stream(&'a mut (dyn Read + Send)),
    /// An OCI layout or an unpacked archive.
    Directory(&'a Path),
}

/// Unpacks an archive's plain files, by clean names, into a directory of the store's file system.
fn unpack(store: &Store, stream: &mut (dyn Read + Send)) -> Result<tempfile::TempDir, Error> {
    let failed = |e: io::Error| Error::Archive(e.to_string());
    let dir = tempfile::Builder::new().prefix(".load-").tempdir_in(store.root().join("trash"));
    let dir = dir.map_err(Error::file("create a directory in", store.root()))?;
    let mut tar = tar::Archive::new(layer::inflate(stream)?);
    let mut links = HashMap::new();
    for entry in tar.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let name = clean(&entry.path().map_err(failed)?)?;
        let path = dir.path().join(&name);
        if entry.header().entry_type().is_file() {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
            }
            let mut file = File::create(&path).map_err(Error::file("create", &path))?;
            io::copy(&mut entry, &mut file).map_err(Error::file("write", &path))?;
        } else if let Ok(Some(target)) = entry.link_name() {
            // Docker links a layer that several images have.
            let target = if entry.header().entry_type().is_symlink() {
                name.parent().unwrap_or(Path::new("")).join(&target)
            } else {
                target.into_owned()
            };
            links.insert(path, resolve(&target));
        }
    }
    for (path, target) in links {
        let target = dir.path().join(target);
        if target.is_file() {
            fs::hard_link(&target, &path).map_err(Error::file("link", &path))?;
        }
    }
    Ok(dir)
}

fn clean(path: &Path) -> Result<PathBuf, Error> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            _ => return Err(Error::Archive(format!("the name '{}' leads outside", path.display()))),
        }
    }
    Ok(clean)
}

/// Takes `..` out of a link's target; it cannot lead above the archive.
fn resolve(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            _ => {}
        }
    }
    clean
}

/// What says what an image is.
struct Documents {
    parsed: ImageManifest,
    manifest: Vec<u8>,
    config: Vec<u8>,
}

struct Loader<'a> {
    store: &'a Store,
    lease: &'a Lease,
    dir: &'a Path,
    form: LayerForm,
}

impl Loader<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let path = self.dir.join(clean(Path::new(name))?);
        let mut data = Vec::new();
        let file = File::open(&path).map_err(|e| Error::Archive(format!("{name}: {e}")))?;
        file.take(MAX_DOCUMENT).read_to_end(&mut data).map_err(Error::file("read", &path))?;
        Ok(data)
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, name: &str, data: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(data).map_err(|e| Error::Archive(format!("{name}: {e}")))
    }

    fn docker(&self) -> Result<Vec<String>, Error> {
        let images: Vec<DockerImage> = self.parse("manifest.json", &self.read("manifest.json")?)?;
        let mut loaded = Vec::new();
        for image in images {
            let config = self.read(&image.config)?;
            let diff_ids = diff_ids(&config)?;
            if diff_ids.len() != image.layers.len() {
                return Err(Error::Archive(format!("{} has other layers than its list", image.config)));
            }
            let mut layers = Vec::new();
            for (name, diff_id) in image.layers.iter().zip(diff_ids) {
                layers.push(self.layer_file(name, &diff_id)?);
            }
            let id = Digest::of(&config);
            let media = "application/vnd.oci.image.config.v1+json";
            let reference = json!({"mediaType": media, "digest": id, "size": config.len()});
            let kind = "application/vnd.oci.image.manifest.v1+json";
            let manifest =
                json!({"schemaVersion": 2, "mediaType": kind, "config": reference, "layers": layers});
            let manifest = manifest.to_string();
            let digest = Digest::of(manifest.as_bytes());
            self.lease.protect([id, digest])?;
            self.store.put_blob(&config, media)?;
            self.store.put_blob(manifest.as_bytes(), kind)?;
            let descriptor = json!({"mediaType": kind, "digest": digest, "size": manifest.len()});
            let descriptor: Descriptor = self.parse("descriptor", descriptor.to_string().as_bytes())?;
            let names = image.repo_tags.unwrap_or_default();
            for name in &names {
                loaded.push(self.name(name, descriptor.clone())?);
            }
            if names.is_empty() {
                self.store.tag_nameless(descriptor)?;
                loaded.push(id.to_string());
            }
        }
        Ok(loaded)
    }

    /// Keeps a layer of unknown compression; gives its descriptor.
    fn layer_file(&self, name: &str, diff_id: &Digest) -> Result<serde_json::Value, Error> {
        let path = self.dir.join(clean(Path::new(name))?);
        let mut file = File::open(&path).map_err(|e| Error::Archive(format!("{name}: {e}")))?;
        let (digest, size) = digest_of(&mut file).map_err(Error::file("read", &path))?;
        let mut magic = [0; 6];
        let opened = File::open(&path).and_then(|mut file| file.read(&mut magic));
        let length = opened.map_err(Error::file("read", &path))?;
        let media = match layer::Compression::of_layer(&magic[..length])? {
            layer::Compression::Plain => "application/vnd.oci.image.layer.v1.tar",
            layer::Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            layer::Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
            layer::Compression::Bzip2 | layer::Compression::Xz => {
                return Err(Error::Archive(format!("{name} is compressed as no layer may be")));
            }
        };
        self.keep(&path, &digest, size, diff_id)?;
        Ok(json!({"mediaType": media, "digest": digest, "size": size}))
    }

    fn keep(&self, path: &Path, digest: &Digest, size: u64, diff_id: &Digest) -> Result<(), Error> {
        let open = || File::open(path).map(BufReader::new).map_err(Error::file("open", path));
        self.lease.protect([*digest, *diff_id])?;
        if !self.store.has_blob_of(digest, size) {
            keep_blob(self.store, &mut open()?, digest, size)?;
        }
        if self.store.layer(diff_id).is_none() {
            layer::unpack(self.store, open()?, diff_id, self.form)?;
        }
        Ok(())
    }

    fn layout(&self) -> Result<Vec<String>, Error> {
        let index: ImageIndex = self.parse("index.json", &self.read("index.json")?)?;
        let mut loaded = Vec::new();
        for entry in index.manifests() {
            let name = entry
                .annotations()
                .as_ref()
                .and_then(|a| a.get("io.containerd.image.name").or(a.get(REF_NAME)));
            let (descriptor, id) = self.image(entry)?;
            match name {
                Some(name) => loaded.push(self.name(name, descriptor)?),
                None => {
                    self.store.tag_nameless(descriptor)?;
                    loaded.push(id.to_string());
                }
            }
        }
        Ok(loaded)
    }

    /// Keeps all of an image; gives its manifest and its id.
    fn image(&self, entry: &Descriptor) -> Result<(Descriptor, Digest), Error> {
        let descriptor = self.platform(entry)?;
        let documents = self.documents(&descriptor)?;
        let diff_ids = diff_ids(&documents.config)?;
        for (layer, diff_id) in documents.parsed.layers().iter().zip(&diff_ids) {
            let digest = digest(layer)?;
            self.keep(&self.blob_path(&digest), &digest, layer.size(), diff_id)?;
        }
        let id = self.keep_documents(&descriptor, &documents)?;
        Ok((descriptor, id))
    }

    fn documents(&self, descriptor: &Descriptor) -> Result<Documents, Error> {
        let manifest = self.blob(descriptor)?;
        let parsed: ImageManifest = self.parse("manifest", &manifest)?;
        let config = self.blob(parsed.config())?;
        Ok(Documents { parsed, manifest, config })
    }

    fn keep_documents(&self, descriptor: &Descriptor, documents: &Documents) -> Result<Digest, Error> {
        let Documents { parsed, manifest, config } = documents;
        let id = digest(parsed.config())?;
        self.lease.protect([id, digest(descriptor)?])?;
        self.store.put_blob(config, parsed.config().media_type().as_ref())?;
        self.store.put_blob(manifest, descriptor.media_type().as_ref())?;
        Ok(id)
    }

    /// The manifest for this machine, where the entry is an index.
    fn platform(&self, entry: &Descriptor) -> Result<Descriptor, Error> {
        let data = self.blob(entry)?;
        let Ok(index) = serde_json::from_slice::<ImageIndex>(&data) else { return Ok(entry.clone()) };
        let ours = |d: &&Descriptor| {
            let architecture = d.platform().as_ref().map(|p| p.architecture().to_string());
            let host = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
            architecture.is_none_or(|a| a == host)
        };
        let chosen = index.manifests().iter().find(ours).cloned();
        chosen.ok_or_else(|| Error::Archive("it holds no image for this machine".to_string()))
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs/sha256").join(digest.hex())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
        let digest = digest(descriptor)?;
        let data = self.read(&format!("blobs/sha256/{}", digest.hex()))?;
        match Digest::of(&data) == digest {
            true => Ok(data),
            false => Err(Error::Archive(format!("blob {digest} is damaged"))),
        }
    }

    fn name(&self, name: &str, descriptor: Descriptor) -> Result<String, Error> {
        let reference = Reference::parse(name);
        let name = reference.map_err(|e| Error::Archive(crate::error::chain(&e)))?.familiar();
        self.store.tag(&name, descriptor)?;
        Ok(name)
    }
}

fn digest(descriptor: &Descriptor) -> Result<Digest, Error> {
    let text = descriptor.digest().to_string();
    text.parse().map_err(|_| Error::Archive(format!("'{text}' is no digest")))
}

fn diff_ids(config: &[u8]) -> Result<Vec<Digest>, Error> {
    let parsed: oci_spec::image::ImageConfiguration =
        serde_json::from_slice(config).map_err(|e| Error::Archive(format!("configuration: {e}")))?;
    let parse = |text: &String| text.parse().map_err(|_| Error::Archive(format!("'{text}' is no digest")));
    parsed.rootfs().diff_ids().iter().map(parse).collect()
}

fn digest_of(file: &mut File) -> io::Result<(Digest, u64)> {
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((Digest::from_bytes(hash.finalize().into()), size)),
            read => {
                hash.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
}
