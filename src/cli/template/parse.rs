//! From words to what is to be done.

use serde_json::Value;

use super::lexer::{Piece, Token, cut};

/// Templates are nested no deeper: each level takes some of the stack.
const DEEPEST: usize = 100;

/// A part of a template.
#[derive(Debug, PartialEq)]
pub enum Node {
    /// Printed as it is.
    Text(String),
    /// A value to print, or a variable to set.
    Action(Pipeline),
    /// What to print if something is so, and else.
    If(Pipeline, Vec<Node>, Vec<Node>),
    /// The same, with the value for `.`.
    With(Pipeline, Vec<Node>, Vec<Node>),
    /// Each element of a list or map.
    Range {
        /// Names for its index and its value; a single one is the value.
        names: Vec<String>,
        /// What has elements.
        over: Pipeline,
        /// Printed for each.
        body: Vec<Node>,
        /// Printed when there are none.
        otherwise: Vec<Node>,
    },
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Debug, PartialEq)]
pub struct Pipeline {
    /// The variable that keeps the value, and whether it is a new one.
    pub variable: Option<(String, bool)>,
    /// Each a function or value, and arguments.
    pub commands: Vec<Vec<Operand>>,
}

/// A word of a command.
#[derive(Debug, PartialEq)]
pub enum Operand {
    /// `.A.B`
    Field(Vec<String>),
    /// `$x.A`
    Variable(String, Vec<String>),
    /// Text, a number, true, false or nil.
    Literal(Value),
    /// A function by name.
    Function(String),
    /// `( … ).A`
    Group(Pipeline, Vec<String>),
}

/// Why a list of nodes ended.
enum Ended {
    /// With the text.
    Text,
    /// By `{{end}}`.
    Block,
    /// By `{{else}}`, with what follows the word.
    Else(Vec<Token>),
}

/// Reads a template.
pub fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut pieces = cut(text)?.into_iter();
    match nodes(&mut pieces, 0)? {
        (nodes, Ended::Text) => Ok(nodes),
        (_, Ended::Block) => Err("it has an {{end}} that ends nothing".to_string()),
        (_, Ended::Else(_)) => Err("it has an {{else}} outside of if, range and with".to_string()),
    }
}

fn nodes(pieces: &mut impl Iterator<Item = Piece>, depth: usize) -> Result<(Vec<Node>, Ended), String> {
    let mut found = Vec::new();
    while let Some(piece) = pieces.next() {
        let tokens = match piece {
            Piece::Text(text) => {
                found.push(Node::Text(text));
                continue;
            }
            Piece::Action(tokens) => tokens,
        };
        let keyword = match tokens.first() {
            Some(Token::Word(word)) => word.clone(),
            _ => String::new(),
        };
        match keyword.as_str() {
            "end" if tokens.len() == 1 => return Ok((found, Ended::Block)),
            "else" => return Ok((found, Ended::Else(tokens.into_iter().skip(1).collect()))),
            "if" | "with" | "range" => found.push(block(&keyword, tokens, pieces, depth + 1)?),
            _ => found.push(Node::Action(pipeline(tokens)?)),
        }
    }
    Ok((found, Ended::Text))
}

fn block(
    keyword: &str,
    mut tokens: Vec<Token>,
    pieces: &mut impl Iterator<Item = Piece>,
    depth: usize,
) -> Result<Node, String> {
    if depth > DEEPEST {
        return Err("it is nested too deep".to_string());
    }
    tokens.remove(0);
    let names = if keyword == "range" { range_names(&mut tokens) } else { Vec::new() };
    let over = pipeline(tokens)?;
    let (body, end) = nodes(pieces, depth)?;
    let otherwise = match end {
        Ended::Block => Vec::new(),
        Ended::Text => return Err(format!("it has a {{{{{keyword}}}}} without {{{{end}}}}")),
        Ended::Else(words) => match words.first() {
            None => match nodes(pieces, depth)? {
                (otherwise, Ended::Block) => otherwise,
                _ => return Err("it has an {{else}} without {{end}}".to_string()),
            },
            // One {{end}} is for both.
            Some(Token::Word(word)) if matches!(word.as_str(), "if" | "with") => {
                let word = word.clone();
                vec![block(&word, words, pieces, depth + 1)?]
            }
            Some(_) => return Err("what follows 'else' is not understood".to_string()),
        },
    };
    Ok(match keyword {
        "if" => Node::If(over, body, otherwise),
        "with" => Node::With(over, body, otherwise),
        _ => Node::Range { names, over, body, otherwise },
    })
}

