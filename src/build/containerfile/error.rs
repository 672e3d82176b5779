//! What can be wrong with a Containerfile.

use std::fmt;

use super::{MAX_FILE, MAX_LINE, MountProblem, PortError, Position};
use crate::build::expand;

/// A file that cannot be read as a Containerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The file's name, as it was given.
    pub file: String,
    /// Where it goes wrong.
    pub position: Position,
    /// What is wrong.
    pub problem: ParseProblem,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseProblem {
    /// Neither an instruction nor anything else of use.
    #[error("no instructions")]
    Empty,
    /// No `FROM`.
    #[error("no build stage: FROM is missing")]
    NoStage,
    /// An instruction that needs a stage stands before the first `FROM`.
    #[error("{0} before the first FROM")]
    BeforeFrom(&'static str),
    /// A zero byte.
    #[error("this is no text: it holds a zero byte")]
    Binary,
    /// Bytes that are no UTF-8.
    #[error("this is no text in UTF-8")]
    NotUtf8,
    /// More than [`MAX_FILE`] bytes.
    #[error("the file is longer than {MAX_FILE} bytes")]
    FileTooLong,
    /// More than [`MAX_LINE`] bytes in a line.
    #[error("the line is longer than {MAX_LINE} bytes")]
    LineTooLong,
    /// A directive appears again.
    #[error("the directive \"{0}\" appears twice")]
    DirectiveTwice(String),
    /// An escape character that is neither `\` nor `` ` ``.
    #[error("\"{0}\" cannot be the escape character")]
    Escape(String),
    /// No such instruction.
    #[error("unknown instruction \"{name}\"{}", suggestion(*.nearest))]
    Instruction {
        /// As written.
        name: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// No such flag of the instruction.
    #[error("unknown flag --{name} of {instruction}{}", suggestion(*.nearest))]
    Flag {
        /// The instruction.
        instruction: &'static str,
        /// As written, without dashes.
        name: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
        /// The flags of the instruction.
        known: &'static [&'static str],
    },
    /// A flag appears again.
    #[error("the flag --{0} appears twice")]
    FlagTwice(String),
    /// A flag without the value that it needs, or with one that it cannot have.
    #[error("--{flag} needs {wanted}")]
    FlagValue {
        /// The flag without dashes.
        flag: String,
        /// What it takes.
        wanted: &'static str,
    },
    /// Too few, too many or the wrong arguments.
    #[error("{instruction} needs {wanted}")]
    Arguments {
        /// The instruction.
        instruction: &'static str,
        /// What it takes.
        wanted: &'static str,
    },
    /// Something in a JSON array is no string.
    #[error("a JSON array of arguments may hold strings only")]
    Json,
    /// A word that cannot be expanded, whatever its variables are.
    #[error(transparent)]
    Word(#[from] expand::Problem),
    /// A here-document without its end.
    #[error("unterminated here-document: no line \"{0}\" ends it")]
    Heredoc(String),
    /// A here-document as destination.
    #[error("a here-document cannot be the destination")]
    HeredocDestination,
    /// A word of `ENV` or `LABEL` without `=`.
    #[error("\"{0}\" holds no =")]
    KeyValue(String),
    /// A name is empty.
    #[error("the name before = is empty")]
    BlankName,
    /// A variable where none can be.
    #[error("{0} cannot hold variables")]
    Variable(&'static str),
    /// A stage name outside the grammar.
    #[error("invalid stage name \"{0}\"")]
    StageName(String),
    /// `--mount` with options that do not fit.
    #[error("--mount: {0}")]
    Mount(#[from] MountProblem),
    /// `EXPOSE` of something else than ports.
    #[error("EXPOSE: {0}")]
    Port(#[from] PortError),
    /// An instruction that cannot be a trigger.
    #[error("{0} cannot be a trigger of ONBUILD")]
    Trigger(&'static str),
}

impl ParseProblem {
    /// What would have been right, where a few words can tell.
    pub fn expected(&self) -> Option<String> {
        Some(match self {
            Self::Empty | Self::NoStage => "a first instruction such as FROM debian:12".into(),
            Self::BeforeFrom(_) => "FROM first; only ARG may come before it".into(),
            Self::Binary | Self::NotUtf8 => "a Containerfile: text in UTF-8".into(),
            Self::Escape(_) => "\\ or `".into(),
            Self::Instruction { .. } => format!("one of {}", super::parse::INSTRUCTIONS.join(", ")),
            Self::Flag { instruction, known: [], .. } => format!("no flags: {instruction} has none"),
            Self::Flag { known, .. } => format!("one of --{}", known.join(", --")),
            Self::Json => "an array such as [\"executable\", \"argument\"]".into(),
            Self::KeyValue(_) => "name=value, with quotes around a value that holds spaces".into(),
            Self::Variable(_) => "a fixed name; FROM image AS name gives an image a name".into(),
            Self::StageName(_) => "a letter, then letters, digits, \"-\", \"_\" and \".\"".into(),
            Self::Word(expand::Problem::Modifier(_)) => "one of :- - :+ + :? ? # ## % %% / //".into(),
            Self::Word(expand::Problem::PatternEscape(_)) => "\\ before *, ?, \\, / or }".into(),
            Self::Port(_) => "ports such as 80, 53/udp or 8000-8010".into(),
            _ => return None,
        })
    }
}

/// "(did you mean …?)"
fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default()
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.position, self.problem)
    }
}

impl std::error::Error for ParseError {}

/// The content of a Containerfile.
#[derive(Clone, Copy, Debug)]
pub struct PlainText<'a>(pub &'a [u8]);

impl PlainText<'_> {
    /// The line of a place and a caret under the place, each line after a newline; nothing for an empty line.
    pub fn excerpt(self, position: Position) -> String {
        let line = self.0.split(|&byte| byte == b'\n').nth(position.line - 1).unwrap_or_default();
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end().trim_start_matches('\u{feff}');
        if text.is_empty() {
            return String::new();
        }
        // A long line is shown around the place.
        let skipped = (position.column - 1).saturating_sub(SHOWN / 2);
        let visible = |ch: char| if ch.is_control() { ' ' } else { ch };
        let shown: String = text.chars().skip(skipped).take(SHOWN).map(visible).collect();
        let number = position.line.to_string();
        let gap = " ".repeat(number.len());
        let caret = " ".repeat(position.column - 1 - skipped);
        format!("\n{gap} |\n{number} | {shown}\n{gap} | {caret}^")
    }
}

/// How many characters of a line a report shows.
const SHOWN: usize = 100;

impl ParseError {
    /// The message, the line with a caret under the place, and what was expected. Ends without a newline.
    ///
    /// `source` is the content that was read.
    pub fn report(&self, source: &[u8]) -> String {
        let mut report = self.to_string() + &PlainText(source).excerpt(self.position);
        if let Some(expected) = self.problem.expected() {
            report.push_str(&format!("\nexpected {expected}"));
        }
        report
    }
}

/// A problem and its place, before the file's name is known.
#[derive(Debug)]
pub(super) struct Fault {
    position: Position,
    problem: ParseProblem,
}

impl Fault {
    pub(super) fn at(position: Position, problem: impl Into<ParseProblem>) -> Self {
        Self { position, problem: problem.into() }
    }

    pub(super) fn in_file(self, file: &str) -> ParseError {
        ParseError { file: file.to_owned(), position: self.position, problem: self.problem }
    }
}
