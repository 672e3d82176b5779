//! Errors of the file as a whole, and how errors are told.

use super::super::{MAX_LINE, ParseProblem};
use super::{fail, read};

#[test]
fn files_that_are_no_containerfiles() {
    assert_eq!(fail("").to_string(), "Containerfile:1:1: no instructions");
    assert_eq!(fail("# only\n\n").problem, ParseProblem::Empty);
    assert_eq!(fail("ARG a\n").to_string(), "Containerfile:1:1: no build stage: FROM is missing");
    assert_eq!(fail("# c\nRUN x\nFROM a").to_string(), "Containerfile:2:1: RUN before the first FROM");
    assert_eq!(
        fail(b"FROM a\nRUN \xc3\xbc \0").to_string(),
        "Containerfile:2:7: this is no text: it holds a zero byte"
    );
    assert_eq!(fail(b"FROM a\nRUN \xc3\xbc \xff").to_string(), "Containerfile:2:7: this is no text in UTF-8");
    assert_eq!(fail(b"\x7fELF\x02\x01\x01\0\0").problem, ParseProblem::Binary);
    assert_eq!(fail("F\0R\0O\0M\0").problem, ParseProblem::Binary);
}

#[test]
fn lines_have_a_bound() {
    let line = |length: usize| format!("FROM a\nRUN {}\n", "x".repeat(length - 5));
    assert_eq!(read(&line(MAX_LINE)).stages.len(), 1);
    assert_eq!(
        fail(line(MAX_LINE + 1)).to_string(),
        "Containerfile:2:1: the line is longer than 1048576 bytes"
    );
    assert_eq!(fail("x".repeat(MAX_LINE + 1)).problem, ParseProblem::LineTooLong);
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    let braces = format!("FROM a\nENV a={}", "${b:-".repeat(100_000));
    assert_eq!(fail(braces).problem.to_string(), "more than 64 nested ${…}");
    // Too deep for the JSON reader, so it is text for the shell.
    let json = format!("FROM a\nRUN {}", "[".repeat(100_000));
    assert_eq!(read(&json).stages[0].instructions.len(), 1);
    let triggers = format!("FROM a\n{}", "ONBUILD ".repeat(100_000));
    assert_eq!(fail(triggers).problem, ParseProblem::Trigger("ONBUILD"));
}

#[test]
fn a_report_shows_the_line_and_what_was_expected() {
    let source = "FROM debian:12\n\n    RUNN apt-get\tupdate\n";
    let expected = "\
Containerfile:3:5: unknown instruction \"RUNN\" (did you mean RUN?)
  |
3 |     RUNN apt-get update
  |     ^
expected one of ADD, ARG, CMD, COPY, ENTRYPOINT, ENV, EXPOSE, FROM, HEALTHCHECK, LABEL, MAINTAINER, ONBUILD, RUN, \
SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR";
    assert_eq!(fail(source).report(source.as_bytes()), expected);
    let source = "FROM a\nRUN <<E\nE\nCOPY a \\\n  \"ü\" ${x\n";
    let expected = "\
Containerfile:5:7: the closing } of ${ is missing
  |
5 |   \"ü\" ${x
  |       ^";
    assert_eq!(fail(source).report(source.as_bytes()), expected);
}

#[test]
fn a_report_cuts_long_lines_and_control_characters() {
    let source = format!("FROM a\nENV x={}\u{1b}${{y {}", "a".repeat(1000), "b".repeat(1000));
    let report = fail(&source).report(source.as_bytes());
    let lines: Vec<_> = report.lines().collect();
    assert_eq!(lines[2].chars().count(), "2 | ".len() + 100);
    assert_eq!(lines[2].chars().nth(lines[3].find('^').unwrap_or_default()), Some('$'));
    assert!(!report.contains('\u{1b}'), "{report:?}");
    assert_eq!(
        fail("").report(b""),
        "Containerfile:1:1: no instructions\nexpected a first instruction such as FROM debian:12"
    );
}

#[test]
fn names_in_messages_are_as_written() {
    let error = fail("FROM a\nbadcmd x");
    assert_eq!(error.to_string(), "Containerfile:2:1: unknown instruction \"badcmd\"");
    assert_eq!(
        fail("FORM a").to_string(),
        "Containerfile:1:1: unknown instruction \"FORM\" (did you mean FROM?)"
    );
}
