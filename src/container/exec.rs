//! A further process in a running container.

use std::fs::File;
use std::path::PathBuf;

use oci_spec::runtime::{LinuxCapabilitiesBuilder, Process as ProcessSpec, Spec, UserBuilder};

use super::error::Error;
use super::events::note_container;
use super::files::{on, read_json};
use super::foreground::Foreground;
use super::launch::Environment;
use super::record::{Container, Running};
use super::rootfs::snapshot;
use super::spec::{all_capabilities, set_env};
use super::state::State;
use super::streams::{nowhere, one_pipe};
use super::user::{self, Identity};
use super::userns;
use crate::runtime::{Process, Target, exec as execute};
use crate::snapshot::Files;

/// What to execute, and how.
#[derive(Clone, Debug, Default)]
pub struct ExecOptions {
    /// Command and arguments.
    pub args: Vec<String>,
    /// `-e`: `NAME=VALUE`, over the container's environment.
    pub env: Vec<String>,
    /// `-w`.
    pub workdir: Option<String>,
    /// `-u`.
    pub user: Option<String>,
    /// `-t`.
    pub tty: bool,
    /// `-i`.
    pub stdin: bool,
    /// `--privileged`: all capabilities of the container's user namespace.
    pub privileged: bool,
}

/// Runs a process in a running container, in the foreground; returns its exit code.
///
/// # Errors
/// When the container does not run or the command cannot be executed.
pub fn exec(env: &Environment, container: &Container, options: &ExecOptions) -> Result<i32, Error> {
    let (running, spec) = joinable(container)?;
    let (process, identity) = process(env, container, &running, &spec, options)?;
    let owner = userns::on_host(running.maps.as_ref(), &identity)?;
    let (foreground, io) = Foreground::prepare(options.tty, options.stdin, owner)?;
    let (process, console) = execute(&target(container, &running, &spec), &process, io)?;
    let words = |action: &str| format!("{action}: {}", options.args.join(" "));
    note_container(env, container, &words("exec_start"), &[]);
    let code = foreground.attend(&process, console)?;
    note_container(env, container, "exec_die", &[("exitCode", code.to_string())]);
    Ok(code)
}

/// What is to be known of a container that is joined.
fn joinable(container: &Container) -> Result<(Running, Spec), Error> {
    let running = container.require_running()?;
    if container.state()? == State::Paused {
        return Err(Error::Paused(container.record.name.clone()));
    }
    let missing = || Error::NotRunning(container.record.name.clone());
    let spec = read_json(&container.path("config.json"))?.ok_or_else(missing)?;
    Ok((running, spec))
}

/// Starts a process in a running container, in the background: the process, and what it prints to stdout and stderr.
///
/// # Errors
/// As [`exec`].
pub(super) fn spawn(
    env: &Environment,
    container: &Container,
    options: &ExecOptions,
) -> Result<(Process, File), Error> {
    let (running, spec) = joinable(container)?;
    let (process, identity) = process(env, container, &running, &spec, options)?;
    let owner = userns::on_host(running.maps.as_ref(), &identity)?;
    let (io, output) = one_pipe(owner)?;
    let (process, _) = execute(&target(container, &running, &spec), &process, io)?;
    Ok((process, output.into()))
}

/// Runs a process in a running container that nobody waits for, without streams (`lay exec -d`).
///
/// # Errors
/// As [`exec`].
pub fn exec_detached(env: &Environment, container: &Container, options: &ExecOptions) -> Result<(), Error> {
    let (running, spec) = joinable(container)?;
    let options = ExecOptions { tty: false, stdin: false, ..options.clone() };
    let (process, _) = process(env, container, &running, &spec, &options)?;
    Ok(execute(&target(container, &running, &spec), &process, nowhere()?).map(drop)?)
}

fn target<'a>(container: &'a Container, running: &'a Running, spec: &'a Spec) -> Target<'a> {
    Target {
        pid: running.process.pid,
        cgroup: Some(running.cgroup.as_str()).filter(|path| !path.is_empty()),
        own_users: running.maps.is_some() || running.nested,
        preserve_fds: 0,
        id: &container.record.id,
        bundle: &container.dir,
        seccomp: spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()),
    }
}

/// The container's own process, with other words.
fn process(
    env: &Environment,
    container: &Container,
    running: &Running,
    spec: &Spec,
    options: &ExecOptions,
) -> Result<(ProcessSpec, Identity), Error> {
    let missing = || Error::NotRunning(container.record.name.clone());
    let mut process = spec.process().clone().ok_or_else(missing)?;
    process.set_args(Some(options.args.clone())).set_terminal(Some(options.tty));
    let identity = match &options.user {
        Some(user) => {
            let added = &container.record.options.group_add;
            user::resolve(user, added, &files(env, container, running)?)?
        }
        None => identity_of(&process),
    };
    let mut variables = process.env().clone().unwrap_or_default();
    if options.user.is_some() {
        set_env(&mut variables, &format!("HOME={}", identity.home));
    }
    if options.tty && !variables.iter().any(|e| e.starts_with("TERM=")) {
        set_env(&mut variables, "TERM=xterm");
    }
    options.env.iter().for_each(|entry| set_env(&mut variables, entry));
    process.set_env(Some(variables));
    if let Some(workdir) = &options.workdir {
        process.set_cwd(workdir.into());
    }
    let user = UserBuilder::default().uid(identity.uid).gid(identity.gid);
    process.set_user(user.additional_gids(identity.groups.clone()).build()?);
    if options.privileged {
        let all = all_capabilities();
        let sets = LinuxCapabilitiesBuilder::default().bounding(all.clone()).effective(all.clone());
        let none = oci_spec::runtime::Capabilities::new();
        process.set_capabilities(Some(sets.permitted(all).inheritable(none.clone()).ambient(none).build()?));
    }
    Ok((process, identity))
}

/// The files in which users are looked up. An ordinary user may not mount what the container is made of, but see its root.
fn files(env: &Environment, container: &Container, running: &Running) -> Result<Files, Error> {
    if !running.nested {
        return Ok(snapshot(env, container)?.peek()?);
    }
    let root = PathBuf::from(format!("/proc/{}/root", running.process.pid));
    let file = std::fs::File::open(&root).map_err(on("open", &root))?;
    Ok(Files::new(file.into()))
}

fn identity_of(process: &ProcessSpec) -> Identity {
    let user = process.user();
    let groups = user.additional_gids().clone().unwrap_or_default();
    Identity { uid: user.uid(), gid: user.gid(), groups, home: String::new() }
}
