//! The commands that people wait for: to describe all sixty to clap takes longer than to start some of a container.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use super::{Cli, Command, Globals, exec, monitor, run};

/// Among so many first words, the name of a command is looked for.
const FIRST: usize = 4;

#[derive(Debug, Parser)]
#[command(name = "lay")]
struct Quick {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Few,
}

#[derive(Debug, Subcommand)]
enum Few {
    Run(Box<run::Run>),
    Exec(exec::Exec),
    Monitor(monitor::Monitor),
}

/// Reads this process's command line if it is one of theirs; whatever is wrong with it, and help, is for the whole command
/// line to tell.
pub fn parse(args: &[OsString]) -> Option<Cli> {
    let names = ["run", "exec", "monitor"];
    if !args.iter().skip(1).take(FIRST).any(|word| names.iter().any(|name| word == name)) {
        return None;
    }
    let Quick { globals, command } = Quick::try_parse_from(args).ok()?;
    let command = match command {
        Few::Run(run) => Command::Run(run),
        Few::Exec(exec) => Command::Exec(exec),
        Few::Monitor(monitor) => Command::Monitor(monitor),
    };
    Some(Cli { globals, version: None, command })
}
