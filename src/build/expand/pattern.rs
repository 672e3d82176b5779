//! Shell patterns of `${name#pattern}` and its kin: `*`, `?` and `\`; no brackets.

use super::Problem;

/// One element of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    /// This character.
    Char(char),
    /// Any one character but a newline.
    Any,
    /// Any number of them.
    Star,
}

/// A pattern that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Element>);

impl Pattern {
    /// Reads a pattern. A backslash makes `*`, `?` and `\` ordinary; before `}` and `/` it vanishes.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let mut elements = Vec::new();
        let mut chars = text.chars();
        while let Some(ch) = chars.next() {
            elements.push(match ch {
                '*' => Element::Star,
                '?' => Element::Any,
                '\\' => match chars.next() {
                    Some(next @ ('*' | '?' | '\\' | '}' | '/')) => Element::Char(next),
                    other => return Err(Problem::PatternEscape(other.map(String::from).unwrap_or_default())),
                },
                ch => Element::Char(ch),
            });
        }
        Ok(Self(elements))
    }

    /// The value without its shortest or longest beginning that matches.
    pub(super) fn trim_start<'a>(&self, value: &'a str, longest: bool) -> &'a str {
        match ends(&self.0, value.chars(), longest) {
            Some(count) => skip(value, count),
            None => value,
        }
    }

    /// The value without its shortest or longest end that matches.
    pub(super) fn trim_end<'a>(&self, value: &'a str, longest: bool) -> &'a str {
        let reversed: Vec<Element> = self.0.iter().rev().copied().collect();
        match ends(&reversed, value.chars().rev(), longest) {
            Some(count) => {
                let keep = value.chars().count() - count;
                &value[..value.len() - skip(value, keep).len()]
            }
            None => value,
        }
    }

    /// The value with the first (or every) match replaced; each match is as long as can be.
    pub(super) fn replace(&self, value: &str, with: &str, every: bool) -> String {
        let mut result = String::with_capacity(value.len());
        let mut rest = value;
        let mut after_match = false;
        loop {
            let found = ends(&self.0, rest.chars(), true);
            // An empty match right behind another one does not count.
            let count = found.filter(|&count| count > 0 || !after_match);
            if let Some(count) = count {
                result.push_str(with);
                let next = skip(rest, count);
                if !every {
                    result.push_str(next);
                    return result;
                }
                rest = next;
                after_match = true;
                if count > 0 {
                    continue;
                }
            }
            let Some(ch) = rest.chars().next() else { return result };
            result.push(ch);
            rest = &rest[ch.len_utf8()..];
            after_match = false;
        }
    }
}

/// The text behind its first `count` characters.
fn skip(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or("", |(at, _)| &text[at..])
}

/// How many characters from the start match: the fewest or the most. `None` if there is no match.
///
/// Follows all ways through the pattern at once, so that its time is the product of both lengths at worst.
fn ends(pattern: &[Element], text: impl Iterator<Item = char>, longest: bool) -> Option<usize> {
    let mut states = vec![false; pattern.len() + 1];
    states[0] = true;
    pass_stars(pattern, &mut states);
    let mut best = states[pattern.len()].then_some(0);
    for (index, ch) in text.enumerate() {
        if (best.is_some() && !longest) || !states.contains(&true) {
            break;
        }
        let mut next = vec![false; pattern.len() + 1];
        for (at, element) in pattern.iter().enumerate().filter(|&(at, _)| states[at]) {
            match element {
                Element::Char(wanted) if *wanted == ch => next[at + 1] = true,
                Element::Any if ch != '\n' => next[at + 1] = true,
                Element::Star if ch != '\n' => next[at] = true,
                _ => {}
            }
        }
        pass_stars(pattern, &mut next);
        states = next;
        if states[pattern.len()] {
            best = Some(index + 1);
        }
    }
    best
}

/// A star may also match nothing.
fn pass_stars(pattern: &[Element], states: &mut [bool]) {
    for (at, element) in pattern.iter().enumerate() {
        if states[at] && *element == Element::Star {
            states[at + 1] = true;
        }
    }
}
