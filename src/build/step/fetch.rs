//! `ADD` of addresses: files by HTTP, and repositories by the program git.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lay_store::Digest;

use super::Stage;
use crate::build::context::git;
use crate::build::copy::{Item, Root, hash};
use crate::build::error::StepError;
use crate::build::ignore::Ignore;
use crate::registry::download;

impl Stage<'_> {
    /// The source if it is an address.
    pub(super) fn remote(
        &mut self,
        source: &str,
        checksum: Option<&str>,
        keep_git_dir: bool,
    ) -> Result<Option<Item>, StepError> {
        let is_repository = git::is_repository(source);
        if !["http://", "https://"].iter().any(|scheme| source.starts_with(scheme)) && !is_repository {
            return Ok(None);
        }
        let number = self.records.len();
        let dir = self.dir()?.join(format!("fetch-{number}-{}", Digest::of(source.as_bytes()).hex()));
        if is_repository {
            if !dir.exists() {
                git::clone(source, &dir, keep_git_dir).map_err(|reason| fetch_error(source, reason))?;
            }
            let root = Root::of_context(&dir, Ignore::default())?;
            return Ok(Some(Item::Path(Arc::new(root), "/".to_owned())));
        }
        fs::create_dir_all(&dir).map_err(StepError::file("create", &dir))?;
        let path = dir.join("file");
        let mut file = File::create(&path).map_err(StepError::file("create", &path))?;
        let found = download(&self.session.options.access, source, &mut file);
        let found = found.map_err(|reason| fetch_error(source, reason))?;
        if let Some(wanted) = checksum {
            check(source, &path, wanted)?;
        }
        let name = found.name.or_else(|| name_of(source));
        let name = name.ok_or_else(|| {
            fetch_error(source, "the address ends in no file name; add one to the destination".to_owned())
        })?;
        let root = Root::of_context(&dir, Ignore::default())?;
        Ok(Some(Item::Fetched(name, Arc::new(root), PathBuf::from("file"))))
    }
}

fn fetch_error(url: &str, reason: String) -> StepError {
    StepError::Fetch { url: url.to_owned(), reason }
}

/// The last part of an address's path.
fn name_of(address: &str) -> Option<String> {
    let path = address.split(['?', '#']).next()?.split_once("://")?.1;
    let name = path.split_once('/')?.1.rsplit('/').next()?;
    (!matches!(name, "" | "." | "..")).then(|| name.to_owned())
}

fn check(source: &str, path: &Path, wanted: &str) -> Result<(), StepError> {
    let parsed: Digest = wanted.parse().map_err(|_| StepError::Value {
        what: "--checksum",
        value: wanted.to_owned(),
        problem: "expected sha256: and 64 hexadecimal digits".to_owned(),
    })?;
    let file = File::open(path).map_err(StepError::file("open", path))?;
    let actual = hash(file).map_err(StepError::file("read", path))?;
    if actual == parsed {
        return Ok(());
    }
    Err(fetch_error(source, format!("its checksum is {actual} and not {parsed}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_path() {
        assert_eq!(name_of("http://h/a/b.tar?x=1"), Some("b.tar".into()));
        for nothing in ["http://h", "http://h/", "http://h/a/..", "http://h/a/"] {
            assert_eq!(name_of(nothing), None, "{nothing}");
        }
    }
}
