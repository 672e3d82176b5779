//! From lines to instructions.

mod config;
mod run;
mod statement;
mod transfer;
mod values;

use super::directives::Search;
use super::error::Fault;
use super::lines::{Logical, Reader};
use super::words::Part;
use super::{
    Arg, Containerfile, From, Heredoc, Instruction, Kind, Onbuild, ParseProblem, Position, Span, Stage, Text,
    heredoc,
};
use statement::Statement;

/// All instructions.
pub(super) const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// What a line gives.
enum Item {
    Stage(From),
    Other(Kind),
}

/// Reads a whole file.
pub(super) fn file(content: &[u8]) -> Result<Containerfile, Fault> {
    let mut reader = Reader::new(content)?;
    let mut search = Search::default();
    let mut globals = Vec::new();
    let mut stages: Vec<Stage> = Vec::new();
    while let Some((item, text)) = next(&mut reader, &mut search)? {
        match (item, stages.last_mut()) {
            (Item::Stage(from), _) => stages.push(Stage { from, text, instructions: Vec::new() }),
            (Item::Other(kind), Some(stage)) => stage.instructions.push(Instruction { kind, text }),
            (Item::Other(kind @ Kind::Arg(_)), None) => globals.push(Instruction { kind, text }),
            (Item::Other(kind), None) => {
                return Err(Fault::at(text.span.start, ParseProblem::BeforeFrom(kind.name())));
            }
        }
    }
    if stages.is_empty() {
        let problem = if globals.is_empty() { ParseProblem::Empty } else { ParseProblem::NoStage };
        return Err(Fault::at(Position::line(1), problem));
    }
    Ok(Containerfile { directives: search.found, globals, stages })
}

/// Reads one instruction that an image has as trigger.
pub(super) fn trigger(text: &str) -> Result<Instruction, Fault> {
    let mut reader = Reader::new(text.as_bytes())?;
    let mut search = Search::default();
    let Some((item, text)) = next(&mut reader, &mut search)? else {
        return Err(Fault::at(Position::line(1), ParseProblem::Empty));
    };
    let kind = match item {
        Item::Stage(_) => return Err(Fault::at(text.span.start, ParseProblem::Trigger("FROM"))),
        Item::Other(kind @ (Kind::Onbuild(_) | Kind::Maintainer(_))) => {
            return Err(Fault::at(text.span.start, ParseProblem::Trigger(kind.name())));
        }
        Item::Other(kind) => kind,
    };
    if let Some((_, second)) = next(&mut reader, &mut search)? {
        let problem = ParseProblem::Arguments { instruction: "ONBUILD", wanted: "one instruction" };
        return Err(Fault::at(second.span.start, problem));
    }
    Ok(Instruction { kind, text })
}

/// Reads the next instruction with all its lines.
fn next(reader: &mut Reader<'_>, search: &mut Search) -> Result<Option<(Item, Text)>, Fault> {
    while let Some(first) = reader.next()? {
        let trimmed = first.text.trim_start();
        search
            .look(trimmed, first.number)
            .map_err(|problem| Fault::at(Position::line(first.number), problem))?;
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let escape = search.found.escape;
        let logical = Logical::read(&first, reader, escape)?;
        if logical.text.trim().is_empty() {
            continue;
        }
        let statement = Statement::read(&logical, Part { text: &logical.text, at: 0 }, escape)?;
        let (heredocs, end) = if takes_heredocs(&statement)? {
            heredoc::read(&logical, reader)?
        } else {
            (Vec::new(), logical.end)
        };
        let text = Text {
            keyword: statement.keyword.text.to_owned(),
            line: logical.text.trim_end().to_owned(),
            span: Span { start: logical.position(statement.keyword.at), end },
            empty_line: logical.empty_line,
        };
        return Ok(Some((item(statement, heredocs)?, text)));
    }
    Ok(None)
}

/// Whether here-documents may belong to the instruction: `ADD`, `COPY` and `RUN`, also as triggers, not as JSON.
fn takes_heredocs(statement: &Statement<'_>) -> Result<bool, Fault> {
    match statement.name {
        "ADD" | "COPY" | "RUN" => Ok(statement.json(statement.args)?.is_none()),
        "ONBUILD" if !statement.args.text.is_empty() => {
            let inner = Statement::read(statement.logical, statement.args, statement.escape)?;
            // A trigger in a trigger is refused later.
            if inner.name == "ONBUILD" { Ok(false) } else { takes_heredocs(&inner) }
        }
        _ => Ok(false),
    }
}

fn item(statement: Statement<'_>, heredocs: Vec<Heredoc>) -> Result<Item, Fault> {
    if statement.name == "FROM" {
        return values::from(statement).map(Item::Stage);
    }
    kind(statement, heredocs).map(Item::Other)
}

fn kind(statement: Statement<'_>, heredocs: Vec<Heredoc>) -> Result<Kind, Fault> {
    let name = statement.name;
    match name {
        "ADD" => return transfer::add(statement, heredocs).map(Kind::Add),
        "COPY" => return transfer::copy(statement, heredocs).map(Kind::Copy),
        "RUN" => return run::run(statement, heredocs).map(Kind::Run),
        "HEALTHCHECK" => return config::healthcheck(statement).map(Kind::Healthcheck),
        _ => statement.known_flags(&[])?,
    }
    Ok(match name {
        "ARG" => Kind::Arg(values::args(&statement)?),
        "CMD" => Kind::Cmd(statement.command(statement.args)?),
        "ENTRYPOINT" => Kind::Entrypoint(statement.command(statement.args)?),
        "ENV" => Kind::Env(values::pairs(&statement)?),
        "EXPOSE" => Kind::Expose(config::expose(&statement)?),
        "LABEL" => Kind::Label(values::pairs(&statement)?),
        "MAINTAINER" => Kind::Maintainer(statement.single("a name")?.text.to_owned()),
        "ONBUILD" => Kind::Onbuild(onbuild(&statement, heredocs)?),
        "SHELL" => Kind::Shell(config::shell(&statement)?),
        "STOPSIGNAL" => Kind::Stopsignal(statement.word(statement.single("a signal")?)?),
        "USER" => Kind::User(statement.word(statement.single("a user")?)?),
        "VOLUME" => Kind::Volume(config::volume(&statement)?),
        _ => Kind::Workdir(statement.word(statement.single("a directory")?)?),
    })
}

fn onbuild(statement: &Statement<'_>, heredocs: Vec<Heredoc>) -> Result<Onbuild, Fault> {
    let args = statement.single("an instruction")?;
    let inner = Statement::read(statement.logical, args, statement.escape)?;
    if matches!(inner.name, "FROM" | "MAINTAINER" | "ONBUILD") {
        return Err(statement.fail(args.at, ParseProblem::Trigger(inner.name)));
    }
    let mut text = args.text.to_owned();
    for document in &heredocs {
        text.push('\n');
        text.push_str(&document.content);
        text.push_str(&document.name);
    }
    Ok(Onbuild { text, trigger: Box::new(kind(inner, heredocs)?) })
}
