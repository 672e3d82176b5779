//! `FROM`, `ARG`, `ENV` and `LABEL`.

use super::super::error::Fault;
use super::super::words::Part;
use super::super::{Pair, Pairs, ParseProblem, Word};
use super::statement::Statement;
use super::{Arg, From};
use crate::build::expand::{Expander, Unset};

pub(super) fn from(statement: Statement<'_>) -> Result<From, Fault> {
    statement.known_flags(&["platform"])?;
    let platform = statement.word_value("platform")?;
    let fields = statement.args.fields();
    let wants = || statement.wants("an image, and AS and a name if the stage has one");
    let (image, name) = match fields.as_slice() {
        [image] => (image, None),
        [image, keyword, name] if keyword.text.eq_ignore_ascii_case("as") => (image, Some((keyword, name))),
        _ => return Err(wants()),
    };
    let mut from = From { image: statement.word(*image)?, platform, name: None, as_keyword: None };
    if let Some((keyword, name)) = name {
        if !is_stage_name(name.text) {
            return Err(statement.fail(name.at, ParseProblem::StageName(name.text.to_owned())));
        }
        from.name = Some(name.text.to_owned());
        from.as_keyword = Some(keyword.text.to_owned());
    }
    Ok(from)
}

/// A letter, then letters, digits and a few signs; only ASCII.
fn is_stage_name(name: &str) -> bool {
    name.starts_with(|ch: char| ch.is_ascii_alphabetic())
        && name.chars().all(|ch| ch.is_ascii_alphanumeric() || matches!(ch, '-' | '_' | '.'))
}

pub(super) fn args(statement: &Statement<'_>) -> Result<Vec<Arg>, Fault> {
    statement.single("a name")?;
    let fields = statement.args.quoted_fields(statement.escape);
    fields.into_iter().map(|field| arg(statement, field)).collect()
}

fn arg(statement: &Statement<'_>, field: Part<'_>) -> Result<Arg, Fault> {
    let (name, default) = match field.text.find('=') {
        Some(at) => (Part { text: &field.text[..at], at: field.at }, Some(field.from(at + 1))),
        None => (field, None),
    };
    if name.text.contains('$') {
        return Err(statement.fail(name.at, ParseProblem::Variable("the name of an ARG")));
    }
    statement.word(name)?;
    let name_text = Expander::new(statement.escape).expand(name.text, &Unset).map(|found| found.text);
    let name_text = name_text.unwrap_or_default();
    if name_text.is_empty() {
        return Err(statement.fail(name.at, ParseProblem::BlankName));
    }
    let default = default.map(|default| statement.word(default)).transpose()?;
    Ok(Arg { name: name_text, default })
}

pub(super) fn pairs(statement: &Statement<'_>) -> Result<Pairs, Fault> {
    statement.single("name=value")?;
    let fields = statement.args.quoted_fields(statement.escape);
    let legacy = fields.first().is_some_and(|first| !first.text.contains('='));
    if legacy {
        return legacy_pair(statement);
    }
    let pairs = fields.into_iter().map(|field| {
        let Some(at) = field.text.find('=') else {
            return Err(statement.fail(field.at, ParseProblem::KeyValue(field.text.to_owned())));
        };
        pair(statement, Part { text: &field.text[..at], at: field.at }, field.from(at + 1))
    });
    Ok(Pairs { pairs: pairs.collect::<Result<_, _>>()?, legacy })
}

/// `ENV name value`: the value is the rest of the line.
fn legacy_pair(statement: &Statement<'_>) -> Result<Pairs, Fault> {
    let (name, value) = statement.args.split_once();
    if value.text.is_empty() {
        return Err(statement.wants("name=value"));
    }
    Ok(Pairs { pairs: vec![pair(statement, name, value)?], legacy: true })
}

fn pair(statement: &Statement<'_>, name: Part<'_>, value: Part<'_>) -> Result<Pair, Fault> {
    if name.text.is_empty() {
        return Err(statement.fail(name.at, ParseProblem::BlankName));
    }
    let name: Word = statement.word(name)?;
    Ok(Pair { name, value: statement.word(value)? })
}
