//! `COPY`, `ADD` and `WORKDIR`.

use std::fs::File;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use lay_store::Digest;
use rustix::fs::fstat;

use super::{Outcome, Stage};
use crate::build::cache::Inputs;
use crate::build::containerfile::{Add, Copy, Source, Transfer, Word};
use crate::build::copy::{Chmod, Item, Job, Node, Root, Seen, Tree, hash, place, summarize, unpack, write};
use crate::build::error::StepError;
use crate::build::ignore::Ignore;
use crate::build::plan::{Origin, Step as Planned};
use crate::build::state::Part;
use crate::container::resolve_owner;
use crate::layer::pack;

/// Permissions of here-documents.
const INLINE_MODE: u32 = 0o644;

/// A copy that is ready to be looked up or carried out.
struct Prepared {
    job: Job,
    chown: Option<String>,
    inputs: Inputs,
    link: bool,
    by: String,
}

impl Stage<'_> {
    pub(super) fn copy(
        &mut self,
        number: usize,
        copy: &Copy,
        step: &Planned<'_>,
    ) -> Result<Outcome, StepError> {
        let origin = step.origins.first().unwrap_or(&Origin::Context);
        let mut prepared = self.prepare_transfer("COPY", &copy.transfer)?;
        prepared.job.parents = copy.parents;
        prepared.inputs.add("parents", &copy.parents.to_string());
        // What an earlier stage holds is settled by its layers: nobody need look at the files.
        if let Some(key) = self.origin_key(origin) {
            let texts = self.source_texts(&copy.transfer)?;
            prepared.inputs.alias("source", &format!("{key} {texts:?}"));
            if let Some(outcome) = self.cached_alias(number, &prepared) {
                return Ok(outcome);
            }
        }
        for source in &copy.transfer.sources {
            let item = match source {
                Source::Path(word) => {
                    let path = self.expand(word)?;
                    let Some(root) = self.origin(origin)? else {
                        let place = "an image without files".to_owned();
                        return Err(StepError::Missing { path, place, hint: "" });
                    };
                    Item::Path(root, path)
                }
                Source::Inline(document) => {
                    let text = document.expanded(&self.scope)?;
                    Item::Bytes(document.name.clone(), text.into_bytes().into(), INLINE_MODE)
                }
            };
            prepared.job.items.push(item);
        }
        self.transfer(number, prepared)
    }

    pub(super) fn add(&mut self, number: usize, add: &Add, step: &Planned<'_>) -> Result<Outcome, StepError> {
        let origin = step.origins.first().unwrap_or(&Origin::Context);
        let mut prepared = self.prepare_transfer("ADD", &add.transfer)?;
        prepared.job.unpack = (add.unpack.unwrap_or(true), add.unpack.unwrap_or(false));
        prepared.inputs.add("unpack", &format!("{:?}", prepared.job.unpack));
        let checksum = add.checksum.as_ref().map(|word| self.expand(word)).transpose()?;
        for source in &add.transfer.sources {
            let item = match source {
                Source::Path(word) => {
                    let path = self.expand(word)?;
                    match self.remote(&path, checksum.as_deref(), add.keep_git_dir)? {
                        Some(item) => item,
                        None => {
                            let root = self.origin(origin)?.ok_or_else(|| StepError::Missing {
                                path: path.clone(),
                                place: "the build context".to_owned(),
                                hint: "",
                            })?;
                            self.check_local(&root, &path, checksum.as_deref())?;
                            Item::Path(root, path)
                        }
                    }
                }
                Source::Inline(document) => {
                    let text = document.expanded(&self.scope)?;
                    Item::Bytes(document.name.clone(), text.into_bytes().into(), INLINE_MODE)
                }
            };
            prepared.job.items.push(item);
        }
        self.transfer(number, prepared)
    }

    fn check_local(&self, _root: &Root, path: &str, checksum: Option<&str>) -> Result<(), StepError> {
        match checksum {
            None => Ok(()),
            Some(value) => Err(StepError::Value {
                what: "--checksum",
                value: value.to_owned(),
                problem: format!("it goes with addresses only, and {path} is none"),
            }),
        }
    }

    fn source_texts(&self, transfer: &Transfer) -> Result<Vec<String>, StepError> {
        let text = |source: &Source| match source {
            Source::Path(word) => self.expand(word),
            Source::Inline(document) => Ok(document.expanded(&self.scope)?),
        };
        transfer.sources.iter().map(text).collect()
    }

    /// What `COPY` and `ADD` have in common, without the sources.
    fn prepare_transfer(&self, name: &str, transfer: &Transfer) -> Result<Prepared, StepError> {
        let destination = self.expand(&transfer.destination)?;
        let into_directory = destination.ends_with('/')
            || matches!(destination.as_str(), "." | "..")
            || destination.ends_with("/.");
        let absolute = Path::new("/").join(self.state.setting("WorkingDir")).join(&destination);
        let chown = transfer.chown.as_ref().map(|word| self.expand(word)).transpose()?;
        let chmod = transfer.chmod.as_ref().map(|word| self.expand(word)).transpose()?;
        let exclude = transfer.exclude.iter().map(|word| self.expand(word)).collect::<Result<Vec<_>, _>>()?;
        let mut inputs = Inputs::new(name, &absolute.display().to_string());
        inputs.add("into a directory", &into_directory.to_string());
        inputs.add("--chown", chown.as_deref().unwrap_or_default());
        inputs.add("--chmod", chmod.as_deref().unwrap_or_default());
        inputs.add("--exclude", &exclude.join("\n"));
        inputs.add("time", &self.state.epoch.to_string());
        // A name is looked up in the image's files, so those matter then.
        let numeric = |text: &str| text.split(':').all(|id| id.parse::<u32>().is_ok());
        if transfer.link && chown.as_deref().is_none_or(numeric) {
            inputs.link();
        }
        let bad_mode = |text: &String| StepError::Value {
            what: "--chmod",
            value: text.clone(),
            problem: "it is octal (0755) or symbolic (u=rwX,go=rX)".to_owned(),
        };
        let chmod =
            chmod.as_ref().map(|text| Chmod::parse(text).ok_or_else(|| bad_mode(text))).transpose()?;
        let exclude = Ignore::parse(&exclude.join("\n")).map_err(|error| StepError::Value {
            what: "--exclude",
            value: error.pattern,
            problem: "this is no pattern".to_owned(),
        })?;
        let sources = self.source_names(transfer)?;
        let by = format!("{name} {} {destination}", sources.join(" "));
        let job = Job {
            items: Vec::new(),
            destination: absolute.into_os_string().into_encoded_bytes(),
            into_directory,
            owner: None,
            chmod,
            exclude,
            parents: false,
            unpack: (false, false),
        };
        Ok(Prepared { job, chown, inputs, link: transfer.link, by })
    }

    fn source_names(&self, transfer: &Transfer) -> Result<Vec<String>, StepError> {
        let name = |source: &Source| match source {
            Source::Path(word) => self.expand(word),
            Source::Inline(document) => Ok(format!("<<{}", document.name)),
        };
        transfer.sources.iter().map(name).collect()
    }

    fn cached_alias(&mut self, number: usize, prepared: &Prepared) -> Option<Outcome> {
        if !self.session.is_cached(self.index) {
            return None;
        }
        let chain = self.chain(&prepared.inputs)?;
        let key = prepared.inputs.alias_key(chain)?;
        let made = self.session.cache.find(&key).find(|made| self.may_be_had(made));
        made.map(|made| self.reuse(number, prepared.inputs.clone(), made, &prepared.by))
    }

    /// Looks the copy up, or carries it out.
    fn transfer(&mut self, number: usize, mut prepared: Prepared) -> Result<Outcome, StepError> {
        let known = self.session.cache.may_have(&prepared.inputs.weak());
        if !known {
            self.in_earnest()?;
        }
        // What is copied is the same wherever it goes, so it can be looked up without the image's files.
        let mut sources = Tree::new(None, self.state.epoch);
        let archives = place(&mut sources, &Job { into_directory: true, ..self.lookup_job(&prepared.job) })?;
        for (_, root, path) in &archives {
            let digest = self.digest_of(root, path)?;
            prepared.inputs.add(&format!("archive {}", path.display()), &digest.to_string());
        }
        if known {
            self.learn(&sources)?;
        }
        if let Some(summary) = summarize(&sources, &self.digests) {
            let mut inputs = prepared.inputs.clone();
            inputs.content(&summary);
            if let Some(made) = self.cached(&inputs) {
                return Ok(self.reuse(number, inputs, made, &prepared.by));
            }
        }
        self.in_earnest()?;
        let below = if prepared.link { None } else { self.root()? };
        prepared.job.owner = self.owner(prepared.chown.as_deref())?;
        let mut tree = Tree::new(below.as_ref(), self.state.epoch);
        let archives = place(&mut tree, &prepared.job)?;
        for (number, (to, root, path)) in archives.into_iter().enumerate() {
            let Some(archive) = root.open_file(&path)? else {
                return Err(StepError::Changed(path.display().to_string()));
            };
            let spool = self.dir()?.join(format!("spool-{number}"));
            let room = self.session.env.store.layer_room()?;
            let how = (prepared.job.owner, prepared.job.chmod.as_ref());
            unpack(&mut tree, &to, archive, room, how, &spool)?;
        }
        let part = self.pack(number, &tree)?;
        if let Some(summary) = summarize(&sources, &self.digests) {
            prepared.inputs.content(&summary);
        }
        Ok(self.adopt(number, prepared.inputs, part, &prepared.by))
    }

    /// The same job without what needs the image's files.
    fn lookup_job(&self, job: &Job) -> Job {
        Job {
            items: job.items.clone(),
            destination: job.destination.clone(),
            into_directory: job.into_directory,
            owner: None,
            chmod: job.chmod.clone(),
            exclude: job.exclude.clone(),
            parents: job.parents,
            unpack: job.unpack,
        }
    }

    fn digest_of(&mut self, root: &Arc<Root>, path: &Path) -> Result<Digest, StepError> {
        let file = root.open_file(path)?.ok_or_else(|| StepError::Changed(path.display().to_string()))?;
        let seen = Seen::of(&fstat(&file).map_err(StepError::errno("examine", path))?);
        if let Some(digest) = self.digests.get(&seen) {
            return Ok(digest);
        }
        self.in_earnest()?;
        let digest = hash(file).map_err(StepError::file("read", path))?;
        self.digests.insert(&seen, digest);
        Ok(digest)
    }

    /// Makes a layer of a tree; none of an empty one.
    fn pack(&mut self, number: usize, tree: &Tree<'_>) -> Result<Option<Part>, StepError> {
        if tree.is_empty() {
            return Ok(None);
        }
        let path = self.dir()?.join(format!("blob-{number}"));
        let blob = File::create(&path).map_err(StepError::file("create", &path))?;
        let digests = &mut self.digests;
        let packed =
            pack(&self.session.env.store, self.session.form, &blob, |out| write(tree, digests, out))?;
        let layer = packed.layer();
        let part =
            Part::Fresh { diff_id: packed.diff_id, size: packed.size, layer: (layer.form, layer.path) };
        self.packed.push((packed, path));
        Ok(Some(part))
    }

    /// `user[:group]` as numbers. A number alone stands for the group too.
    fn owner(&self, chown: Option<&str>) -> Result<Option<(u32, u32)>, StepError> {
        let Some(text) = chown.filter(|text| !text.is_empty()) else { return Ok(None) };
        let (user, group) = text.split_once(':').unwrap_or((text, text));
        if let (Ok(user), Ok(group)) = (user.parse(), group.parse()) {
            return Ok(Some((user, group)));
        }
        let unknown = || StepError::Value {
            what: "--chown",
            value: text.to_owned(),
            problem: "names need an image with /etc/passwd; give numbers".to_owned(),
        };
        let files = self.files()?.ok_or_else(unknown)?;
        Ok(Some(resolve_owner(text, &files)?))
    }

    /// `WORKDIR`: relative to the one before; made if it is missing.
    pub(super) fn workdir(&mut self, number: usize, word: &Word) -> Result<Outcome, StepError> {
        let text = self.expand(word)?;
        if text.is_empty() {
            return Err(StepError::Value {
                what: "WORKDIR",
                value: text,
                problem: "a directory is needed".to_owned(),
            });
        }
        let path = normal(&Path::new("/").join(self.state.setting("WorkingDir")).join(&text));
        let shown = path.display().to_string();
        let by = format!("WORKDIR {shown}");
        let user = self.state.setting("User").to_owned();
        let mut inputs = Inputs::new("WORKDIR", &shown);
        inputs.add("user", &user);
        inputs.add("time", &self.state.epoch.to_string());
        let made = self.cached(&inputs);
        if made.is_none() {
            self.in_earnest()?;
        }
        self.state.settings.insert("WorkingDir".into(), shown.into());
        if let Some(made) = made {
            return Ok(self.reuse(number, inputs, made, &by));
        }
        let below = self.root()?;
        let mut tree = Tree::new(below.as_ref(), self.state.epoch);
        let at = tree.resolve(path.as_os_str().as_encoded_bytes())?;
        if tree.directory_at(&at)?.is_none() {
            let owner = if user.is_empty() { None } else { self.owner(Some(&user))? };
            tree.maker = owner.unwrap_or((0, 0));
            let node = Node::directory(0o755, tree.maker, tree.time);
            tree.put(&at, node)?;
        }
        let part = self.pack(number, &tree)?;
        Ok(self.adopt(number, inputs, part, &by))
    }
}

/// A path without `.` and `..`; the root is its own parent.
fn normal(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::Normal(name) => clean.push(name),
            _ => {}
        }
    }
    clean
}
