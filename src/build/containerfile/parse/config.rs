//! Instructions that only change the image's configuration.

use std::time::Duration;

use super::super::error::Fault;
use super::super::{CommandLine, Health, HealthCommand, Ports, Word, duration};
use super::statement::Statement;

/// The shortest duration that a health check takes.
const MIN_DURATION: Duration = Duration::from_millis(1);

const HEALTH_FLAGS: &[&str] = &["interval", "timeout", "start-period", "start-interval", "retries"];

pub(super) fn healthcheck(statement: Statement<'_>) -> Result<Health, Fault> {
    statement.known_flags(HEALTH_FLAGS)?;
    let (kind, rest) = statement.single("NONE, or CMD and a command")?.split_once();
    if kind.text.eq_ignore_ascii_case("none") && rest.text.is_empty() {
        return Ok(Health::None);
    }
    if !kind.text.eq_ignore_ascii_case("cmd") {
        return Err(statement.wants("NONE, or CMD and a command"));
    }
    let command = statement.command(rest)?;
    if command == CommandLine::Exec(Vec::new()) {
        return Err(statement.wants("a command behind CMD"));
    }
    Ok(Health::Command(HealthCommand {
        command,
        interval: time(&statement, "interval")?,
        timeout: time(&statement, "timeout")?,
        start_period: time(&statement, "start-period")?,
        start_interval: time(&statement, "start-interval")?,
        retries: retries(&statement)?,
    }))
}

/// A duration; zero is as good as none.
fn time(statement: &Statement<'_>, flag: &'static str) -> Result<Option<Duration>, Fault> {
    let Some((value, at)) = statement.value(flag)? else { return Ok(None) };
    match duration::parse(value) {
        Some(Duration::ZERO) => Ok(None),
        Some(time) if time >= MIN_DURATION => Ok(Some(time)),
        _ => Err(statement.flag_wants(at, flag, "a duration of 1ms or more, such as 30s or 1m30s")),
    }
}

/// A number of tries; zero is as good as none.
fn retries(statement: &Statement<'_>) -> Result<Option<u32>, Fault> {
    let Some((value, at)) = statement.value("retries")? else { return Ok(None) };
    match value.parse::<i32>().map(u32::try_from) {
        Ok(Ok(number)) => Ok(Some(number).filter(|&number| number > 0)),
        _ => Err(statement.flag_wants(at, "retries", "a number, 0 or more")),
    }
}

pub(super) fn expose(statement: &Statement<'_>) -> Result<Vec<Word>, Fault> {
    statement.single("a port")?;
    let mut words = Vec::new();
    for field in statement.args.fields() {
        let word = statement.word(field)?;
        // What holds variables or quotes is known only when it is expanded.
        if field.text.find(['$', '\'', '"', statement.escape]).is_none() {
            Ports::parse(field.text).map_err(|problem| statement.fail(field.at, problem))?;
        }
        words.push(word);
    }
    Ok(words)
}

pub(super) fn shell(statement: &Statement<'_>) -> Result<Vec<String>, Fault> {
    let arguments = statement.json(statement.args)?.unwrap_or_default();
    if arguments.is_empty() {
        return Err(statement.wants("a JSON array such as [\"/bin/sh\", \"-c\"]"));
    }
    Ok(arguments)
}

pub(super) fn volume(statement: &Statement<'_>) -> Result<Vec<Word>, Fault> {
    let words = statement.words()?;
    if words.is_empty() || words.iter().any(|word| word.as_str().trim().is_empty()) {
        return Err(statement.wants("a path that is not empty"));
    }
    Ok(words)
}
