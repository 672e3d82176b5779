//! Lines as instructions see them: joined where the escape character continues them, without comments.

use super::error::Fault;
use super::{MAX_FILE, MAX_LINE, ParseProblem, Position};

/// The file's text and the place in it.
pub(super) struct Reader<'a> {
    rest: &'a str,
    /// The line that was read last, from 1.
    line: usize,
}

/// A line of the file.
pub(super) struct Physical<'a> {
    /// With its line ending.
    pub(super) full: &'a str,
    /// Without it.
    pub(super) text: &'a str,
    /// Its number, from 1.
    pub(super) number: usize,
}

impl<'a> Reader<'a> {
    /// Checks that the content is text of bearable size.
    pub(super) fn new(content: &'a [u8]) -> Result<Self, Fault> {
        if content.len() > MAX_FILE {
            return Err(Fault::at(Position::line(1), ParseProblem::FileTooLong));
        }
        let text = std::str::from_utf8(content).map_err(|error| {
            let before = String::from_utf8_lossy(&content[..error.valid_up_to()]);
            Fault::at(end_of(&before), ParseProblem::NotUtf8)
        })?;
        if let Some(at) = text.find('\0') {
            return Err(Fault::at(end_of(&text[..at]), ParseProblem::Binary));
        }
        Ok(Self { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 0 })
    }

    /// The next line, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Physical<'a>>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let length = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        let (full, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.line += 1;
        if full.len() > MAX_LINE {
            return Err(Fault::at(Position::line(self.line), ParseProblem::LineTooLong));
        }
        Ok(Some(Physical { full, text: full.trim_end_matches(['\r', '\n']), number: self.line }))
    }
}

/// The place behind a text.
fn end_of(text: &str) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position { line: text.matches('\n').count() + 1, column: last.chars().count() + 1 }
}

/// An instruction's lines as one.
pub(super) struct Logical {
    pub(super) text: String,
    pieces: Vec<Piece>,
    /// Behind the last character.
    pub(super) end: Position,
    /// The first empty line among the continued ones.
    pub(super) empty_line: Option<usize>,
}

/// A part of a joined line.
struct Piece {
    /// Where it begins in the joined line, in bytes.
    at: usize,
    /// Where it begins in the file.
    position: Position,
}

impl Logical {
    /// Starts with a line's text, white space at its start cut off; joins the lines that continue it.
    pub(super) fn read(first: &Physical<'_>, reader: &mut Reader<'_>, escape: char) -> Result<Self, Fault> {
        let trimmed = first.text.trim_start();
        let column = first.text[..first.text.len() - trimmed.len()].chars().count() + 1;
        let end = Position { line: first.number, column };
        let mut logical = Self { text: String::new(), pieces: Vec::new(), end, empty_line: None };
        let mut continued = logical.add(trimmed, end, escape);
        while continued {
            let Some(line) = reader.next()? else { break };
            let content = line.text.trim_start();
            if content.starts_with('#') {
                continue;
            }
            if content.is_empty() {
                logical.empty_line.get_or_insert(line.number);
                continue;
            }
            continued = logical.add(line.text, Position::line(line.number), escape);
        }
        Ok(logical)
    }

    /// Adds a line; tells whether another one follows.
    fn add(&mut self, line: &str, position: Position, escape: char) -> bool {
        let continued = continuation(line, escape);
        self.pieces.push(Piece { at: self.text.len(), position });
        self.text.push_str(continued.unwrap_or(line));
        self.end = Position { line: position.line, column: position.column + line.chars().count() };
        continued.is_some()
    }

    /// The place in the file of a place in the joined line, in bytes.
    pub(super) fn position(&self, offset: usize) -> Position {
        let index = self.pieces.partition_point(|piece| piece.at <= offset).saturating_sub(1);
        let Some(piece) = self.pieces.get(index) else { return self.end };
        let column = self.text.get(piece.at..offset).map_or(0, |text| text.chars().count());
        Position { line: piece.position.line, column: piece.position.column + column }
    }
}

/// The line without the escape character at its end, if it is continued. A doubled escape character is an ordinary one.
fn continuation(line: &str, escape: char) -> Option<&str> {
    let text = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!text.ends_with(escape)).then_some(text)
}
