//! What Docker's users type that has another form here: commands by their group, and switches with a value.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A command that stands in a group with Docker, and what it is here.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("container", "ls", "ps"),
    ("container", "list", "ps"),
    ("container", "inspect", "inspect --type container"),
    ("container", "prune", "prune --only-containers"),
    ("image", "ls", "images"),
    ("image", "list", "images"),
    ("image", "rm", "rmi"),
    ("image", "remove", "rmi"),
    ("image", "inspect", "inspect --type image"),
    ("system", "df", "du"),
    ("system", "prune", "prune --containers --networks"),
    ("builder", "prune", "prune --build-cache"),
    ("buildx", "prune", "prune --build-cache"),
    ("network", "remove", "network rm"),
    ("network", "list", "network ls"),
    ("volume", "remove", "volume rm"),
    ("volume", "list", "volume ls"),
];

/// Groups whose other commands are called the same without them.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "container",
        &[
            "attach", "commit", "cp", "create", "diff", "exec", "export", "kill", "logs", "pause", "port",
            "ps", "rename", "restart", "rm", "run", "start", "stats", "stop", "top", "unpause", "update",
            "wait",
        ],
    ),
    ("image", &["build", "history", "import", "load", "prune", "pull", "push", "save", "tag"]),
    ("system", &["events", "info"]),
    ("builder", &["build"]),
    ("buildx", &["build"]),
];

/// The command line with a command in place of a group and its command.
pub fn ungrouped(mut args: Vec<OsString>) -> Vec<OsString> {
    let Some(at) = first_word(&args) else { return args };
    let word = |at: usize| args.get(at).and_then(|arg| arg.to_str());
    let (Some(group), Some(name)) = (word(at), word(at + 1)) else { return args };
    let other = COMMANDS.iter().find(|(g, n, _)| (*g, *n) == (group, name)).map(|(_, _, ours)| *ours);
    let same = || GROUPS.iter().find(|(g, _)| *g == group)?.1.iter().find(|n| **n == name).copied();
    if let Some(ours) = other.or_else(same) {
        args.splice(at..at + 2, ours.split(' ').map(OsString::from));
    }
    args
}

/// Where the command stands, behind flags of all commands.
fn first_word(args: &[OsString]) -> Option<usize> {
    let mut at = 1;
    loop {
        match args.get(at)?.to_str()? {
            "--root" => at += 2,
            flag if flag.starts_with('-') => at += 1,
            _ => return Some(at),
        }
    }
}

/// The command line without the value of the switch that an error is about, if `true` or `false` was its value: the
/// switch alone, or none at all.
pub fn without_value(args: &[OsString], error: &clap::Error) -> Option<Vec<OsString>> {
    if error.kind() != ErrorKind::TooManyValues {
        return None;
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (switch, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let on = truth(value)?;
    let given = format!("{switch}={value}");
    let at = args.iter().position(|arg| arg.to_str() == Some(&given))?;
    let mut args = args.to_vec();
    match on {
        true => args[at] = switch.into(),
        // What was said before does not count any more.
        false => {
            let before = args.drain(..=at).filter(|arg| arg != switch && arg.to_str() != Some(&given));
            let before: Vec<OsString> = before.collect();
            args.splice(0..0, before);
        }
    }
    Some(args)
}

/// What Go reads as true or false.
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn groups_are_left_out() {
        for (typed, ours) in [
            ("lay container ls -a", "lay ps -a"),
            ("lay --root /x --debug container rm web", "lay --root /x --debug rm web"),
            ("lay image inspect centos", "lay inspect --type image centos"),
            ("lay system prune -f", "lay prune --containers --networks -f"),
            ("lay network remove web", "lay network rm web"),
            ("lay network ls", "lay network ls"),
            ("lay container nothing", "lay container nothing"),
            ("lay run container ls", "lay run container ls"),
            ("lay", "lay"),
        ] {
            assert_eq!(ungrouped(words(typed)), words(ours), "{typed}");
        }
    }

    #[test]
    fn switches_lose_their_value() {
        for (typed, switches) in [
            ("lay rm --force=true web", Some("lay rm --force web")),
            ("lay rm --force --force=false web", Some("lay rm web")),
            ("lay rm --force=maybe web", None),
            ("lay rm --nothing=true web", None),
        ] {
            let error = crate::cli::command().try_get_matches_from(words(typed)).unwrap_err();
            assert_eq!(without_value(&words(typed), &error), switches.map(words), "{typed}");
        }
    }

    /// What is taken for a command of ours is one.
    #[test]
    fn every_command_exists() {
        let all = crate::cli::command();
        let ours = COMMANDS.iter().map(|(_, _, ours)| *ours);
        let same = GROUPS.iter().flat_map(|(_, names)| names.iter().copied());
        for line in ours.chain(same) {
            let mut at = Some(&all);
            for word in line.split(' ').take_while(|word| !word.starts_with('-') && *word != "container") {
                at = at.and_then(|command| command.find_subcommand(word));
            }
            assert!(at.is_some(), "{line}");
        }
    }
}
