//! One instruction before its arguments are understood.

use super::super::error::Fault;
use super::super::lines::Logical;
use super::super::words::{self, Flag, Part};
use super::super::{CommandLine, ParseProblem, Word, nearest};
use super::INSTRUCTIONS;
use crate::build::expand::Expander;

/// An instruction's name, flags and arguments.
pub(super) struct Statement<'a> {
    pub(super) logical: &'a Logical,
    pub(super) escape: char,
    /// Its name in capitals.
    pub(super) name: &'static str,
    /// Its name as written.
    pub(super) keyword: Part<'a>,
    pub(super) flags: Vec<Flag>,
    /// What follows the flags, without white space around it.
    pub(super) args: Part<'a>,
}

/// Flags that may appear several times.
const REPEATABLE: [&str; 2] = ["exclude", "mount"];

impl<'a> Statement<'a> {
    /// Takes an instruction apart.
    pub(super) fn read(logical: &'a Logical, part: Part<'a>, escape: char) -> Result<Self, Fault> {
        let (keyword, rest) = part.trim().split_once();
        let known = INSTRUCTIONS.iter().find(|name| name.eq_ignore_ascii_case(keyword.text));
        let Some(name) = known else {
            let problem = ParseProblem::Instruction {
                name: keyword.text.to_owned(),
                nearest: nearest(keyword.text, INSTRUCTIONS),
            };
            return Err(Fault::at(logical.position(keyword.at), problem));
        };
        let (flags, args) = words::flags(rest);
        Ok(Self { logical, escape, name, keyword, flags, args })
    }

    /// A problem at a place of the joined line, in bytes.
    pub(super) fn fail(&self, at: usize, problem: impl Into<ParseProblem>) -> Fault {
        Fault::at(self.logical.position(at), problem)
    }

    /// The wrong number or kind of arguments.
    pub(super) fn wants(&self, wanted: &'static str) -> Fault {
        let at = if self.args.text.is_empty() { self.keyword.at } else { self.args.at };
        self.fail(at, ParseProblem::Arguments { instruction: self.name, wanted })
    }

    /// All arguments as one, of which there must be something.
    pub(super) fn single(&self, wanted: &'static str) -> Result<Part<'a>, Fault> {
        if self.args.text.is_empty() { Err(self.wants(wanted)) } else { Ok(self.args) }
    }

    /// A word, if variables can be expanded in it.
    pub(super) fn word(&self, part: Part<'_>) -> Result<Word, Fault> {
        self.check(part.text, part.at, true)?;
        Ok(Word::new(part.text))
    }

    /// A word that does not stand in the line as it is: from JSON, or a flag's value.
    pub(super) fn word_at(&self, text: &str, at: usize) -> Result<Word, Fault> {
        self.check(text, at, false)?;
        Ok(Word::new(text))
    }

    fn check(&self, text: &str, at: usize, literal: bool) -> Result<(), Fault> {
        Expander::new(self.escape).check(text).map_err(|error| {
            let offset = if literal { error.offset } else { 0 };
            self.fail(at + offset, error.problem)
        })
    }

    /// The strings of a JSON array; `None` if it is none.
    pub(super) fn json(&self, part: Part<'_>) -> Result<Option<Vec<String>>, Fault> {
        if !part.text.starts_with('[') {
            return Ok(None);
        }
        let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(part.text) else { return Ok(None) };
        let strings = values.into_iter().map(|value| match value {
            serde_json::Value::String(text) => Ok(text),
            _ => Err(self.fail(part.at, ParseProblem::Json)),
        });
        strings.collect::<Result<_, _>>().map(Some)
    }

    /// A command in exec or shell form.
    pub(super) fn command(&self, part: Part<'_>) -> Result<CommandLine, Fault> {
        Ok(match self.json(part)? {
            Some(arguments) => CommandLine::Exec(arguments),
            None if part.text.is_empty() => CommandLine::Exec(Vec::new()),
            None => CommandLine::Shell(part.text.to_owned()),
        })
    }

    /// Words from a JSON array or between white space.
    pub(super) fn words(&self) -> Result<Vec<Word>, Fault> {
        match self.json(self.args)? {
            Some(strings) => strings.iter().map(|text| self.word_at(text, self.args.at)).collect(),
            None => self.args.fields().into_iter().map(|part| self.word(part)).collect(),
        }
    }

    /// Checks that there are no flags but these, and none twice.
    pub(super) fn known_flags(&self, known: &'static [&'static str]) -> Result<(), Fault> {
        for (index, flag) in self.flags.iter().enumerate() {
            if !known.contains(&flag.name.as_str()) {
                let nearest = nearest(&flag.name, known.iter().copied());
                let (instruction, name) = (self.name, flag.name.clone());
                return Err(self.fail(flag.at, ParseProblem::Flag { instruction, name, nearest, known }));
            }
            let repeated = self.flags[..index].iter().any(|earlier| earlier.name == flag.name);
            if repeated && !REPEATABLE.contains(&flag.name.as_str()) {
                return Err(self.fail(flag.at, ParseProblem::FlagTwice(flag.name.clone())));
            }
        }
        Ok(())
    }

    /// The values of a flag, with their places.
    pub(super) fn values(&self, name: &'static str) -> Result<Vec<(&str, usize)>, Fault> {
        let flags = self.flags.iter().filter(|flag| flag.name == name);
        flags
            .map(|flag| match flag.value.as_deref() {
                Some(value) if !value.is_empty() => Ok((value, flag.at)),
                _ => Err(self.flag_wants(flag.at, name, "a value")),
            })
            .collect()
    }

    /// The value of a flag, with its place.
    pub(super) fn value(&self, name: &'static str) -> Result<Option<(&str, usize)>, Fault> {
        Ok(self.values(name)?.pop())
    }

    /// The value of a flag as a word.
    pub(super) fn word_value(&self, name: &'static str) -> Result<Option<Word>, Fault> {
        self.value(name)?.map(|(value, at)| self.word_at(value, at)).transpose()
    }

    /// The value of a flag that takes no variables.
    pub(super) fn fixed_value(
        &self,
        name: &'static str,
        told: &'static str,
    ) -> Result<Option<String>, Fault> {
        let Some((value, at)) = self.value(name)? else { return Ok(None) };
        if value.contains('$') {
            return Err(self.fail(at, ParseProblem::Variable(told)));
        }
        Ok(Some(value.to_owned()))
    }

    /// Whether a flag is set: alone, or with `=true` or `=false`.
    pub(super) fn switch(&self, name: &'static str) -> Result<Option<bool>, Fault> {
        let Some(flag) = self.flags.iter().find(|flag| flag.name == name) else { return Ok(None) };
        match flag.value.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(self.flag_wants(flag.at, name, "true or false")),
        }
    }

    /// A flag's value is missing or wrong.
    pub(super) fn flag_wants(&self, at: usize, flag: &str, wanted: &'static str) -> Fault {
        self.fail(at, ParseProblem::FlagValue { flag: flag.to_owned(), wanted })
    }
}
