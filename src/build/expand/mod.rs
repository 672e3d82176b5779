//! Expansion of variables in words of a Containerfile, as Docker's builder does it.
//!
//! The rules are those of "Environment replacement" in the Dockerfile reference: `$name`, `${name}` and the
//! modifiers `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`, single and double quotes and the escape
//! character. It is a shell's word expansion without commands, arithmetic and assignment.

mod error;
mod lexer;
mod pattern;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use error::{ExpandError, Problem};

/// How deep `${a:-${b:-…}}` may nest.
pub const MAX_DEPTH: usize = 64;
/// The longest result of one expansion, in bytes: variables that hold each other twice grow without end.
pub const MAX_RESULT: usize = 16 << 20;

/// Where the values of variables come from.
pub trait Variables {
    /// The value of a variable; `None` if it is not set.
    fn get(&self, name: &str) -> Option<&str>;
}

impl Variables for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        BTreeMap::get(self, name).map(String::as_str)
    }
}

impl Variables for HashMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        HashMap::get(self, name).map(String::as_str)
    }
}

/// No variable is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unset;

impl Variables for Unset {
    fn get(&self, _name: &str) -> Option<&str> {
        None
    }
}

/// What becomes of quotes, escape characters and unset variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Quotes and escape characters do their work and vanish: the arguments of instructions.
    #[default]
    Word,
    /// Quotes are ordinary characters: the content of here-documents.
    Text,
    /// Quotes, escape characters and unset variables stay as written: the search for here-documents in a line.
    Raw,
}

/// Expands words.
#[derive(Clone, Copy, Debug)]
pub struct Expander {
    escape: char,
    mode: Mode,
}

/// What an expansion gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expansion {
    /// The word with its variables replaced, as one text.
    pub text: String,
    /// The same, split at unquoted white space, which may also come from variables.
    pub words: Vec<String>,
    /// The variables that were asked for and are set.
    pub used: BTreeSet<String>,
    /// The variables that were asked for and are not set.
    pub undefined: BTreeSet<String>,
    /// Those of [`Self::undefined`] that stand somewhere without a modifier that says what then (`-`, `+`, `?`).
    pub missing: BTreeSet<String>,
}

impl Expander {
    /// An expander of arguments with the file's escape character (`\` or `` ` ``).
    pub fn new(escape: char) -> Self {
        Self { escape, mode: Mode::Word }
    }

    /// The same expander in another mode.
    #[must_use]
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Expands a word.
    ///
    /// # Errors
    /// If the word breaks the grammar, a `${name:?}` finds its variable unset, or the result passes [`MAX_RESULT`].
    pub fn expand(&self, word: &str, variables: &dyn Variables) -> Result<Expansion, ExpandError> {
        lexer::Lexer::new(word, self.escape, self.mode, variables).run()
    }

    /// Tells whether a word keeps to the grammar, whatever its variables are.
    ///
    /// # Errors
    /// If it does not.
    pub fn check(&self, word: &str) -> Result<(), ExpandError> {
        lexer::Lexer::new(word, self.escape, self.mode, &Unset).checking().run().map(drop)
    }

    /// The names of the variables that a word mentions; empty if it breaks the grammar.
    pub fn mentions(&self, word: &str) -> BTreeSet<String> {
        let found = lexer::Lexer::new(word, self.escape, self.mode, &Unset).checking().run();
        found.map(|expansion| expansion.undefined).unwrap_or_default()
    }
}
