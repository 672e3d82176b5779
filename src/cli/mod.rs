//! The command line: one file a command, with its flags, its calls and its printing.

mod attach;
mod build;
mod candidates;
mod check;
mod commit;
mod completion;
mod container_host;
mod container_view;
mod context;
mod cp;
mod create;
mod diff;
mod docker_words;
mod du;
mod events;
mod examples;
mod exec;
mod export;
mod failure;
mod filter;
mod flags;
mod fork;
mod group;
mod health;
mod healthcheck;
mod history;
mod human;
mod image_flags;
mod images;
mod import;
mod info;
mod inspect;
mod isolation;
mod kill;
mod limits;
mod listing;
mod load;
mod logging;
mod login;
mod logout;
mod logs;
mod man;
mod manifest;
mod moment;
mod monitor;
mod names;
mod netflags;
mod network;
mod network_view;
mod others;
mod output;
mod pause;
mod port;
mod progress;
mod prune;
mod ps;
mod ps_filter;
mod pull;
mod push;
mod quick;
mod rename;
mod restart;
mod rm;
mod rmi;
mod rootless;
mod run;
mod save;
mod snapshot;
mod start;
mod stats;
mod stop;
mod tag;
mod template;
mod top;
mod tree;
mod update;
mod usage;
mod userns;
mod version;
mod volume;
mod wait;
mod walk;

use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use completion::VARIABLE as COMPLETE;
pub use context::Context;
pub use failure::Failure;

/// Exit code for flags that make no sense, as Docker's.
pub const USAGE: u8 = 125;

/// A daemonless container engine whose centre is the image.
#[derive(Debug, Parser)]
#[command(
    name = "lay",
    version,
    disable_version_flag = true,
    propagate_version = false,
    subcommand_required = true,
    max_term_width = 110
)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    /// Print version
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

/// Flags of all commands.
#[derive(Args, Debug)]
struct Globals {
    /// Directory of images and containers [default: /var/lib/lay]
    #[arg(long, global = true, env = "LAY_ROOT", hide_env_values = true, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Say on stderr what is being done
    #[arg(long, global = true, env = "LAY_DEBUG", hide_env_values = true)]
    debug: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a container from an image and run a command in it
    Run(Box<run::Run>),
    /// Create a container that 'lay start' starts
    Create(Box<create::Create>),
    /// Start containers that were created, or have ended
    Start(start::Start),
    /// Stop containers if they run, and start them
    Restart(restart::Restart),
    /// Run a command in a running container
    Exec(exec::Exec),
    /// Connect this terminal to a running container
    Attach(attach::Attach),
    /// List containers
    Ps(ps::Ps),
    /// Copy files between a container, running or not, and this machine
    Cp(cp::Cp),
    /// Show what a container printed
    Logs(logs::Logs),
    /// Stop running containers
    Stop(stop::Stop),
    /// Send a signal to running containers
    Kill(kill::Kill),
    /// Stop all processes of containers where they are
    Pause(pause::Pause),
    /// Let paused containers go on
    Unpause(pause::Unpause),
    /// Give a container another name
    Rename(rename::Rename),
    /// Ask containers how they are
    Healthcheck(healthcheck::Healthcheck),
    /// Change limits and restart policies of containers
    Update(Box<update::Update>),
    /// Manage resource groups, whose limits containers share
    Group(group::Group),
    /// Start a second container from the first one's files as they are now
    Fork(fork::Fork),
    /// Keep states of a container's writable layer, and go back to them
    Snapshot(snapshot::Snapshot),
    /// Manage networks that containers join
    Network(network::Network),
    /// Manage volumes: directories that outlive containers
    Volume(volume::Volume),
    /// Show the processes of a container
    Top(top::Top),
    /// Show which ports of this machine lead to a container
    Port(port::Port),
    /// Show what happens to containers, images, volumes and networks
    Events(events::Events),
    /// Show what containers use
    Stats(stats::Stats),
    /// Wait until containers end, and print their exit codes
    Wait(wait::Wait),
    /// Remove containers
    Rm(rm::Rm),
    /// Build an image from a Containerfile
    Build(Box<build::Build>),
    /// Get an image from a registry
    Pull(pull::Pull),
    /// Upload an image to a registry
    Push(push::Push),
    /// Make, change and push lists of images for several platforms
    Manifest(manifest::Manifest),
    /// List images
    Images(images::Images),
    /// Give an image another name
    Tag(tag::Tag),
    /// Remove images
    Rmi(rmi::Rmi),
    /// Show how an image was made
    History(history::History),
    /// Show all about containers, images, networks or volumes, as JSON
    Inspect(inspect::Inspect),
    /// Show what the store takes on disk, or what each layer of an image costs
    Du(du::Du),
    /// Show what a container has changed, or how images differ
    Diff(diff::Diff),
    /// Make an image of a container's changes
    Commit(commit::Commit),
    /// Write a container's whole tree as a tar archive
    Export(export::Export),
    /// Make an image of a tar archive of a whole tree
    Import(import::Import),
    /// Write images as an archive that lay, Docker, Podman and skopeo read
    Save(save::Save),
    /// Read images from an archive or an OCI directory
    Load(load::Load),
    /// Log in to a registry
    Login(login::Login),
    /// Log out of a registry
    Logout(logout::Logout),
    /// Remove what nothing refers to
    Prune(prune::Prune),
    /// Check that all images are whole
    Check(check::Check),
    /// Show how this machine and lay fit together
    Info(info::Info),
    /// Show the version
    Version(version::Version),
    /// Print a script that lets a shell complete commands, flags and names
    Completion(completion::Completion),
    /// Write a manual page for each command
    #[command(hide = true)]
    Man(man::Man),
    /// Be an OCI runtime: create, start, state, kill, delete and more, as runc's command line
    #[command(disable_help_flag = true)]
    Oci {
        /// See 'lay oci --help'
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
    /// Watch over a detached container
    #[command(hide = true)]
    Monitor(monitor::Monitor),
    /// Answer a container's questions for names
    #[command(hide = true)]
    Names(names::Names),
}

/// The command line with all its help. Of a flag that is given twice the last one counts, as with Docker, so that a script
/// or an alias can be told otherwise.
pub fn command() -> clap::Command {
    examples::add(Cli::command()).args_override_self(true)
}

/// The same, with the names that a shell may complete.
pub fn command_to_complete() -> clap::Command {
    candidates::add(Cli::command())
}

/// Reads this process's command line.
///
/// # Errors
/// What clap has to say, help included.
pub fn parse() -> Result<Cli, clap::Error> {
    let mut args = docker_words::ungrouped(std::env::args_os().collect());
    loop {
        if let Some(result) = quick::parse(&args) {
            return result;
        }
        match command().try_get_matches_from(&args) {
            Ok(matches) => {
                return Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command()));
            }
            Err(error) => args = docker_words::without_value(&args, &error).ok_or(error)?,
        }
    }
}

