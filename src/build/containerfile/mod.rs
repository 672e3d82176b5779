//! The language of Containerfiles (Dockerfiles), syntax `docker/dockerfile:1`.
//!
//! [`Containerfile::parse`] gives directives, global arguments and stages. Words that take variables stay as they are
//! written, quotes and all, because their values are known only while the build runs: [`Word::expand`].

mod ast;
mod directives;
mod duration;
mod error;
mod heredoc;
mod lines;
mod mount;
mod parse;
mod ports;
mod span;
mod suggest;
mod visit;
mod words;

#[cfg(test)]
mod tests;

pub use ast::{
    Add, Arg, CommandLine, Copy, From, Health, HealthCommand, Instruction, Kind, Network, Onbuild, Pair,
    Pairs, Run, Script, Security, Source, Stage, Text, Transfer, Word,
};
pub use directives::{Directive, Directives};
pub use duration::parse as duration;
pub use error::{ParseError, ParseProblem, PlainText};
pub use heredoc::Heredoc;
pub use mount::{Mount, MountKind, MountOption, MountProblem, MountRequest, Sharing};
pub use ports::{PortError, Ports, Protocol};
pub use span::{Position, Span};
pub use suggest::nearest;

/// The longest file, in bytes.
pub const MAX_FILE: usize = 64 << 20;
/// The longest line, in bytes, before continued lines are joined. Docker takes 64 KiB.
pub const MAX_LINE: usize = 1 << 20;

/// A Containerfile that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containerfile {
    /// The directives at its top.
    pub directives: Directives,
    /// The `ARG`s before the first `FROM`, all of [`Kind::Arg`].
    pub globals: Vec<Instruction>,
    /// The stages, at least one.
    pub stages: Vec<Stage>,
}

impl Containerfile {
    /// Reads a file's content; `file` is its name for messages.
    ///
    /// # Errors
    /// At the first thing that breaks the rules of the language, or [`MAX_FILE`] or [`MAX_LINE`].
    pub fn parse(file: &str, content: &[u8]) -> Result<Self, ParseError> {
        parse::file(content).map_err(|fault| fault.in_file(file))
    }

    /// Reads one instruction by itself, such as a trigger that an image's `OnBuild` list holds.
    ///
    /// # Errors
    /// As [`Self::parse`]; `FROM`, `MAINTAINER` and `ONBUILD` cannot be triggers.
    pub fn parse_trigger(text: &str) -> Result<Instruction, ParseError> {
        parse::trigger(text).map_err(|fault| fault.in_file("ONBUILD"))
    }
}
