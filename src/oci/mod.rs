//! The OCI runtime command line, as runc has it: what containerd, Podman and Docker drive.
//!
//! A thin adapter: flags and files in, calls of the runtime core, states out.

mod command;
mod config;
mod create;
mod delete;
mod error;
mod events;
mod exec;
mod features;
mod io;
mod kill;
mod list;
mod log;
mod record;
mod run;
mod spec;
mod start;
mod update;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use command::Oci;
use error::Error;
use record::Containers;

/// What the binary may also be called, to be an OCI runtime.
pub const NAME: &str = "lay-oci";

/// The arguments, if this is the OCI runtime: called by its name, or as `lay oci`.
pub fn args(args: impl Iterator<Item = OsString>) -> Option<Vec<OsString>> {
    let args: Vec<OsString> = args.collect();
    let name = Path::new(args.first()?).file_name()?;
    match (name == NAME, args.get(1).is_some_and(|word| word == "oci")) {
        (true, _) => Some(args),
        (false, true) => Some([&[OsString::from(NAME)], &args[2..]].concat()),
        (false, false) => None,
    }
}

/// Runs the OCI runtime; the first argument is its name.
pub fn main(args: Vec<OsString>) -> ExitCode {
    ExitCode::from(run(args.into_iter()))
}

/// The same, as a number.
pub fn run(args: impl Iterator<Item = OsString>) -> u8 {
    let oci = match Oci::try_parse_from(args) {
        Ok(oci) => oci,
        Err(error) => {
            // If nobody listens, there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { 1 } else { 0 };
        }
    };
    // As runc has it: those of the command itself are below.
    let failed = if matches!(oci.command, command::Command::Exec(_)) { 255 } else { 1 };
    let log = log::Log::new(oci.log.as_deref(), oci.log_format);
    match dispatch(oci, &log) {
        Ok(code) => code,
        Err(error) => {
            log.error(&crate::error::chain(&error));
            failed
        }
    }
}

fn dispatch(oci: Oci, log: &log::Log) -> Result<u8, Error> {
    use command::Command;
    let containers = Containers::new(oci.root);
    let systemd = oci.systemd_cgroup;
    match oci.command {
        Command::Create(command) => create::create(&containers, &command, systemd, log),
        Command::Start { id } => start::start(&containers, &id),
        Command::State { id } => list::state(&containers, &id),
        Command::Kill(command) => kill::kill(&containers, &command),
        Command::Delete { force, id } => delete::delete(&containers, &id, force),
        Command::Run(command) => run::run(&containers, &command, systemd, log),
        Command::Exec(command) => exec::exec(&containers, &command, log),
        Command::List { quiet, format } => list::list(&containers, quiet, format),
        Command::Ps { format, id } => list::ps(&containers, &id, format),
        Command::Pause { id } => kill::pause(&containers, &id, true),
        Command::Resume { id } => kill::pause(&containers, &id, false),
        Command::Update(command) => update::update(&containers, &command),
        Command::Events { stats, interval, id } => events::events(&containers, &id, stats, interval),
        Command::Spec { bundle, rootless } => spec::spec(bundle.as_deref(), rootless),
        Command::Features => features::features(),
    }
}