/// Runs a command; returns its exit code.
///
/// # Errors
/// With a message for the user and an exit code.
pub fn run(cli: Cli) -> Result<u8, Failure> {
    let Globals { root, debug } = cli.globals;
    if debug {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(std::io::stderr)
            .without_time()
            .init();
    }
    if let Command::Oci { args } = cli.command {
        let name = std::ffi::OsString::from(crate::oci::NAME);
        return Ok(crate::oci::run(std::iter::once(name).chain(args)));
    }
    let context = Context::new(root, debug)?;
    rootless::prepare(&cli.command, &context)?;
    match cli.command {
        Command::Run(command) => command.run(&context),
        Command::Exec(command) => command.run(&context),
        Command::Create(command) => command.run(&context),
        Command::Start(command) => command.run(&context),
        Command::Restart(command) => command.run(&context),
        Command::Attach(command) => command.run(&context),
        Command::Pause(command) => command.run(&context),
        Command::Unpause(command) => command.run(&context),
        Command::Rename(command) => command.run(&context),
        Command::Healthcheck(command) => command.run(&context),
        Command::Ps(command) => command.run(&context),
        Command::Cp(command) => command.run(&context),
        Command::Logs(command) => command.run(&context),
        Command::Stop(command) => command.run(&context),
        Command::Update(command) => command.run(&context),
        Command::Stats(command) => command.run(&context),
        Command::Group(command) => command.run(&context),
        Command::Network(command) => command.run(&context),
        Command::Volume(command) => command.run(&context),
        Command::Fork(command) => command.run(&context),
        Command::Snapshot(command) => command.run(&context),
        Command::Kill(command) => command.run(&context),
        Command::Top(command) => command.run(&context),
        Command::Port(command) => command.run(&context),
        Command::Events(command) => command.run(&context),
        Command::Wait(command) => command.run(&context),
        Command::Rm(command) => command.run(&context),
        Command::Build(command) => command.run(&context),
        Command::Pull(command) => command.run(&context),
        Command::Push(command) => command.run(&context),
        Command::Manifest(command) => command.run(&context),
        Command::Images(command) => command.run(&context),
        Command::Tag(command) => command.run(&context),
        Command::Rmi(command) => command.run(&context),
        Command::History(command) => command.run(&context),
        Command::Inspect(command) => command.run(&context),
        Command::Du(command) => command.run(&context),
        Command::Diff(command) => command.run(&context),
        Command::Commit(command) => command.run(&context),
        Command::Export(command) => command.run(&context),
        Command::Import(command) => command.run(&context),
        Command::Save(command) => command.run(&context),
        Command::Load(command) => command.run(&context),
        Command::Login(command) => command.run(&context),
        Command::Logout(command) => command.run(&context),
        Command::Prune(command) => command.run(&context),
        Command::Check(command) => command.run(&context),
        Command::Info(command) => command.run(&context),
        Command::Version(command) => command.run(),
        Command::Completion(command) => command.run(&context),
        Command::Man(command) => command.run(&context),
        Command::Monitor(command) => command.run(&context),
        Command::Names(command) => command.run(&context),
        // Taken above: it needs no context.
        Command::Oci { .. } => Ok(USAGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_do_not_contradict_each_other() {
        command().debug_assert();
        command_to_complete().debug_assert();
    }

    /// Every command that is shown says by an example how it is used, and lists say it of their formats.
    #[test]
    fn every_command_s_help_has_examples() {
        fn look(command: &clap::Command, path: &str, missing: &mut Vec<String>) {
            let shown = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            if !shown.contains("Examples:\n  lay ") {
                missing.push(path.to_string());
            }
            for below in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
                look(below, &format!("{path} {}", below.get_name()), missing);
            }
        }
        let mut missing = Vec::new();
        look(&command(), "lay", &mut missing);
        assert_eq!(missing, Vec::<String>::new());
    }

    /// What is listed can be had as JSON, by a template, filtered, and as names alone.
    #[test]
    fn lists_take_the_same_flags() {
        let root = Cli::command();
        let lists = ["ps", "images", "volume ls", "group ls", "snapshot ls", "manifest ls", "network ls"];
        for path in lists {
            let mut at = Some(&root);
            for name in path.split(' ') {
                at = at.and_then(|command| command.find_subcommand(name));
            }
            let Some(command) = at else { continue };
            for flag in ["format", "filter", "quiet", "no-trunc"] {
                let has = command.get_arguments().any(|argument| argument.get_long() == Some(flag));
                assert!(has, "{path} --{flag}");
            }
        }
    }
}
