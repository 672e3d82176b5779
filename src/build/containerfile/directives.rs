//! Parser directives: `# syntax=`, `# escape=` and `# check=` at the top of the file.

use super::ParseProblem;

/// What the comments at the top of the file say to the reader of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directives {
    /// The image that understands the file's language (`# syntax=`). The language read here is `docker/dockerfile:1`.
    pub syntax: Option<Directive>,
    /// The escape character, `\` unless `# escape=` says `` ` ``.
    pub escape: char,
    /// Which checks to make and what they do (`# check=`).
    pub check: Option<Directive>,
}

/// The value of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// What stands behind the `=`.
    pub value: String,
    /// Its line, from 1.
    pub line: usize,
}

impl Default for Directives {
    fn default() -> Self {
        Self { syntax: None, escape: '\\', check: None }
    }
}

/// Looks for directives until there can be none any more.
#[derive(Default)]
pub(super) struct Search {
    pub(super) found: Directives,
    escape_seen: bool,
    done: bool,
}

impl Search {
    /// Looks at a line of the file, without white space at its start. The first that is no directive ends the search.
    pub(super) fn look(&mut self, text: &str, line: usize) -> Result<(), ParseProblem> {
        if self.done {
            return Ok(());
        }
        let Some((key, value)) = directive(text) else {
            self.done = true;
            return Ok(());
        };
        let place = match key.to_ascii_lowercase().as_str() {
            "syntax" => &mut self.found.syntax,
            "check" => &mut self.found.check,
            "escape" => return self.escape(value),
            _ => {
                self.done = true;
                return Ok(());
            }
        };
        if place.is_some() {
            return Err(ParseProblem::DirectiveTwice(key.to_ascii_lowercase()));
        }
        *place = Some(Directive { value: value.to_owned(), line });
        Ok(())
    }

    fn escape(&mut self, value: &str) -> Result<(), ParseProblem> {
        if std::mem::replace(&mut self.escape_seen, true) {
            return Err(ParseProblem::DirectiveTwice("escape".to_owned()));
        }
        self.found.escape = match value {
            "\\" => '\\',
            "`" => '`',
            _ => return Err(ParseProblem::Escape(value.to_owned())),
        };
        Ok(())
    }
}

/// Key and value of `# key = value`.
fn directive(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.strip_prefix('#')?.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    let mut chars = key.chars();
    let named = chars.next()?.is_ascii_alphabetic() && chars.all(|ch| ch.is_ascii_alphanumeric());
    (named && !value.is_empty()).then_some((key, value))
}
