//! The walk through a word.

use super::pattern::Pattern;
use super::{ExpandError, Expansion, MAX_DEPTH, MAX_RESULT, Mode, Problem, Variables};

/// The state of one expansion.
pub(super) struct Lexer<'a> {
    source: &'a str,
    /// Where the next character is, in bytes.
    at: usize,
    escape: char,
    mode: Mode,
    /// Whether escape characters are kept. Patterns keep them, for they mean something there.
    keep_escapes: bool,
    /// Only the grammar counts: `${name:?}` does not fail.
    checking: bool,
    depth: usize,
    variables: &'a dyn Variables,
    found: Expansion,
}

type Outcome<T> = Result<T, ExpandError>;

/// Text as a whole and split into words.
#[derive(Default)]
struct Output {
    text: String,
    words: Vec<String>,
    word: String,
}

impl Output {
    /// Adds a character that splits words if it is white space.
    fn push(&mut self, ch: char) {
        self.text.push(ch);
        self.split(ch);
    }

    /// Adds the value of a variable, which splits words where it holds white space.
    fn push_value(&mut self, value: &str) {
        self.text.push_str(value);
        value.chars().for_each(|ch| self.split(ch));
    }

    /// Adds text that was quoted.
    fn push_quoted(&mut self, text: &str) {
        self.text.push_str(text);
        self.word.push_str(text);
    }

    fn split(&mut self, ch: char) {
        if !ch.is_whitespace() {
            self.word.push(ch);
        } else if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }

    fn finish(mut self) -> (String, Vec<String>) {
        if !self.word.is_empty() {
            self.words.push(self.word);
        }
        (self.text, self.words)
    }
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str, escape: char, mode: Mode, variables: &'a dyn Variables) -> Self {
        let keep_escapes = mode == Mode::Raw;
        let found = Expansion::default();
        Self { source, at: 0, escape, mode, keep_escapes, checking: false, depth: 0, variables, found }
    }

    /// Looks at the grammar only.
    pub(super) fn checking(mut self) -> Self {
        self.checking = true;
        self
    }

    /// Expands the whole word.
    pub(super) fn run(mut self) -> Outcome<Expansion> {
        let (text, words) = self.until(None, self.keep_escapes, Problem::Brace)?;
        Ok(Expansion { text, words, ..self.found })
    }

    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let ch = self.peek()?;
        self.at += ch.len_utf8();
        Some(ch)
    }

    fn fail<T>(&self, offset: usize, problem: Problem) -> Outcome<T> {
        Err(ExpandError { word: self.source.to_owned(), offset, problem })
    }

    /// Reads up to `stop`, which is taken too, or to the end. `missing` is what is wrong if there is no `stop`.
    fn until(
        &mut self,
        stop: Option<char>,
        keep_escapes: bool,
        missing: Problem,
    ) -> Outcome<(String, Vec<String>)> {
        let outer = std::mem::replace(&mut self.keep_escapes, keep_escapes);
        let start = self.at;
        let mut output = Output::default();
        loop {
            if output.text.len() > MAX_RESULT {
                return self.fail(start, Problem::Length);
            }
            let Some(ch) = self.peek() else { break };
            if stop == Some(ch) {
                self.next();
                self.keep_escapes = outer;
                return Ok(output.finish());
            }
            match ch {
                '$' => output.push_value(&self.dollar()?),
                '\'' if self.mode != Mode::Text => output.push_quoted(&self.single_quoted()?),
                '"' if self.mode != Mode::Text => output.push_quoted(&self.double_quoted()?),
                ch if ch == self.escape => self.escaped(&mut output),
                ch => {
                    self.next();
                    output.push(ch);
                }
            }
        }
        self.keep_escapes = outer;
        if stop.is_some() { self.fail(start, missing) } else { Ok(output.finish()) }
    }

    /// An escape character and what it escapes. At the end of the word it means nothing.
    fn escaped(&mut self, output: &mut Output) {
        let mut buffer = [0; 4];
        let escape = self.next().filter(|_| self.keep_escapes);
        if let Some(escape) = escape {
            output.push_quoted(escape.encode_utf8(&mut buffer));
        }
        if let Some(ch) = self.next() {
            output.push_quoted(ch.encode_utf8(&mut buffer));
        }
    }

    /// Everything between single quotes is itself.
    fn single_quoted(&mut self) -> Outcome<String> {
        let start = self.at;
        self.next();
        let rest = &self.source[self.at..];
        let Some(length) = rest.find('\'') else { return self.fail(start, Problem::SingleQuote) };
        self.at += length + 1;
        let keep = self.mode == Mode::Raw;
        Ok(if keep { self.source[start..self.at].to_owned() } else { rest[..length].to_owned() })
    }

    /// Between double quotes variables are replaced, and `"`, `$` and the escape character can be escaped.
    fn double_quoted(&mut self) -> Outcome<String> {
        let start = self.at;
        let mut text = String::new();
        if let Some(quote) = self.next().filter(|_| self.mode == Mode::Raw) {
            text.push(quote);
        }
        loop {
            if text.len() > MAX_RESULT {
                return self.fail(start, Problem::Length);
            }
            match self.peek() {
                None => return self.fail(start, Problem::DoubleQuote),
                Some('"') => {
                    self.next();
                    if self.mode == Mode::Raw {
                        text.push('"');
                    }
                    return Ok(text);
                }
                Some('$') => text.push_str(&self.dollar()?),
                Some(ch) if ch == self.escape => {
                    self.next();
                    if self.keep_escapes {
                        text.push(ch);
                    }
                    match self.peek() {
                        None => {}
                        Some(next) if next == '"' || next == '$' || next == self.escape => {
                            self.next();
                            text.push(next);
                        }
                        Some(_) => text.push(ch),
                    }
                }
                Some(ch) => {
                    self.next();
                    text.push(ch);
                }
            }
        }
    }

    /// A `$` and what follows it.
    fn dollar(&mut self) -> Outcome<String> {
        let start = self.at;
        self.next();
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok(match self.look_up(name, true) {
                None if self.mode == Mode::Raw => format!("${name}"),
                value => value.unwrap_or_default(),
            });
        }
        self.next();
        if self.depth == MAX_DEPTH {
            return self.fail(start, Problem::Depth);
        }
        self.depth += 1;
        let value = self.braced(start);
        self.depth -= 1;
        value
    }

    /// What follows `${`; `start` is where the `$` is.
    fn braced(&mut self, start: usize) -> Outcome<String> {
        match self.peek() {
            None => return self.fail(start, Problem::Brace),
            Some('{' | '}' | ':') => return self.fail(start, Problem::Substitution),
            Some(_) => {}
        }
        let name = self.name();
        let modifier_at = self.at;
        let Some(first) = self.next() else { return self.fail(start, Problem::Brace) };
        let (null_is_unset, modifier) = match first {
            '}' => {
                return Ok(match self.look_up(name, true) {
                    None if self.mode == Mode::Raw => self.source[start..self.at].to_owned(),
                    value => value.unwrap_or_default(),
                });
            }
            '/' => return self.replaced(start, name),
            ':' => (true, self.next()),
            other => (false, Some(other)),
        };
        match modifier {
            Some(modifier @ ('-' | '+' | '?' | '#' | '%')) => {
                self.modified(start, name, null_is_unset, modifier)
            }
            None => self.fail(start, Problem::Brace),
            Some(_) => {
                let written = self.source[modifier_at..self.at].to_owned();
                self.fail(modifier_at, Problem::Modifier(written))
            }
        }
    }

    /// `${name` and one of the modifiers that take one word; the walk stands behind the modifier.
    fn modified(&mut self, start: usize, name: &str, null_is_unset: bool, modifier: char) -> Outcome<String> {
        let pattern = matches!(modifier, '#' | '%');
        let word_at = self.at;
        let (word, _) =
            self.until(Some('}'), pattern, Problem::Brace).map_err(|error| match error.problem {
                // The brace that is missing is this one's.
                Problem::Brace if error.offset == word_at => ExpandError { offset: start, ..error },
                _ => error,
            })?;
        let value = self.look_up(name, pattern);
        if value.is_none() && self.mode == Mode::Raw {
            return Ok(format!("{}{word}}}", &self.source[start..word_at]));
        }
        let given = value.as_deref().filter(|value| !(null_is_unset && value.is_empty())).is_some();
        match modifier {
            '-' => Ok(if given { value.unwrap_or_default() } else { word }),
            '+' => Ok(if given { word } else { String::new() }),
            '?' if given || self.checking => Ok(value.unwrap_or_default()),
            '?' => {
                let empty = if value.is_some() { "empty" } else { "unset" };
                let message = if word.is_empty() { format!("is not allowed to be {empty}") } else { word };
                self.fail(start, Problem::Required { name: name.to_owned(), message })
            }
            _ => {
                let doubled = word.strip_prefix(modifier);
                let pattern = self.pattern(word_at, doubled.unwrap_or(&word))?;
                let value = value.unwrap_or_default();
                let longest = doubled.is_some();
                let trimmed = if modifier == '#' {
                    pattern.trim_start(&value, longest)
                } else {
                    pattern.trim_end(&value, longest)
                };
                Ok(trimmed.to_owned())
            }
        }
    }

    /// `${name/pattern/replacement}`; the walk stands behind the first `/`.
    fn replaced(&mut self, start: usize, name: &str) -> Outcome<String> {
        let every = self.peek() == Some('/');
        if every {
            self.next();
        }
        let pattern_at = self.at;
        let (pattern, _) = self.until(Some('/'), true, Problem::Slash)?;
        let (replacement, _) = self.until(Some('}'), true, Problem::Brace)?;
        let value = self.look_up(name, true);
        if value.is_none() && self.mode == Mode::Raw {
            return Ok(self.source[start..self.at].to_owned());
        }
        let pattern = self.pattern(pattern_at, &pattern)?;
        let value = value.unwrap_or_default();
        // Each character may be replaced at most.
        let bound = value.len().saturating_add(1).saturating_mul(replacement.len().max(1));
        if every && bound > MAX_RESULT {
            return self.fail(start, Problem::Length);
        }
        Ok(pattern.replace(&value, &replacement, every))
    }

    fn pattern(&self, offset: usize, text: &str) -> Outcome<Pattern> {
        Pattern::parse(text).or_else(|problem| self.fail(offset, problem))
    }

    /// A variable's name: letters, digits and `_`, or digits alone, or one special parameter of the shell.
    fn name(&mut self) -> &'a str {
        let rest = &self.source[self.at..];
        let length = match rest.chars().next() {
            Some(ch) if ch.is_ascii_digit() => rest.find(|ch: char| !ch.is_ascii_digit()),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => Some(1),
            _ => rest.find(|ch: char| !ch.is_alphanumeric() && ch != '_'),
        };
        let name = &rest[..length.unwrap_or(rest.len())];
        self.at += name.len();
        name
    }

    /// The value of a variable, and a note that it was asked for. `bare` if nothing says what to do without it.
    fn look_up(&mut self, name: &str, bare: bool) -> Option<String> {
        let value = self.variables.get(name).map(str::to_owned);
        if value.is_some() {
            self.found.used.insert(name.to_owned());
        } else {
            self.found.undefined.insert(name.to_owned());
            if bare {
                self.found.missing.insert(name.to_owned());
            }
        }
        value
    }
}
