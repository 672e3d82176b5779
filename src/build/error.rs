//! What can go wrong while a step is carried out, and whole builds.

use std::io;
use std::path::{Path, PathBuf};

use lay_store::Digest;

use super::containerfile::{MountProblem, ParseError, PlainText, PortError, Position};
use super::expand::ExpandError;
use super::plan::PlanError;
use crate::{container, image, layer, snapshot};

/// What keeps a step from being carried out.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A word cannot be expanded.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// A mount makes no sense.
    #[error("--mount: {0}")]
    Mount(#[from] MountProblem),
    /// `EXPOSE` of something else than ports.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A value that cannot be.
    #[error("{what} \"{value}\": {problem}")]
    Value {
        /// What it is of.
        what: &'static str,
        /// The value.
        value: String,
        /// What is wrong.
        problem: String,
    },
    /// A file to copy is not there.
    #[error("\"{path}\" is not in {place}{hint}")]
    Missing {
        /// The path as written, variables replaced.
        path: String,
        /// Where it was looked for.
        place: String,
        /// What may have been meant.
        hint: &'static str,
    },
    /// What stands at a place does not go with what is to come there.
    #[error("cannot copy to {path}: {problem}")]
    Target {
        /// The path in the image.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The step is only looked up, and would have to be carried out.
    #[error("there is no place to carry this out in")]
    NoPlace,
    /// Layers of results that are known cannot be had: their diff ids, and why.
    #[error("{}", lost(.0))]
    Lost(Vec<(Digest, String)>),
    /// A file of the context changed while it was read.
    #[error("{0} changed while it was read; build again when it is at rest")]
    Changed(String),
    /// A command failed.
    #[error("the command failed with exit code {code}{}", if *.oom { " (out of memory)" } else { "" })]
    Command {
        /// Its exit code.
        code: i32,
        /// The memory limit killed something.
        oom: bool,
    },
    /// A file cannot be used.
    #[error("cannot {operation} {path}")]
    File {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something could not be fetched.
    #[error("cannot get {url}: {reason}")]
    Fetch {
        /// Its address.
        url: String,
        /// Why.
        reason: String,
    },
    /// A secret or agent that the step needs was not given.
    #[error("{0}")]
    NotGiven(String),
    /// A trigger of the base image cannot be read.
    #[error("a trigger of the base image is wrong: {0}")]
    Trigger(#[from] ParseError),
    /// A trigger of the base image refers to something that is not there.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The container of a `RUN`.
    #[error(transparent)]
    Container(#[from] container::Error),
    /// The layer that a step makes.
    #[error(transparent)]
    Layer(#[from] layer::Error),
    /// The files that a step sees.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// An image.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] lay_store::Error),
}

impl StepError {
    /// Wraps an error of the system with what was tried on which path.
    pub fn file(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { operation, path, source }
    }

    /// The same for error numbers.
    pub fn errno(operation: &'static str, path: &Path) -> impl FnOnce(rustix::io::Errno) -> Self {
        let wrap = Self::file(operation, path);
        move |errno| wrap(errno.into())
    }
}

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Containerfile breaks the rules of the language.
    #[error("{report}")]
    Parse {
        /// The message with the line.
        report: String,
    },
    /// An instruction failed.
    #[error("{report}")]
    Step {
        /// The message with the line.
        report: String,
        /// Exit code of its command, if that is what failed.
        code: Option<i32>,
    },
    /// The build was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// The context cannot be used.
    #[error("cannot use the build context {context}: {reason}")]
    Context {
        /// As it was named.
        context: String,
        /// Why.
        reason: String,
    },
    /// The Containerfile cannot be read.
    #[error("cannot read {path}: {reason}")]
    File {
        /// As it was named.
        path: String,
        /// Why.
        reason: String,
    },
    /// A flag's value makes no sense.
    #[error("invalid value '{value}' for {flag}: {reason}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// More instructions than a configuration can tell of.
    #[error("the image's configuration has {size} bytes and can have {most}: it has too many instructions")]
    Large {
        /// What it has.
        size: usize,
        /// What readers take.
        most: u64,
    },
    /// Results of builds cannot be had from elsewhere, or not be kept there.
    #[error("cache {place}: {reason}")]
    Cache {
        /// Where.
        place: String,
        /// Why.
        reason: String,
    },
    /// Something besides a step.
    #[error(transparent)]
    Other(#[from] StepError),
    /// A process of the build ended without a word.
    #[error("a process of the build ended unexpectedly{0}")]
    Lost(String),
}

impl From<lay_store::Error> for Error {
    fn from(error: lay_store::Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<image::Error> for Error {
    fn from(error: image::Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<container::Error> for Error {
    fn from(error: container::Error) -> Self {
        Self::Other(error.into())
    }
}

/// A message about a place of a file, with its line and a caret under the place.
pub fn report(file: &str, source: &[u8], position: Position, message: &str) -> String {
    let excerpt = PlainText(source).excerpt(position);
    format!("{file}:{position}: {message}{excerpt}")
}

fn lost(layers: &[(Digest, String)]) -> String {
    let one = |(diff_id, why): &(Digest, String)| format!("the layer {diff_id} cannot be had: {why}");
    layers.iter().map(one).collect::<Vec<_>>().join("; ")
}
