//! `COPY` and `ADD`.

use super::super::error::Fault;
use super::super::{Add, Copy, Heredoc, ParseProblem, Source, Transfer};
use super::statement::Statement;

const COPY_FLAGS: &[&str] = &["from", "chown", "chmod", "link", "parents", "exclude"];
const ADD_FLAGS: &[&str] = &["chown", "chmod", "link", "keep-git-dir", "checksum", "exclude", "unpack"];

pub(super) fn copy(statement: Statement<'_>, heredocs: Vec<Heredoc>) -> Result<Copy, Fault> {
    statement.known_flags(COPY_FLAGS)?;
    Ok(Copy {
        from: statement.fixed_value("from", "--from")?,
        parents: statement.switch("parents")?.unwrap_or_default(),
        transfer: transfer(&statement, heredocs)?,
    })
}

pub(super) fn add(statement: Statement<'_>, heredocs: Vec<Heredoc>) -> Result<Add, Fault> {
    statement.known_flags(ADD_FLAGS)?;
    Ok(Add {
        checksum: statement.word_value("checksum")?,
        keep_git_dir: statement.switch("keep-git-dir")?.unwrap_or_default(),
        unpack: statement.switch("unpack")?,
        transfer: transfer(&statement, heredocs)?,
    })
}

fn transfer(statement: &Statement<'_>, mut heredocs: Vec<Heredoc>) -> Result<Transfer, Fault> {
    let mut words = statement.words()?;
    let destination = words.pop().filter(|_| !words.is_empty());
    let destination = destination.ok_or_else(|| statement.wants("a source and a destination"))?;
    // In JSON nothing is a here-document, and there are none.
    let is_document = |text: &str| Heredoc::head(text).map(|head| head.name);
    if !heredocs.is_empty() && is_document(destination.as_str()).is_some() {
        return Err(statement.fail(statement.args.at, ParseProblem::HeredocDestination));
    }
    let mut sources = Vec::with_capacity(words.len());
    for word in words {
        let name = is_document(word.as_str());
        let index = name.and_then(|name| heredocs.iter().position(|document| document.name == name));
        sources.push(match index {
            Some(index) => Source::Inline(heredocs.remove(index)),
            None => Source::Path(word),
        });
    }
    let exclude = statement.values("exclude")?.into_iter();
    Ok(Transfer {
        sources,
        destination,
        chown: statement.word_value("chown")?,
        chmod: statement.word_value("chmod")?,
        link: statement.switch("link")?.unwrap_or_default(),
        exclude: exclude.map(|(value, at)| statement.word_at(value, at)).collect::<Result<_, _>>()?,
    })
}
