//! Contexts beside the one that is built from: what `--build-context` names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{git, ignore_file};
use crate::build::copy::Root;
use crate::build::error::Error;
use crate::build::ignore::Ignore;
use crate::build::plan::{Named, Names};
use crate::registry::Reference;

const IMAGE: &str = "docker-image://";
const LAYOUT: &str = "oci-layout://";

/// An image in an OCI layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The directory.
    pub dir: PathBuf,
    /// Its tag or its digest; the only image without.
    pub wanted: Option<String>,
}

impl Layout {
    /// What `oci-layout://DIR[:TAG][@DIGEST]` says; none if it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(LAYOUT)?;
        let (path, digest) = match rest.split_once('@') {
            Some((path, digest)) => (path, Some(digest)),
            None => (rest, None),
        };
        let (dir, tag) = match path.rsplit_once(':') {
            Some((dir, tag)) if !tag.contains('/') => (dir, Some(tag)),
            _ => (path, None),
        };
        Some(Self { dir: PathBuf::from(dir), wanted: digest.or(tag).map(str::to_owned) })
    }
}

/// Reads `NAME=VALUE` into `names`.
///
/// # Errors
/// When the name or the value can be none.
pub fn parse(text: &str, names: &mut Names) -> Result<(), Error> {
    let bad = |reason: &str| Error::Flag {
        flag: "--build-context",
        value: text.to_owned(),
        reason: reason.to_owned(),
    };
    let (name, value) = text.split_once('=').filter(|(_, value)| !value.is_empty()).ok_or_else(|| {
        bad("expected NAME=DIRECTORY, NAME=GIT-ADDRESS, NAME=docker-image://IMAGE or NAME=oci-layout://DIRECTORY")
    })?;
    let named = if let Some(image) = value.strip_prefix(IMAGE) {
        Reference::parse(image).map_err(|e| bad(&crate::error::chain(&e)))?;
        Named::Image(image.to_owned())
    } else if value.starts_with(LAYOUT) {
        Named::Image(value.to_owned())
    } else if git::is_repository(value) {
        Named::Repository(value.to_owned())
    } else if value.contains("://") {
        return Err(bad("of addresses, only those of Git repositories can be a context; ADD fetches others"));
    } else {
        Named::Directory(PathBuf::from(value))
    };
    let unfit = "the name is none of a stage or an image that could be replaced";
    names.insert(name, named).ok_or_else(|| bad(unfit))
}

/// Whether something has to be cloned for these names.
pub fn needs_place(names: &Names) -> bool {
    names.iter().any(|(_, named)| matches!(named, Named::Repository(_)))
}

/// Opens all that are files; repositories are cloned below `dir`. As with Docker, only a directory has an ignore file.
///
/// # Errors
/// When one cannot be used.
pub fn open(names: &Names, dir: &Path) -> Result<BTreeMap<String, Arc<Root>>, Error> {
    let mut roots = BTreeMap::new();
    for (number, (name, named)) in names.iter().enumerate() {
        let bad = |reason: String| Error::Context { context: name.to_owned(), reason };
        let (path, ignore) = match named {
            Named::Image(_) => continue,
            Named::Directory(path) => {
                let failed = |reason: String| bad(format!("{}: {reason}", path.display()));
                let meta = fs::metadata(path).map_err(|e| failed(e.to_string()))?;
                if !meta.is_dir() {
                    return Err(failed("it is no directory".to_owned()));
                }
                (path.clone(), ignore_file(path, None)?)
            }
            Named::Repository(address) => {
                let cloned = git::clone(address, &dir.join(format!("context-{number}")), false);
                (cloned.map_err(bad)?, Ignore::default())
            }
        };
        let mut root = Root::of_context(&path, ignore).map_err(|e| bad(crate::error::chain(&e)))?;
        root.name = format!("the context {name}");
        roots.insert(name.to_owned(), Arc::new(root));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Names, String> {
        let mut names = Names::default();
        parse(text, &mut names).map(|()| names).map_err(|e| e.to_string())
    }

    #[test]
    fn values_as_docker_takes_them() {
        let only = |text: &str| {
            let names = read(text).unwrap();
            let (name, named) = names.iter().next().unwrap();
            (name.to_owned(), named.clone())
        };
        let image = |name: &str| Named::Image(name.to_owned());
        assert_eq!(only("a=../b"), ("a".into(), Named::Directory("../b".into())));
        assert_eq!(only("a=b=c"), ("a".into(), Named::Directory("b=c".into())));
        assert_eq!(only("a:latest=docker-image://b:1"), ("a".into(), image("b:1")));
        assert_eq!(only("a=oci-layout:///b:1"), ("a".into(), image("oci-layout:///b:1")));
        let address = "https://h/x.git#main:dir";
        assert_eq!(only(&format!("a={address}")), ("a".into(), Named::Repository(address.into())));
        for (text, why) in [
            ("a", "expected NAME=DIRECTORY"),
            ("a=", "expected NAME=DIRECTORY"),
            ("a=docker-image://B C", "repository name"),
            ("a=https://h/x.tar.gz", "only those of Git repositories"),
            ("scratch=dir", "could be replaced"),
            ("a b=dir", "could be replaced"),
        ] {
            assert!(read(text).is_err_and(|message| message.contains(why)), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn layouts_have_tags_and_digests() {
        let layout = |text: &str| Layout::parse(text).map(|layout| (layout.dir, layout.wanted));
        let expected = |dir: &str, wanted: Option<&str>| Some((dir.into(), wanted.map(str::to_owned)));
        assert_eq!(layout("oci-layout://a/b"), expected("a/b", None));
        assert_eq!(layout("oci-layout:///a:1"), expected("/a", Some("1")));
        assert_eq!(layout("oci-layout://a:b/c"), expected("a:b/c", None));
        assert_eq!(layout("oci-layout://a:1@sha256:0"), expected("a", Some("sha256:0")));
        assert_eq!(layout("alpine"), None);
    }
}
