//! Going through a command line.

use clap::Command;

/// Changes every command, those below it first. `change` is told its path, such as `volume create`, empty for the first.
pub fn walk(command: Command, change: &impl Fn(Command, &str) -> Command) -> Command {
    walk_below(command, "", change)
}

fn walk_below(mut command: Command, path: &str, change: &impl Fn(Command, &str) -> Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_string()).collect();
    for name in names {
        let path = if path.is_empty() { name.clone() } else { format!("{path} {name}") };
        command = command.mut_subcommand(name, |below| walk_below(below, &path, change));
    }
    change(command, path)
}
