//! Sources with wildcards (`filepath.Match` of Go, and `**`).

use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::Root;
use crate::build::error::StepError;
use crate::build::ignore::{Pattern, clean};

/// The paths that a source names in a tree, clean and relative, in order; the root is the empty path. Without wildcards
/// that is the path itself, whether something is there or not.
///
/// # Errors
/// When the pattern makes no sense or a directory cannot be read.
pub fn expand(root: &Root, source: &str) -> Result<Vec<PathBuf>, StepError> {
    // The root is its own parent, so that `..` leads nowhere.
    let path = clean(&format!("/{source}")).unwrap_or_default();
    let path = path.trim_start_matches('/');
    if !source.contains(['*', '?', '[']) {
        return Ok(vec![PathBuf::from(path)]);
    }
    let mut found = vec![PathBuf::new()];
    for part in path.split('/') {
        let mut next = Vec::new();
        for dir in found {
            step(root, &dir, part, &mut next)?;
        }
        found = next;
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn step(root: &Root, dir: &Path, part: &str, found: &mut Vec<PathBuf>) -> Result<(), StepError> {
    if !part.contains(['*', '?', '[', '\\']) {
        let path = dir.join(part);
        if root.lstat(&path)?.is_some() {
            found.push(path);
        }
        return Ok(());
    }
    let bad = || StepError::Value {
        what: "the source",
        value: part.to_owned(),
        problem: "this is no pattern".to_owned(),
    };
    let pattern = Pattern::parse(part).ok_or_else(bad)?;
    if part == "**" {
        found.push(dir.to_path_buf());
    }
    for (name, stat) in root.list(dir)? {
        let path = dir.join(&name);
        if part == "**" {
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                step(root, &path, part, found)?;
            }
        } else if pattern.matches(&name.to_string_lossy()) && !root.ignore.can_skip(&path) {
            found.push(path);
        }
    }
    Ok(())
}