/// `$index, $element :=`, taken off.
fn range_names(tokens: &mut Vec<Token>) -> Vec<String> {
    let named = |token: &Token| match token {
        Token::Variable(name, path) if path.is_empty() => Some(name.clone()),
        _ => None,
    };
    let (names, taken) = match tokens.as_slice() {
        [one, Token::Assign(true), ..] => (vec![named(one)], 2),
        [one, Token::Comma, two, Token::Assign(true), ..] => (vec![named(one), named(two)], 4),
        _ => return Vec::new(),
    };
    match names.into_iter().collect() {
        Some(names) => {
            tokens.drain(..taken);
            names
        }
        None => Vec::new(),
    }
}

fn pipeline(tokens: Vec<Token>) -> Result<Pipeline, String> {
    let mut tokens = tokens.into_iter().peekable();
    let found = commands(&mut tokens, 0)?;
    match tokens.next() {
        None => Ok(found),
        Some(_) => Err("it has a ) without (".to_string()),
    }
}

/// Reads until the end or a closing parenthesis, which is left to the caller.
fn commands(
    tokens: &mut std::iter::Peekable<impl Iterator<Item = Token>>,
    depth: usize,
) -> Result<Pipeline, String> {
    if depth > DEEPEST {
        return Err("it is nested too deep".to_string());
    }
    let (mut variable, mut done, mut words) = (None, Vec::new(), Vec::new());
    while let Some(token) = tokens.next_if(|token| !matches!(token, Token::Close(_))) {
        match token {
            Token::Pipe if words.is_empty() => return Err("a command is empty".to_string()),
            Token::Pipe => done.push(std::mem::take(&mut words)),
            Token::Assign(new) => match (words.pop(), words.is_empty() && done.is_empty()) {
                (Some(Operand::Variable(name, path)), true) if path.is_empty() => {
                    variable = Some((name, new));
                }
                _ => return Err("only a variable can be set".to_string()),
            },
            Token::Open => {
                let inner = commands(tokens, depth + 1)?;
                match tokens.next() {
                    Some(Token::Close(path)) => words.push(Operand::Group(inner, path)),
                    _ => return Err("it has a ( without )".to_string()),
                }
            }
            token => words.push(operand(token)?),
        }
    }
    if words.is_empty() {
        return Err("a command is empty".to_string());
    }
    done.push(words);
    Ok(Pipeline { variable, commands: done })
}

fn operand(token: Token) -> Result<Operand, String> {
    Ok(match token {
        Token::Field(path) => Operand::Field(path),
        Token::Variable(name, path) => Operand::Variable(name, path),
        Token::Text(text) => Operand::Literal(Value::String(text)),
        Token::Number(number) => Operand::Literal(Value::Number(number)),
        Token::Word(word) => match word.as_str() {
            "true" => Operand::Literal(Value::Bool(true)),
            "false" => Operand::Literal(Value::Bool(false)),
            "nil" => Operand::Literal(Value::Null),
            _ => Operand::Function(word),
        },
        Token::Comma => return Err("',' is not understood".to_string()),
        Token::Open | Token::Close(_) | Token::Pipe | Token::Assign(_) => {
            return Err("a value is missing".to_string());
        }
    })
}
