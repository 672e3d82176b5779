//! `.containerignore` and `.dockerignore`: what of the context a build does not see.
//!
//! The rules are Docker's ("`.dockerignore` files" in its documentation): one pattern a line, relative to the context;
//! `*`, `?` and `[…]` as in Go's `filepath.Match`, `**` for any number of directories; `!` takes back what an earlier
//! pattern ignored; what is ignored is so with all it contains.

mod clean;
mod pattern;
#[cfg(test)]
mod tests;

use std::path::Path;

pub(in crate::build) use clean::clean;
pub(in crate::build) use pattern::Pattern;

/// The patterns of an ignore file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignore {
    rules: Vec<Rule>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    /// Whether it takes files back (`!`).
    exception: bool,
}

/// A line that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: invalid pattern \"{pattern}\"")]
pub struct IgnoreError {
    /// Its number, from 1.
    pub line: usize,
    /// The pattern.
    pub pattern: String,
}

impl Ignore {
    /// Reads an ignore file's text.
    ///
    /// # Errors
    /// If a line is a pattern with a syntax error, such as `[a`.
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        let mut rules = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            // A comment begins in the first column; elsewhere # is part of a name.
            let pattern = line.trim();
            if line.starts_with('#') || pattern.is_empty() {
                continue;
            }
            let fail = || IgnoreError { line: index + 1, pattern: pattern.to_owned() };
            let exception = pattern.strip_prefix('!').map(str::trim);
            let path = clean(exception.unwrap_or(pattern)).ok_or_else(fail)?;
            // The root is not there to be taken back.
            if exception.is_some() && path == "/" {
                return Err(fail());
            }
            let pattern = Pattern::parse(&path).ok_or_else(fail)?;
            rules.push(Rule { pattern, exception: exception.is_some() });
        }
        Ok(Self { rules })
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a file or directory is ignored. The path is relative to the context, whose root never is.
    pub fn is_ignored(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        let path = clean(&path).unwrap_or_default();
        if matches!(path.as_str(), "" | "." | "/") {
            return false;
        }
        // What a pattern matches, it matches with all that is below. Each pattern counts only where it changes
        // something, so a directory that it did not have to decide on does not pass it on.
        let mut inherited = vec![false; self.rules.len()];
        let mut ignored = false;
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            ignored = false;
            for (rule, matched) in self.rules.iter().zip(&mut inherited) {
                if !*matched && rule.exception == ignored {
                    *matched = rule.pattern.matches(&path[..end]);
                }
                if *matched {
                    ignored = !rule.exception;
                }
            }
        }
        ignored
    }

    /// Whether a directory is ignored and no exception can bring back anything below it, so that nobody need look.
    pub fn can_skip(&self, directory: &Path) -> bool {
        if !self.is_ignored(directory) {
            return false;
        }
        let directory = clean(&directory.to_string_lossy()).unwrap_or_default();
        !self.rules.iter().any(|rule| rule.exception && rule.pattern.may_match_below(&directory))
    }
}
