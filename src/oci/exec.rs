//! `exec`

use oci_spec::runtime::{LinuxCapabilitiesBuilder, Process, Spec, UserBuilder};

use super::command::Exec;
use super::config;
use super::error::Error;
use super::io;
use super::log::Log;
use super::record::{Containers, Status, write};
use crate::container::Foreground;
use crate::runtime::{self, Target};

/// Runs a further process; in the foreground, waits for its end.
pub fn exec(containers: &Containers, command: &Exec, log: &Log) -> Result<u8, Error> {
    let container = containers.find(&command.id)?;
    let status = container.status();
    let waits = status == Status::Paused && command.ignore_paused;
    if !waits && !matches!(status, Status::Running | Status::Created) {
        return Err(Error::Status { what: "exec in", id: command.id.clone(), status: status.name() });
    }
    if !container.record.own_users {
        runtime::protect_binary()?;
    }
    let spec = container.spec()?;
    let process = process(&spec, command, log)?;
    let record = &container.record;
    let target = Target {
        pid: record.process.pid,
        cgroup: Some(&record.cgroup),
        own_users: record.own_users,
        preserve_fds: command.preserve_fds,
        id: &record.id,
        bundle: &record.bundle,
        seccomp: spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()),
    };
    let started = |process: &runtime::Process| match &command.pid_file {
        Some(path) => write(path, process.pid().to_string().as_bytes()),
        None => Ok(()),
    };
    if command.detach || command.console_socket.is_some() {
        let io = io::detached(&process, command.console_socket.as_deref())?;
        let (process, console) = runtime::exec(&target, &process, io)?;
        if let (Some(socket), Some(master)) = (&command.console_socket, &console) {
            io::send_console(socket, master)?;
        }
        started(&process)?;
        return match command.detach {
            true => Ok(0),
            false => wait(&process),
        };
    }
    let owner = (process.user().uid(), process.user().gid());
    let (foreground, io) = Foreground::prepare(process.terminal().unwrap_or(false), true, owner)?;
    let (process, console) = runtime::exec(&target, &process, io)?;
    started(&process)?;
    Ok(u8::try_from(foreground.attend(&process, console)?).unwrap_or(u8::MAX))
}

fn wait(process: &runtime::Process) -> Result<u8, Error> {
    let code = process.wait().map_err(Error::io("wait for", "the process".as_ref()))?;
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

/// What a file says, or the container's own process with other words.
fn process(spec: &Spec, command: &Exec, log: &Log) -> Result<Process, Error> {
    if let Some(path) = &command.process {
        return config::process(path, log);
    }
    if command.args.is_empty() {
        return Err(Error::Usage("exec needs a command or --process".to_string()));
    }
    let mut process = spec.process().clone().unwrap_or_default();
    process.set_args(Some(command.args.clone())).set_terminal(Some(command.tty));
    let mut env = process.env().clone().unwrap_or_default();
    env.extend(command.env.iter().cloned());
    process.set_env(Some(env));
    if let Some(cwd) = &command.cwd {
        process.set_cwd(cwd.clone());
    }
    if let Some(user) = &command.user {
        let (uid, gid) = user.split_once(':').unwrap_or((user, "0"));
        let number = |text: &str| {
            text.parse::<u32>().map_err(|_| Error::Usage(format!("--user {user}: not UID[:GID]")))
        };
        process.set_user(UserBuilder::default().uid(number(uid)?).gid(number(gid)?).build()?);
    }
    if !command.additional_gids.is_empty() {
        let mut user = process.user().clone();
        user.set_additional_gids(Some(command.additional_gids.clone()));
        process.set_user(user);
    }
    if command.apparmor.is_some() {
        process.set_apparmor_profile(command.apparmor.clone());
    }
    if command.process_label.is_some() {
        process.set_selinux_label(command.process_label.clone());
    }
    if command.no_new_privs {
        process.set_no_new_privileges(Some(true));
    }
    if !command.caps.is_empty() {
        let parse = |name: &String| {
            let bare = name.trim_start_matches("CAP_").to_ascii_uppercase();
            bare.parse().map_err(|_| Error::Usage(format!("--cap {name}: no such capability")))
        };
        let set = command.caps.iter().map(parse).collect::<Result<oci_spec::runtime::Capabilities, _>>()?;
        let old = process.capabilities().clone().unwrap_or_default();
        let with = |old: &Option<oci_spec::runtime::Capabilities>| {
            old.iter().flatten().chain(&set).copied().collect::<oci_spec::runtime::Capabilities>()
        };
        let none = oci_spec::runtime::Capabilities::new();
        let sets = LinuxCapabilitiesBuilder::default().inheritable(none.clone()).ambient(none);
        let sets = sets.bounding(with(old.bounding())).effective(with(old.effective()));
        process.set_capabilities(Some(sets.permitted(with(old.permitted())).build()?));
    }
    Ok(process)
}
