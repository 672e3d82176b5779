//! What can be wrong with a word.

use super::{MAX_DEPTH, MAX_RESULT};

/// A word that cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot expand \"{word}\": {problem}")]
pub struct ExpandError {
    /// The word as written.
    pub word: String,
    /// Where in the word, in bytes from its start.
    pub offset: usize,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A `'` without its partner.
    #[error("unterminated quoted string: the closing ' is missing")]
    SingleQuote,
    /// A `"` without its partner.
    #[error("unterminated quoted string: the closing \" is missing")]
    DoubleQuote,
    /// A `${` without its `}`.
    #[error("the closing }} of ${{ is missing")]
    Brace,
    /// A `${name/pattern` without a second `/`.
    #[error("the second / of ${{name/pattern/replacement}} is missing")]
    Slash,
    /// `${}`, `${:…}` or `${{…`.
    #[error("no variable name after ${{")]
    Substitution,
    /// A modifier that is none.
    #[error("unknown modifier \"{0}\" in ${{…}}")]
    Modifier(String),
    /// A backslash in a pattern before something that needs none.
    #[error("invalid escape \"\\{0}\" in a pattern")]
    PatternEscape(String),
    /// `${name:?message}` and the variable is not set or empty.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// The message as written, or one that says what is missing.
        message: String,
    },
    /// Braces in braces beyond [`MAX_DEPTH`].
    #[error("more than {MAX_DEPTH} nested ${{…}}")]
    Depth,
    /// The result is longer than [`MAX_RESULT`].
    #[error("the result is longer than {MAX_RESULT} bytes")]
    Length,
}
