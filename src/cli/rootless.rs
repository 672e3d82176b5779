//! Commands as an ordinary user: which of them need that user's ranges of ids.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use super::Command;
use super::context::Context;
use super::failure::{Failure, Tried};
use crate::container::{Record, UsernsMode};
use crate::rootless::{Entered, enter, enter_keeping_ids, join};

/// A file of the store: the user was told that there is but one id.
const TOLD: &str = "single-id";

/// Enters a user namespace for a command that makes, reads or removes files of images and containers, unless it is root
/// that runs it.
///
/// # Errors
/// When the namespace cannot be had.
pub fn prepare(command: &Command, context: &Context) -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() || !needs_ids(command) {
        return Ok(());
    }
    if let Command::Rm(rm) = command {
        // Processes of other ids can be ended from outside of a namespace only.
        rm.kill(context)?;
    }
    let names = match command {
        Command::Run(run) => run.containers().map(str::to_string).collect(),
        Command::Create(create) => create.containers().map(str::to_string).collect(),
        // It is started as the other one was.
        Command::Fork(fork) => {
            record(context, fork.container())?.map_or_else(Vec::new, |record| record.options.shares_with())
        }
        // A running one is reached in its own namespace.
        Command::Cp(cp) => cp.container().map(str::to_string).into_iter().collect(),
        _ => Vec::new(),
    };
    if let Some(pid) = shared(&names, context)? {
        return join(pid).tried(|| "cannot share namespaces without root".to_string());
    }
    if keeps_ids(command, context)? {
        return enter_keeping_ids().tried(|| "cannot keep this user's ids".to_string());
    }
    enter_usual(context)
}

fn enter_usual(context: &Context) -> Result<(), Failure> {
    match enter().tried(|| "cannot work without root".to_string())? {
        Entered::Ranges => Ok(()),
        Entered::Single(reason) => tell(context, &reason),
    }
}

/// The same for a commit, which reads files in one namespace and unpacks a layer in another where the container's user keeps its
/// ids: a process that archives the container's changes is started then, before this one enters the usual namespace.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_commit(context: &Context, name: &str) -> Result<Option<Child>, Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let kept = record(context, name)?.filter(|record| record.options.userns == UsernsMode::KeepId);
    let beside = kept.map(|record| archive_changes(context, &record.id)).transpose()?;
    enter_usual(context)?;
    Ok(beside)
}

fn archive_changes(context: &Context, id: &str) -> Result<Child, Failure> {
    let store = context.store()?;
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg0("lay").arg("--root").arg(store.root()).args(["export", "--changes", id]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().tried(|| "cannot run /proc/self/exe".to_string())
}

/// Whether the command is about a container whose user keeps its own ids, in which files have other owners than elsewhere.
fn keeps_ids(command: &Command, context: &Context) -> Result<bool, Failure> {
    let name = match command {
        Command::Run(run) => return Ok(run.keeps_ids()),
        Command::Create(create) => return Ok(create.keeps_ids()),
        Command::Start(start) => return starts_keeping_ids(start.containers(), context),
        Command::Restart(restart) => return starts_keeping_ids(restart.containers(), context),
        Command::Diff(diff) => diff.container(),
        Command::Export(export) => export.container(),
        Command::Cp(cp) => match cp.container() {
            Some(name) => name,
            None => return Ok(false),
        },
        Command::Fork(fork) => fork.container(),
        _ => return Ok(false),
    };
    Ok(record(context, name)?.is_some_and(|record| record.options.userns == UsernsMode::KeepId))
}

/// Whether containers that are started need this user's own ids. Those that do, and those that do not, are not started at once.
fn starts_keeping_ids(names: &[String], context: &Context) -> Result<bool, Failure> {
    let mut kept = Vec::new();
    for name in names {
        kept.push(record(context, name)?.is_some_and(|record| record.options.userns == UsernsMode::KeepId));
    }
    match (kept.contains(&true), kept.contains(&false)) {
        (true, true) => Err(Failure::new("containers with '--userns keep-id' cannot be started with others")),
        (any, _) => Ok(any),
    }
}

/// What a container was made from; none where there is no such container, which will be told later.
fn record(context: &Context, name: &str) -> Result<Option<Record>, Failure> {
    Ok(context.environment()?.containers.find(name).ok().map(|container| container.record))
}

/// The first process of the containers whose namespaces are shared: without root, that takes their user namespace too, of which
/// there can be one. None where there are none; whether they run will be told later.
fn shared(names: &[String], context: &Context) -> Result<Option<i32>, Failure> {
    if names.is_empty() {
        return Ok(None);
    }
    let env = context.environment()?;
    let mut found: Option<(&str, i32, PathBuf)> = None;
    for name in names {
        let running = env.containers.find(name).and_then(|container| container.require_running());
        let Ok(pid) = running.map(|running| running.process.pid) else { continue };
        let path = format!("/proc/{pid}/ns/user");
        let users = std::fs::read_link(&path).tried(|| format!("cannot read {path}"))?;
        match &found {
            Some((other, _, theirs)) if *theirs != users => {
                return Err(Failure::new(format!(
                    "{other} and {name} have user namespaces of their own: without root, namespaces of one of them can be shared"
                ))
                .with_code(super::USAGE));
            }
            _ => found = Some((name, pid, users)),
        }
    }
    Ok(found.map(|(_, pid, _)| pid))
}

fn needs_ids(command: &Command) -> bool {
    matches!(
        command,
        Command::Run(_)
            | Command::Create(_)
            | Command::Start(_)
            | Command::Restart(_)
            | Command::Rm(_)
            | Command::Pull(_)
            | Command::Manifest(_)
            | Command::Push(_)
            | Command::Rmi(_)
            | Command::Du(_)
            | Command::Diff(_)
            | Command::Cp(_)
            | Command::Export(_)
            | Command::Import(_)
            | Command::Save(_)
            | Command::Load(_)
            | Command::Prune(_)
            | Command::Volume(_)
            | Command::Build(_)
            | Command::Fork(_)
            | Command::Snapshot(_)
            | Command::Check(_)
    )
}

/// Tells once a store.
fn tell(context: &Context, reason: &str) -> Result<(), Failure> {
    let store = context.store()?;
    let mark = store.root().join(TOLD);
    if !mark.exists() {
        eprintln!("lay: warning: all files of images and containers will belong to one user: {reason}");
        std::fs::write(&mark, reason).tried(|| format!("cannot write {}", mark.display()))?;
    }
    Ok(())
}
