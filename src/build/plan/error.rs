//! What stands in the way of a plan, and what should be said.

use std::fmt;

use crate::build::containerfile::Position;
use crate::build::expand::ExpandError;

/// A build that cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The instruction, unless the request is wrong.
    pub position: Option<Position>,
    /// What is wrong.
    pub problem: PlanProblem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanProblem {
    /// The stage to build is not there.
    #[error("there is no stage \"{name}\"{}", suggestion(.nearest.as_deref()))]
    Target {
        /// As asked for.
        name: String,
        /// What may have been meant.
        nearest: Option<String>,
        /// All names of stages.
        known: Vec<String>,
    },
    /// A stage of a number that is none of the earlier ones.
    #[error("there is no stage {number} before stage {before}")]
    StageNumber {
        /// The number.
        number: usize,
        /// The stage that asks for it.
        before: usize,
    },
    /// The image of `FROM` is empty.
    #[error("the image {expression} is empty{}", suggestion(.nearest.as_deref()))]
    EmptyBase {
        /// As written.
        expression: String,
        /// The variable that may have been meant.
        nearest: Option<String>,
    },
    /// `--platform` of `FROM` is none.
    #[error("\"{platform}\" is no platform such as linux/amd64{}", suggestion(.nearest.as_deref()))]
    Platform {
        /// Its value.
        platform: String,
        /// The variable that may have been meant.
        nearest: Option<String>,
    },
    /// A word cannot be expanded.
    #[error(transparent)]
    Expand(#[from] ExpandError),
}

/// "(did you mean …?)"
fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default()
}

impl PlanError {
    pub(super) fn new(position: Option<Position>, problem: PlanProblem) -> Self {
        Self { position, problem }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "line {}: {}", position.line, self.problem),
            None => self.problem.fmt(f),
        }
    }
}

impl std::error::Error for PlanError {}

/// What the user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A value was given (`--build-arg`) for a variable that no `ARG` declares.
    UnusedArg(String),
    /// A name is taken for an image, though this or a later stage has it.
    LaterStage {
        /// The name.
        name: String,
        /// The instruction.
        position: Position,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnusedArg(name) => write!(f, "the build argument {name} is not used: no ARG declares it"),
            Self::LaterStage { name, position } => {
                let line = position.line;
                write!(f, "line {line}: \"{name}\" is taken for an image, for no earlier stage has that name")
            }
        }
    }
}
