//! Writing settings whose order depends on what is there already.
//!
//! Several files bound each other: v1's memory limit may not exceed the one on memory and swap, a burst not the quota, a
//! quota not its parent's share of the period. Whether to write one or the other first depends on whether values rise
//! or fall. So what the kernel refuses with `EINVAL` is tried again after the others, for as long as that gets on.

use std::io;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::file;
use super::find::Controller;

/// A value for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knob {
    /// What the user asked for.
    pub setting: &'static str,
    /// Whose file it is; `None` for files of v2's core.
    pub controller: Option<Controller>,
    /// The files that may hold it with the value in each one's form; the first that exists is taken.
    pub choices: Vec<(String, String)>,
    /// What to say if none exists; `None` lets it pass.
    pub missing: Option<&'static str>,
}

/// For a file that every kernel with the controller has.
const NO_FILE: &str = "this kernel's controller has no such file";

impl Knob {
    /// A setting that lives in one file.
    pub fn new(
        setting: &'static str,
        controller: Controller,
        file: impl Into<String>,
        value: impl ToString,
    ) -> Self {
        Self {
            setting,
            controller: Some(controller),
            choices: vec![(file.into(), value.to_string())],
            missing: Some(NO_FILE),
        }
    }

    /// The same with other words for a missing file.
    pub fn or(mut self, missing: &'static str) -> Self {
        self.missing = Some(missing);
        self
    }

    /// The same, but it does not matter if the file is missing.
    pub fn optional(mut self) -> Self {
        self.missing = None;
        self
    }

    /// Writes it; tells the path and what it held if `remember`.
    fn write(&self, dir: &Path, remember: bool) -> Result<Option<(PathBuf, String)>> {
        for (name, value) in &self.choices {
            let path = dir.join(name);
            let old = match remember.then(|| file::read_if_there(&path)) {
                Some(old) => old?,
                None => None,
            };
            match file::write(&path, value) {
                Ok(()) => return Ok(old.map(|old| (path, former(value, &old)))),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                // cgroupfs answers so to the attempt to create a file.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied && !path.exists() => {}
                Err(source) => {
                    return Err(Error::Set { setting: self.setting, value: value.clone(), path, source });
                }
            }
        }
        match self.missing {
            Some(reason) => Err(Error::Unsupported { setting: self.setting, reason }),
            None => Ok(None),
        }
    }
}

/// What to write to get back to `old`, the file's text before `written`. Files with a line for each device or
/// interface take one line at a time.
fn former(written: &str, old: &str) -> String {
    let key = written.split(' ').next().unwrap_or_default();
    let line = old.lines().find(|line| line.split_once(' ').is_some_and(|(k, _)| k == key));
    let device = key.contains(':');
    let text = match line {
        Some(line) => line.to_owned(),
        None if device && written.contains('=') => {
            format!("{key} rbps=max wbps=max riops=max wiops=max")
        }
        None if device => format!("{key} 0"),
        None => old.lines().next().unwrap_or_default().to_owned(),
    };
    // These two are written without the word that they are read with.
    ["oom_kill_disable ", "default "]
        .iter()
        .find_map(|word| text.strip_prefix(word))
        .map_or(text.clone(), str::to_owned)
}

/// A value that the kernel may take once another one is in place.
fn may_pass_later(e: &Error) -> bool {
    matches!(e, Error::Set { source, .. } if source.raw_os_error() == Some(libc::EINVAL))
}

/// Writes all values into the groups that `dir` names. With `undo`, those written before a failure get back what
/// they held.
pub fn apply(knobs: &[Knob], dir: impl Fn(&Knob) -> PathBuf, undo: bool) -> Result<()> {
    let mut old = Vec::new();
    let mut pending: Vec<&Knob> = knobs.iter().collect();
    loop {
        let mut refused = Vec::new();
        let mut first = None;
        for &knob in &pending {
            match knob.write(&dir(knob), undo) {
                Ok(was) => old.extend(was),
                Err(e) if may_pass_later(&e) => {
                    refused.push(knob);
                    first.get_or_insert(e);
                }
                Err(e) => return Err(put_back(e, old)),
            }
        }
        match first {
            None => return Ok(()),
            Some(e) if refused.len() == pending.len() => return Err(put_back(e, old)),
            Some(_) => pending = refused,
        }
    }
}

/// Restores, last written first, and reports what fails of that together with the cause.
fn put_back(first: Error, old: Vec<(PathBuf, String)>) -> Error {
    let mut pending: Vec<_> = old.into_iter().rev().collect();
    loop {
        let mut refused = Vec::new();
        let mut last = None;
        let count = pending.len();
        for (path, value) in pending {
            if let Err(e) = file::set("the former value", &path, value.trim_end()) {
                last = Some(e);
                refused.push((path, value));
            }
        }
        match last {
            None => return first,
            Some(undo) if refused.len() == count => {
                return Error::Undo { first: Box::new(first), undo: Box::new(undo) };
            }
            Some(_) => pending = refused,
        }
    }
}
