//! Splitting of arguments.

/// A part of a joined line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// What it says.
    pub(super) text: &'a str,
    /// Where it begins in the joined line, in bytes.
    pub(super) at: usize,
}

impl<'a> Part<'a> {
    /// The part of a part, from this byte on.
    pub(super) fn from(self, start: usize) -> Part<'a> {
        Part { text: &self.text[start..], at: self.at + start }
    }

    /// Without white space at both ends.
    pub(super) fn trim(self) -> Part<'a> {
        let text = self.text.trim_start();
        Part { text: text.trim_end(), at: self.at + (self.text.len() - text.len()) }
    }

    /// The text before the first white space, and what follows that; the latter is empty if there is none.
    pub(super) fn split_once(self) -> (Part<'a>, Part<'a>) {
        let end = self.text.find(is_blank).unwrap_or(self.text.len());
        let rest = self.from(end);
        let skipped = rest.text.len() - rest.text.trim_start_matches(is_blank).len();
        (Part { text: &self.text[..end], at: self.at }, rest.from(skipped))
    }

    /// The parts between white space; quotes mean nothing.
    pub(super) fn fields(self) -> Vec<Part<'a>> {
        let mut fields = Vec::new();
        let mut rest = self.trim();
        while !rest.text.is_empty() {
            let (field, next) = rest.split_once();
            fields.push(field);
            rest = next;
        }
        fields
    }

    /// The parts between white space that is neither quoted nor escaped. Quotes and escapes stay; a quote that is
    /// not closed goes on to the end.
    pub(super) fn quoted_fields(self, escape: char) -> Vec<Part<'a>> {
        let mut fields = Vec::new();
        let mut start = None;
        let mut quote = None;
        let mut end = self.text.len();
        let mut chars = self.text.char_indices();
        while let Some((at, ch)) = chars.next() {
            if quote.is_none() && ch.is_whitespace() {
                if let Some(start) = start.take() {
                    fields.push(Part { text: &self.text[start..at], at: self.at + start });
                }
                continue;
            }
            start.get_or_insert(at);
            if ch == escape && quote != Some('\'') {
                // At the very end it escapes nothing and means nothing.
                if chars.next().is_none() {
                    end = at;
                }
            } else if quote == Some(ch) {
                quote = None;
            } else if quote.is_none() && matches!(ch, '\'' | '"') {
                quote = Some(ch);
            }
        }
        if let Some(start) = start.filter(|&start| start < end) {
            fields.push(Part { text: &self.text[start..end], at: self.at + start });
        }
        fields
    }
}

/// White space that separates arguments.
fn is_blank(ch: char) -> bool {
    matches!(ch, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r')
}

/// A flag such as `--from=base`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flag {
    /// Its name, without dashes.
    pub(super) name: String,
    /// What stands behind the `=`, if there is one.
    pub(super) value: Option<String>,
    /// Where it begins in the joined line, in bytes.
    pub(super) at: usize,
}

/// Takes the flags from the start of arguments. Quotes and backslashes do their work in them and vanish; a lone `--`
/// ends them.
pub(super) fn flags(args: Part<'_>) -> (Vec<Flag>, Part<'_>) {
    let mut flags = Vec::new();
    let mut rest = args.trim();
    while rest.text.starts_with("--") {
        let (word, length) = unquote(rest.text);
        let at = rest.at;
        rest = rest.from(length).trim();
        let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) else { break };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        flags.push(Flag { name: name.to_owned(), value, at });
    }
    (flags, rest)
}

/// The first word without its quotes and escapes, and its length in bytes as written.
pub(super) fn unquote(text: &str) -> (String, usize) {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, ch)) = chars.next() {
        match ch {
            '\\' => word.extend(chars.next().map(|(_, next)| next)),
            ch if quote == Some(ch) => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(ch),
            ch if quote.is_none() && ch.is_whitespace() => return (word, at),
            ch => word.push(ch),
        }
    }
    (word, text.len())
}
