//! Here-documents: `<<EOF`, `<<-EOF`, `<<"EOF"`.

use super::error::Fault;
use super::lines::{Logical, Reader};
use super::words::unquote;
use super::{ParseProblem, Position};
use crate::build::expand::{ExpandError, Expander, Mode, Unset, Variables};

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it, which is its name as a source of `COPY`.
    pub name: String,
    /// The number before `<<`, 0 if there is none.
    pub descriptor: u32,
    /// Whether variables in it are replaced: unless its name is quoted.
    pub expand: bool,
    /// Whether tabs at the start of lines are cut off (`<<-`).
    pub chomp: bool,
    /// Its lines as they stand in the file.
    pub content: String,
}

impl Heredoc {
    /// Reads the beginning of a here-document from a word of a line.
    pub(super) fn head(word: &str) -> Option<Self> {
        let digits = word.len() - word.trim_start_matches(|ch: char| ch.is_ascii_digit()).len();
        let (number, rest) = word.split_at(digits);
        let rest = rest.strip_prefix("<<")?;
        let (chomp, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
        if rest.is_empty() || rest.contains('<') {
            return None;
        }
        let (name, length) = unquote(rest);
        if name.is_empty() || length < rest.len() {
            return None;
        }
        let quotes = |text: &str| text.matches(['\'', '"']).count();
        let expand = quotes(&name) == quotes(rest);
        let descriptor = if number.is_empty() { 0 } else { number.parse().ok()? };
        Some(Self { name, descriptor, expand, chomp, content: String::new() })
    }

    /// The content without the tabs that `<<-` cuts off.
    pub fn text(&self) -> String {
        if !self.chomp {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }

    /// The text with its variables replaced, unless the name is quoted.
    ///
    /// # Errors
    /// If the text holds something like a variable that is none.
    pub fn expanded(&self, variables: &dyn Variables) -> Result<String, ExpandError> {
        let text = self.text();
        if !self.expand {
            return Ok(text);
        }
        Ok(Expander::new('\\').mode(Mode::Text).expand(&text, variables)?.text)
    }
}

/// The here-documents that a line announces, without content. A line that is no sequence of shell words has none.
fn heads(line: &str) -> Vec<Heredoc> {
    if !line.contains("<<") {
        return Vec::new();
    }
    let words = Expander::new('\\').mode(Mode::Raw).expand(line, &Unset).map(|expansion| expansion.words);
    words.unwrap_or_default().iter().filter_map(|word| Heredoc::head(word)).collect()
}

/// Reads the here-documents that follow a line; also tells where the last one ends.
pub(super) fn read(logical: &Logical, reader: &mut Reader<'_>) -> Result<(Vec<Heredoc>, Position), Fault> {
    let mut documents = heads(&logical.text);
    let mut end = logical.end;
    for document in &mut documents {
        loop {
            let Some(line) = reader.next()? else {
                let at = logical.text.find("<<").unwrap_or_default();
                let problem = ParseProblem::Heredoc(document.name.clone());
                return Err(Fault::at(logical.position(at), problem));
            };
            end = Position { line: line.number, column: line.text.chars().count() + 1 };
            let text = if document.chomp { line.text.trim_start_matches('\t') } else { line.text };
            if text == document.name {
                break;
            }
            document.content.push_str(line.full);
        }
    }
    Ok((documents, end))
}
