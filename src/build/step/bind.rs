//! `RUN --mount=type=bind`: files of the context, a stage or an image for one command.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

use super::Stage;
use crate::build::copy::{Item, Job, Root, Tree, place, summarize, write};
use crate::build::error::StepError;
use crate::build::ignore::Ignore;
use crate::build::plan::Origin;
use crate::build::state::chain;
use crate::kernel::mount;
use crate::layer::{Packed, pack};
use crate::snapshot::{Snapshot, create_upper};

/// What a bind mount shows, as far as it is known without a place to work in.
pub struct Shown {
    /// What results depend on.
    pub content: String,
    /// The files, if they are the context's.
    tree: Option<Tree<'static>>,
}

/// The source of a bind mount.
pub struct Bind {
    /// A path of the host that can be mounted as it is.
    pub host_path: Option<PathBuf>,
    /// Whether it is a directory.
    pub is_directory: bool,
    snapshot: Snapshot,
    path: PathBuf,
    /// A layer that is there for this mount alone.
    _packed: Option<Packed>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Bind {
    /// Mounts it, detached.
    pub fn mount(&self, userns: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Failure> {
        let root = self.snapshot.mount(userns)?;
        if self.path.as_os_str().is_empty() {
            return Ok(root);
        }
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let at = openat2(&root, &self.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)?;
        Ok(mount::clone_at(&at, Path::new(""), false)?)
    }
}

impl Stage<'_> {
    /// What a bind mount will show. A stage or an image is settled by its layers: nobody need look at its files.
    pub(super) fn bind_shown(&mut self, origin: &Origin, source: &str) -> Result<Shown, StepError> {
        let state = match origin {
            Origin::Context => return self.context_shown(self.session.context_root()?, source),
            Origin::Named(name) => return self.context_shown(self.session.named_root(name)?, source),
            Origin::Stage(index) => self.session.stage(*index)?,
            Origin::Image(name) => self.session.image_state(name)?,
            Origin::Scratch | Origin::None => return Err(missing(source, "an empty image")),
        };
        let content = match state.diff_ids() {
            Some(diff_ids) => format!("{} {}", chain(&diff_ids), inside(source).display()),
            // What is not settled is new.
            None => format!("{:?}", state.parts),
        };
        Ok(Shown { content, tree: None })
    }

    fn context_shown(&mut self, root: Arc<Root>, source: &str) -> Result<Shown, StepError> {
        let tree = self.tree_of(root, source)?;
        self.learn(&tree)?;
        let content = summarize(&tree, &self.digests).map(|summary| summary.digest().to_string());
        Ok(Shown { content: content.unwrap_or_default(), tree: Some(tree) })
    }

    /// Finds the source of a bind mount.
    pub(super) fn bind_source(
        &mut self,
        origin: &Origin,
        source: &str,
        shown: Shown,
        read_only: bool,
        number: usize,
    ) -> Result<Bind, StepError> {
        let Some(root) = self.origin(origin)? else { return Err(missing(source, "an empty image")) };
        let path = inside(source);
        let Some(fd) = root.open(&path, OFlags::PATH)? else { return Err(missing(source, &root.name)) };
        let stat = fstat(&fd).map_err(StepError::errno("examine", &path))?;
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let mut bind = match shown.tree {
            Some(tree) => self.bind_context(&root, &path, &fd, &tree, (is_directory, read_only))?,
            None => self.bind_image(origin, path)?,
        };
        bind.is_directory = is_directory;
        if !read_only && bind.host_path.is_none() {
            let dir = self.dir()?.join(format!("bind-{number}"));
            let _ = std::fs::remove_dir_all(&dir);
            create_upper(&dir, &bind.snapshot)?;
            (bind.snapshot.upper, bind.snapshot.ephemeral) = (Some(dir), true);
        }
        Ok(bind)
    }

    fn bind_image(&self, origin: &Origin, path: PathBuf) -> Result<Bind, StepError> {
        let state = match origin {
            Origin::Stage(index) => self.session.stage(*index)?,
            Origin::Image(name) => self.session.image_state(name)?,
            _ => self.state.clone(),
        };
        let snapshot = self.session.snapshot(&state)?;
        Ok(Bind { host_path: None, is_directory: true, snapshot, path, _packed: None })
    }

    /// Files of the context: the directory itself where nothing of it is to be hidden, else a layer of them.
    fn bind_context(
        &mut self,
        root: &Root,
        source: &Path,
        fd: &OwnedFd,
        tree: &Tree<'_>,
        (is_directory, read_only): (bool, bool),
    ) -> Result<Bind, StepError> {
        let name = source.file_name().map(PathBuf::from).unwrap_or_default();
        if read_only && root.ignore.is_empty() {
            let path = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()));
            let host_path = Some(path.map_err(StepError::file("find", source))?);
            let snapshot = Snapshot::default();
            return Ok(Bind { host_path, is_directory: true, snapshot, path: name, _packed: None });
        }
        let dir = self.dir()?;
        let blob = tempfile::tempfile_in(dir).map_err(StepError::file("write in", dir))?;
        let digests = &mut self.digests;
        let packed =
            pack(&self.session.env.store, self.session.form, &blob, |out| write(tree, digests, out))?;
        let snapshot =
            Snapshot { layers: vec![packed.layer()], via: self.session.env.via, ..Snapshot::default() };
        let path = if is_directory { PathBuf::new() } else { name };
        Ok(Bind { host_path: None, is_directory: true, snapshot, path, _packed: Some(packed) })
    }

    /// All that is below a source, as it is there.
    fn tree_of(&self, root: Arc<Root>, source: &str) -> Result<Tree<'static>, StepError> {
        let job = Job {
            items: vec![Item::Path(root, source.to_owned())],
            destination: b"/".to_vec(),
            into_directory: true,
            owner: None,
            chmod: None,
            exclude: Ignore::default(),
            parents: false,
            unpack: (false, false),
        };
        let mut tree = Tree::new(None, self.state.epoch);
        place(&mut tree, &job)?;
        Ok(tree)
    }

    /// Fills a new cache with files of a stage, an image or the context.
    pub(super) fn seed(&mut self, dir: &Path, origin: &Origin, source: &str) -> Result<(), StepError> {
        let Some(root) = self.origin(origin)? else { return Ok(()) };
        let tree = self.tree_of(root, source)?;
        crate::build::export::write_directory(&tree, &mut self.digests, dir)
    }
}

fn inside(source: &str) -> PathBuf {
    PathBuf::from(source.trim_start_matches('/'))
}

fn missing(source: &str, place: &str) -> StepError {
    StepError::Missing { path: source.to_owned(), place: place.to_owned(), hint: "" }
}
