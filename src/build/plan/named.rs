//! Names that stand for something else in this build than the Containerfile would say (`--build-context`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Origin;
use crate::registry::Reference;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The files of a directory.
    Directory(PathBuf),
    /// The files of a Git repository, by its address.
    Repository(String),
    /// An image, by a name that is its own.
    Image(String),
}

/// All names that stand for something else, as they are compared: for people, without `latest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, Named>);

impl Names {
    /// Says what a name stands for; none if it can be no name of a stage or an image.
    pub fn insert(&mut self, name: &str, named: Named) -> Option<()> {
        self.0.insert(key(name)?, named);
        Some(())
    }

    /// Where the files of a name come from, if it stands for something else.
    pub fn origin(&self, name: &str) -> Option<Origin> {
        if self.0.is_empty() {
            return None;
        }
        let key = key(name)?;
        Some(match self.0.get(&key)? {
            Named::Directory(_) | Named::Repository(_) => Origin::Named(key),
            Named::Image(image) => Origin::Image(image.clone()),
        })
    }

    /// All names, as [`Origin::Named`] has them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Named)> {
        self.0.iter().map(|(name, named)| (name.as_str(), named))
    }
}

/// A name of a stage or an image as it is compared. Names of stages are alike whatever their case.
fn key(name: &str) -> Option<String> {
    let reference = Reference::parse(name).or_else(|_| Reference::parse(&name.to_lowercase())).ok()?;
    let familiar = reference.familiar();
    let short = familiar.strip_suffix(":latest").unwrap_or(&familiar);
    Some(short.to_owned()).filter(|name| name != super::origin::SCRATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_docker_compares_them() {
        for (name, as_key) in [
            ("alpine", Some("alpine")),
            ("alpine:latest", Some("alpine")),
            ("docker.io/library/alpine", Some("alpine")),
            ("Assets", Some("assets")),
            ("alpine:3.20", Some("alpine:3.20")),
            ("quay.io/a/b:latest", Some("quay.io/a/b")),
            ("scratch", None),
            ("", None),
            ("no name", None),
        ] {
            assert_eq!(key(name).as_deref(), as_key, "{name}");
        }
    }
}
