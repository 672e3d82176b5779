//! Expected values: the Dockerfile reference and what BuildKit's frontend makes of the same text.

mod copying;
mod errors;
mod instructions;
mod lines;
mod random;
mod runs;

use super::{Containerfile, Kind, ParseError};

/// Reads a file that is right.
fn read(text: &str) -> Containerfile {
    Containerfile::parse("Containerfile", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// Reads a file that is wrong.
fn fail(content: impl AsRef<[u8]>) -> ParseError {
    match Containerfile::parse("Containerfile", content.as_ref()) {
        Ok(file) => panic!("no error in {file:?}"),
        Err(error) => error,
    }
}

/// Reads instructions of one stage.
fn stage(text: &str) -> Vec<Kind> {
    let mut file = read(&format!("FROM scratch\n{text}"));
    assert_eq!(file.stages.len(), 1);
    file.stages.remove(0).instructions.into_iter().map(|instruction| instruction.kind).collect()
}

/// Reads one instruction.
fn one(text: &str) -> Kind {
    let mut kinds = stage(text);
    assert_eq!(kinds.len(), 1, "{text}");
    kinds.remove(0)
}

/// Reads one instruction that is wrong; gives line, column and message.
fn wrong(text: &str) -> (usize, usize, String) {
    let error = fail(format!("FROM scratch\n{text}"));
    (error.position.line - 1, error.position.column, error.problem.to_string())
}
