//! One pattern.

/// A pattern that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::build) struct Pattern {
    text: String,
    form: Form,
}

/// How a pattern is compared. Docker has short cuts for plain text next to `**` that do not care for slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// The path is the text.
    Exact,
    /// `text**`: the path begins so.
    Prefix(String),
    /// `**text`: the path ends so.
    Suffix(String),
    /// Element by element.
    Glob(Vec<Element>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Element {
    Char(char),
    /// `?`: one character but `/`.
    Any,
    /// `*`: any characters but `/`.
    Star,
    /// `**` at the end: any characters.
    Everything,
    /// `**/`: any number of directories.
    Directories,
    /// `[…]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Reads a clean pattern; `None` if it breaks the syntax.
    pub(in crate::build) fn parse(text: &str) -> Option<Self> {
        let elements = elements(text)?;
        let plain = |element: &Element| matches!(element, Element::Char(_));
        let escaped = text.contains('\\');
        let form = if !escaped && elements.iter().all(plain) {
            Form::Exact
        } else if !escaped && text.starts_with("**") && elements[1..].iter().all(plain) {
            Form::Suffix(text[2..].to_owned())
        } else if !escaped
            && elements.ends_with(&[Element::Everything])
            && elements.iter().rev().skip(1).all(plain)
        {
            Form::Prefix(text[..text.len() - 2].to_owned())
        } else {
            Form::Glob(elements)
        };
        Some(Self { text: text.to_owned(), form })
    }

    /// Whether the pattern matches a path as a whole.
    pub(in crate::build) fn matches(&self, path: &str) -> bool {
        match &self.form {
            Form::Exact => path == self.text,
            Form::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Form::Suffix(suffix) => path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path),
            Form::Glob(elements) => glob(elements, path),
        }
    }

    /// Whether the pattern may match something below a directory, or the directory. A "yes" may be wrong.
    pub(super) fn may_match_below(&self, directory: &str) -> bool {
        // A class may match a slash.
        if self.text.contains("**") || self.text.contains('[') {
            return true;
        }
        let mut parts = self.text.split('/');
        directory.split('/').all(|name| match parts.next() {
            Some(part) => Self::parse(part).is_none_or(|part| part.matches(name)),
            None => true,
        })
    }
}

/// Takes a pattern apart.
fn elements(text: &str) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    let mut rest = text;
    while let Some(ch) = rest.chars().next() {
        rest = &rest[ch.len_utf8()..];
        elements.push(match ch {
            '*' => match rest.strip_prefix('*') {
                None => Element::Star,
                Some(after) => {
                    rest = after.strip_prefix('/').unwrap_or(after);
                    if rest.is_empty() { Element::Everything } else { Element::Directories }
                }
            },
            '?' => Element::Any,
            '\\' => Element::Char(escaped(&mut rest)?),
            '[' => class(&mut rest)?,
            ch => Element::Char(ch),
        });
    }
    Some(elements)
}

/// The character behind a backslash.
fn escaped(rest: &mut &str) -> Option<char> {
    let ch = rest.chars().next()?;
    *rest = &rest[ch.len_utf8()..];
    Some(ch)
}

/// A class behind its `[`: `^` negates; ranges and characters, of which there is at least one.
fn class(rest: &mut &str) -> Option<Element> {
    let negated = rest.starts_with('^');
    *rest = rest.strip_prefix('^').unwrap_or(rest);
    let mut ranges = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(']').filter(|_| !ranges.is_empty()) {
            *rest = after;
            return Some(Element::Class { negated, ranges });
        }
        let low = class_char(rest)?;
        let high = match rest.strip_prefix('-') {
            Some(after) => {
                *rest = after;
                class_char(rest)?
            }
            None => low,
        };
        ranges.push((low, high));
    }
}

/// A character of a class; `-` and `]` must be escaped.
fn class_char(rest: &mut &str) -> Option<char> {
    match escaped(rest)? {
        '-' | ']' => None,
        '\\' => escaped(rest),
        ch => Some(ch),
    }
}

/// Follows all ways through the pattern at once.
fn glob(elements: &[Element], path: &str) -> bool {
    let mut states = vec![false; elements.len() + 1];
    // In the middle of the directories that a `**/` stands for: only a slash leads out.
    let mut inside = vec![false; elements.len()];
    states[0] = true;
    pass_empty(elements, &mut states);
    for ch in path.chars() {
        let mut next = vec![false; elements.len() + 1];
        for (at, element) in elements.iter().enumerate() {
            if !states[at] && !inside[at] {
                continue;
            }
            match element {
                Element::Char(wanted) => next[at + 1] |= *wanted == ch,
                Element::Any => next[at + 1] |= ch != '/',
                Element::Star => next[at] |= ch != '/',
                Element::Everything => next[at] = true,
                Element::Directories => {
                    inside[at] = true;
                    next[at + 1] |= ch == '/';
                }
                Element::Class { negated, ranges } => {
                    let within = ranges.iter().any(|&(low, high)| (low..=high).contains(&ch));
                    next[at + 1] |= within != *negated;
                }
            }
        }
        pass_empty(elements, &mut next);
        states = next;
    }
    states[elements.len()]
}

/// Marks what is reached by elements that may match nothing.
fn pass_empty(elements: &[Element], states: &mut [bool]) {
    for (at, element) in elements.iter().enumerate() {
        if states[at] && matches!(element, Element::Star | Element::Everything | Element::Directories) {
            states[at + 1] = true;
        }
    }
}
