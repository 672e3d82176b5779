//! Checks of a Containerfile: what works, but not as it should. The rules and their names are those of BuildKit.
//!
//! Left out are `InvalidBaseImagePlatform`, which needs the image, and the experimental `InvalidDefinitionDescription`.

mod file;
mod from;
mod options;
mod rule;
mod secret;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use options::{OptionsError, RuleSet};
pub use rule::Rule;

use super::containerfile::{Containerfile, Position};
use super::ignore::Ignore;
use super::plan::{PlanError, Request};

/// What a check knows besides the file.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// Target, arguments and platforms.
    pub request: Request,
    /// The context's ignore file.
    pub ignore: Option<Ignore>,
    /// The environments of base images by the name in `FROM`, variables replaced. Of an image that is not here
    /// only `PATH` is known.
    pub environments: BTreeMap<String, BTreeMap<String, String>>,
}

/// Something that a rule does not like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// Where.
    pub position: Position,
    /// What it is, with names.
    pub message: String,
}

/// What the checks found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// In the order of the file.
    pub list: Vec<Finding>,
    /// Whether the file wants the build to fail because of them (`# check=error=true`).
    pub fatal: bool,
}

/// A file that cannot be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The directive `# check=` is wrong.
    #[error("line {line}: {error}")]
    Options {
        /// Its line.
        line: usize,
        /// What is wrong.
        error: OptionsError,
    },
    /// The arguments before the first `FROM` cannot be expanded.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Checks a file, all its stages.
///
/// # Errors
/// If the directive `# check=` is wrong, or an `ARG` before the first `FROM` cannot be expanded.
pub fn check(file: &Containerfile, knowledge: &Knowledge) -> Result<Findings, CheckError> {
    let rules = match &file.directives.check {
        None => RuleSet::default(),
        Some(directive) => {
            directive.value.parse().map_err(|error| CheckError::Options { line: directive.line, error })?
        }
    };
    let mut list = Vec::new();
    file::check(file, &mut list);
    from::check(file, knowledge, &mut list)?;
    stage::check(file, knowledge, &mut list)?;
    list.retain(|finding| rules.includes(finding.rule));
    list.sort_by_key(|finding| finding.position);
    let fatal = rules.fatal && !list.is_empty();
    Ok(Findings { list, fatal })
}

/// Notes a finding.
fn note(list: &mut Vec<Finding>, rule: Rule, position: Position, message: impl Into<String>) {
    list.push(Finding { rule, position, message: message.into() });
}
