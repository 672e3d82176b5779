//! Reading a command line without describing all commands to clap, which takes longer than most of them run.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Args, FromArgMatches};

use super::{Cli, Command, Globals};

/// Among so many first words, the name of a command is looked for.
const FIRST: usize = 4;

/// Reads a command line if it is one of a known command, or asks for the version. Help, and whatever is wrong, is for the
/// whole command line to tell.
pub fn parse(args: &[OsString]) -> Option<Result<Cli, clap::Error>> {
    if let [_, word] = args
        && ["--version", "-v", "-V"].iter().any(|version| word == version)
    {
        let error = program().try_get_matches_from(args).err()?;
        return (error.kind() == ErrorKind::DisplayVersion).then_some(Err(error));
    }
    // A word may be a flag's value; then clap finds no command of that name where one should be.
    let words = args.iter().skip(1).take(FIRST).filter_map(|word| word.to_str());
    let known = words.filter_map(|word| COMMANDS.iter().find(|(name, _)| *name == word));
    known.filter_map(|(_, read)| read(args)).next().map(Ok)
}

/// The program without its commands.
fn program() -> clap::Command {
    let program = clap::Command::new("lay").version(env!("CARGO_PKG_VERSION")).disable_version_flag(true);
    let version = Arg::new("version").short('v').short_alias('V').long("version");
    Globals::augment_args(program).arg(version.action(ArgAction::Version))
}

type Read = fn(&[OsString]) -> Option<Cli>;

macro_rules! commands {
    ($($name:literal $variant:ident,)*) => {
        /// How the command line of each command is read.
        const COMMANDS: &[(&str, Read)] = &[$(($name, |args| one($name, args, Command::$variant))),*];
    };
}

commands! {
    "run" Run, "create" Create, "start" Start, "restart" Restart, "exec" Exec, "attach" Attach, "ps" Ps,
    "cp" Cp, "logs" Logs, "stop" Stop, "kill" Kill, "pause" Pause, "unpause" Unpause, "rename" Rename,
    "healthcheck" Healthcheck, "update" Update, "group" Group, "fork" Fork, "snapshot" Snapshot,
    "network" Network, "volume" Volume, "top" Top, "port" Port, "events" Events, "stats" Stats, "wait" Wait,
    "rm" Rm, "build" Build, "pull" Pull, "push" Push, "manifest" Manifest, "images" Images, "tag" Tag,
    "rmi" Rmi, "history" History, "inspect" Inspect, "du" Du, "diff" Diff, "commit" Commit, "export" Export,
    "import" Import, "save" Save, "load" Load, "login" Login, "logout" Logout, "prune" Prune, "check" Check,
    "info" Info, "version" Version, "completion" Completion, "man" Man, "monitor" Monitor, "names" Names,
}

fn one<T: Args>(name: &'static str, args: &[OsString], wrap: fn(T) -> Command) -> Option<Cli> {
    let program = program().subcommand(T::augment_args(clap::Command::new(name)));
    let matches = program.subcommand_required(true).try_get_matches_from(args).ok()?;
    let (_, own) = matches.subcommand()?;
    Some(Cli {
        globals: Globals::from_arg_matches(&matches).ok()?,
        version: None,
        command: wrap(T::from_arg_matches(own).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    /// Whatever is read quickly is read as the whole command line would read it.
    #[test]
    fn the_quick_way_says_what_the_long_one_says() {
        let lines = [
            "lay run --rm -e A=b --memory 5m image sh -c true",
            "lay --root /x --debug run image",
            "lay run --root /x image ps",
            "lay --root run ps -a",
            "lay build -q -t a -t b --build-arg C=d .",
            "lay network create --subnet 10.1.0.0/24 name",
            "lay images --format json",
            "lay rm -f a b",
        ];
        for line in lines {
            let quick = parse(&words(line)).unwrap().unwrap();
            let long = Cli::from_arg_matches(&Cli::command().get_matches_from(words(line))).unwrap();
            assert_eq!(format!("{quick:?}"), format!("{long:?}"), "{line}");
        }
        for line in ["lay", "lay run", "lay run --help", "lay --help", "lay nothing", "lay ps --nothing"] {
            assert!(parse(&words(line)).is_none(), "{line}");
        }
        let error = parse(&words("lay --version")).unwrap().unwrap_err();
        let long = Cli::command().try_get_matches_from(words("lay --version")).unwrap_err();
        assert_eq!(error.to_string(), long.to_string());
    }

    #[test]
    fn every_command_has_a_quick_way() {
        let all = Cli::command();
        let names = all.get_subcommands().map(clap::Command::get_name).filter(|name| *name != "oci");
        for name in names {
            assert!(COMMANDS.iter().any(|(known, _)| *known == name), "{name}");
        }
    }
}
