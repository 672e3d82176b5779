//! The build context: the files that a build may copy.

mod archive;
pub mod git;
pub mod named;

use std::fs;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lay_store::Digest;

use super::containerfile::MAX_FILE;
use super::copy::Root;
use super::error::Error;
use super::ignore::Ignore;

/// Names of the file that says how to build, in the order in which they are looked for.
const NAMES: [&str; 2] = ["Containerfile", "Dockerfile"];
/// Names of the file that says what to leave out.
const IGNORES: [&str; 2] = [".containerignore", ".dockerignore"];
/// No ignore file is longer, in bytes.
const MAX_IGNORE: u64 = 4 << 20;

/// What the user names on the command line.
#[derive(Clone, Debug)]
pub struct Request {
    /// The context: a directory, an address, or `-` for standard input.
    pub context: String,
    /// `-f`.
    pub file: Option<String>,
}

/// A context that was opened, and how to build it.
#[derive(Debug)]
pub struct Context {
    /// Its files.
    pub root: Arc<Root>,
    /// What distinguishes it from other contexts of this machine.
    pub key: String,
    /// Name of the Containerfile, as it was given.
    pub name: String,
    /// Content of the Containerfile.
    pub content: Vec<u8>,
}

impl Context {
    /// Opens a context; what has to be unpacked or cloned goes below `dir`. Archives may hold `room` bytes.
    ///
    /// # Errors
    /// When it or its Containerfile cannot be read.
    pub fn open(request: &Request, dir: &Path, room: u64) -> Result<Self, Error> {
        let Request { context, file } = request;
        let bad = |reason: String| Error::Context { context: context.clone(), reason };
        if context == "-" && file.as_deref() == Some("-") {
            return Err(bad("standard input cannot be both the context and the Containerfile".into()));
        }
        let (root, key, bare) = if context == "-" {
            let unpacked = dir.join("context");
            let bare = archive::receive(&unpacked, room).map_err(bad)?;
            (unpacked, None, bare)
        } else if git::is_repository(context) {
            let cloned = dir.join("context");
            (git::clone(context, &cloned, false).map_err(bad)?, None, None)
        } else {
            let path = PathBuf::from(context);
            let meta = fs::metadata(&path).map_err(|e| bad(e.to_string()))?;
            if !meta.is_dir() {
                return Err(bad("it is no directory; '-' reads an archive from standard input".into()));
            }
            let real = path.canonicalize().map_err(|e| bad(e.to_string()))?;
            let key = real.to_string_lossy().into_owned();
            (path, Some(key), None)
        };
        let (name, content, beside) = match bare {
            Some(content) => ("-".to_owned(), content, None),
            // Where an archive or a repository was put says nothing to the user.
            None => containerfile(&root, file.as_deref()).map_err(|error| match error {
                Error::File { path, reason } if key.is_none() => {
                    let inside = Path::new(&path).strip_prefix(&root).map(|path| path.display().to_string());
                    Error::File { path: inside.unwrap_or(path), reason }
                }
                error => error,
            })?,
        };
        let ignore = ignore_file(&root, beside.as_deref())?;
        let key = key.unwrap_or_else(|| context.clone());
        let root = Root::of_context(&root, ignore).map_err(|e| bad(crate::error::chain(&e)))?;
        Ok(Self { root: Arc::new(root), key, name, content })
    }

    /// A name for what is kept of this context and its Containerfile.
    pub fn id(&self) -> Digest {
        Digest::of(format!("{}\n{}", self.key, self.name).as_bytes())
    }
}

/// The Containerfile: its name, its content, and its path, beside which an ignore file may stand.
fn containerfile(root: &Path, file: Option<&str>) -> Result<(String, Vec<u8>, Option<PathBuf>), Error> {
    let failed = |path: &str, reason: String| Error::File { path: path.to_owned(), reason };
    if file == Some("-") {
        let content = limited(std::io::stdin()).map_err(|reason| failed("-", reason))?;
        return Ok(("-".to_owned(), content, None));
    }
    let candidates: Vec<PathBuf> = match file {
        // As given, or in the context, as Docker's builders look for it.
        Some(file) => vec![PathBuf::from(file), root.join(file)],
        None => NAMES.iter().map(|name| root.join(name)).collect(),
    };
    let Some(path) = candidates.iter().find(|path| path.exists()) else {
        let wanted = file.map_or_else(|| root.join(NAMES[0]).display().to_string(), str::to_owned);
        let hint = if file.is_none() {
            "there is none, and no Dockerfile; name it with -f"
        } else {
            "there is no such file"
        };
        return Err(failed(&wanted, hint.to_owned()));
    };
    let shown = path.strip_prefix(root).ok().filter(|_| file.is_none()).unwrap_or(path).display().to_string();
    let meta = fs::metadata(path).map_err(|e| failed(&shown, e.to_string()))?;
    // A shell's <(…) is a pipe; one that lies in a context would be waited for in vain.
    let piped = meta.file_type().is_fifo() && file.is_some_and(|file| path == Path::new(file));
    if !meta.is_file() && !piped {
        return Err(failed(&shown, "it is no regular file".to_owned()));
    }
    let opened = fs::File::open(path).map_err(|e| failed(&shown, e.to_string()))?;
    let content = limited(opened).map_err(|reason| failed(&shown, reason))?;
    Ok((shown, content, Some(path.clone())))
}

/// One byte more than a Containerfile may have is enough to refuse it.
fn limited(stream: impl Read) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    stream.take(MAX_FILE as u64 + 1).read_to_end(&mut content).map_err(|e| e.to_string())?;
    Ok(content)
}

/// The ignore file of the Containerfile, else the context's.
fn ignore_file(root: &Path, beside: Option<&Path>) -> Result<Ignore, Error> {
    let with = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let own = beside.into_iter().flat_map(|path| IGNORES.map(|suffix| with(path, suffix)));
    let candidates = own.chain(IGNORES.map(|name| root.join(name)));
    for path in candidates {
        let failed = |reason: String| Error::File { path: path.display().to_string(), reason };
        let file = match fs::File::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            file => file.map_err(|e| failed(e.to_string()))?,
        };
        let mut text = String::new();
        file.take(MAX_IGNORE).read_to_string(&mut text).map_err(|e| failed(e.to_string()))?;
        return Ignore::parse(&text).map_err(|e| failed(e.to_string()));
    }
    Ok(Ignore::default())
}
