//! A template's text, cut into what stands outside of braces and the words within.

/// A piece of a template.
#[derive(Debug, PartialEq)]
pub enum Piece {
    /// What is printed as it is.
    Text(String),
    /// The words between `{{` and `}}`.
    Action(Vec<Token>),
}

/// A word within braces.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// `.A.B`, and `.` without any.
    Field(Vec<String>),
    /// `$x.A`; `$` alone has no name.
    Variable(String, Vec<String>),
    /// A function or keyword.
    Word(String),
    /// `"text"`, `` `text` ``.
    Text(String),
    /// A number.
    Number(serde_json::Number),
    /// `(`.
    Open,
    /// `)`, and what is taken of its value.
    Close(Vec<String>),
    /// `|`.
    Pipe,
    /// `,`.
    Comma,
    /// `:=` if true, else `=`.
    Assign(bool),
}

/// Cuts a template.
pub fn cut(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let (mut rest, mut trim) = (text, false);
    while let Some((before, after)) = rest.split_once("{{") {
        let dashed = after.strip_prefix('-').filter(|after| after.starts_with(char::is_whitespace));
        let before = if trim { before.trim_start() } else { before };
        push(&mut pieces, if dashed.is_some() { before.trim_end() } else { before });
        let inside = dashed.unwrap_or(after);
        let mut lexer = Lexer { rest: inside, tokens: Vec::new() };
        trim = lexer.action()?;
        if !lexer.tokens.is_empty() || !inside.trim_start().starts_with("/*") {
            pieces.push(Piece::Action(lexer.tokens));
        }
        rest = lexer.rest;
    }
    push(&mut pieces, if trim { rest.trim_start() } else { rest });
    Ok(pieces)
}

fn push(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.replace("\\t", "\t").replace("\\n", "\n")));
    }
}

struct Lexer<'a> {
    rest: &'a str,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    /// Reads on behind the closing braces; tells whether they have blanks that follow removed.
    fn action(&mut self) -> Result<bool, String> {
        loop {
            let blank = self.rest.starts_with(char::is_whitespace);
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix("-}}").filter(|_| blank) {
                self.rest = rest;
                return Ok(true);
            }
            if self.take("}}") {
                return Ok(false);
            }
            if self.take("/*") {
                let Some((_, rest)) = self.rest.split_once("*/") else {
                    return Err("it has a /* without */".to_string());
                };
                self.rest = rest;
                continue;
            }
            let token = self.token()?;
            self.tokens.push(token);
        }
    }

    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn token(&mut self) -> Result<Token, String> {
        let Some(first) = self.rest.chars().next() else {
            return Err("it has a {{ without }}".to_string());
        };
        Ok(match first {
            '"' => self.quoted()?,
            '`' => self.raw()?,
            '.' if self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number()?,
            '.' => self.field(),
            '$' => {
                self.take("$");
                Token::Variable(self.name(), self.path())
            }
            '0'..='9' | '-' | '+' => self.number()?,
            '(' if self.take("(") => Token::Open,
            ')' if self.take(")") => Token::Close(self.path()),
            '|' if self.take("|") => Token::Pipe,
            ',' if self.take(",") => Token::Comma,
            ':' if self.take(":=") => Token::Assign(true),
            '=' if self.take("=") => Token::Assign(false),
            c if c.is_alphabetic() || c == '_' => Token::Word(self.name()),
            c => return Err(format!("'{c}' is not understood")),
        })
    }

    fn name(&mut self) -> String {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name.to_string()
    }

    fn field(&mut self) -> Token {
        match self.path() {
            path if path.is_empty() => {
                self.take(".");
                Token::Field(Vec::new())
            }
            path => Token::Field(path),
        }
    }

    /// `.A.B`, if there is any.
    fn path(&mut self) -> Vec<String> {
        let mut path = Vec::new();
        while let Some(rest) = self.rest.strip_prefix('.') {
            if !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
                break;
            }
            self.rest = rest;
            path.push(self.name());
        }
        path
    }

    fn number(&mut self) -> Result<Token, String> {
        let sign = usize::from(self.rest.starts_with(['-', '+']));
        let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_');
        let end = self.rest[sign..].find(|c| !part(c)).map_or(self.rest.len(), |at| at + sign);
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        let plain = text.trim_start_matches('+');
        let whole = plain.parse::<i64>().ok().map(serde_json::Number::from);
        whole
            .or_else(|| plain.parse().ok().and_then(serde_json::Number::from_f64))
            .map(Token::Number)
            .ok_or_else(|| format!("'{text}' is no number"))
    }

    fn raw(&mut self) -> Result<Token, String> {
        let Some((text, rest)) = self.rest[1..].split_once('`') else {
            return Err("it has a ` without another".to_string());
        };
        self.rest = rest;
        Ok(Token::Text(text.to_string()))
    }

    fn quoted(&mut self) -> Result<Token, String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match (c, chars.clone().next()) {
                ('"', _) => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(Token::Text(text));
                }
                ('\\', Some((_, escaped))) => {
                    chars.next();
                    text.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        '\\' | '"' | '\'' => escaped,
                        other => return Err(format!("'\\{other}' is not understood")),
                    });
                }
                (c, _) => text.push(c),
            }
        }
        Err("it has a \" without another".to_string())
    }
}
