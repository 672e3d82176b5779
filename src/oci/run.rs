//! `run`

use super::command::Run;
use super::error::Error;
use super::log::Log;
use super::record::Containers;
use super::{create, delete, start};
use crate::container::Foreground;

/// Creates and starts a container; in the foreground, waits for its end and removes it.
pub fn run(containers: &Containers, command: &Run, systemd: bool, log: &Log) -> Result<u8, Error> {
    if command.detach || command.create.console_socket.is_some() {
        create::create(containers, &command.create, systemd, log)?;
        let started = start::start(containers, &command.create.id);
        if started.is_err() {
            delete::delete(containers, &command.create.id, true)?;
        }
        return started;
    }
    let pid_file = match &command.create.pid_file {
        Some(path) => Some(std::path::absolute(path).map_err(Error::io("find", path))?),
        None => None,
    };
    let (spec, bundle) = create::load(&command.create, systemd, log)?;
    let process = spec.process().clone().unwrap_or_default();
    let owner = (process.user().uid(), process.user().gid());
    let (foreground, io) = Foreground::prepare(process.terminal().unwrap_or(false), true, owner)?;
    let (created, record) = create::make(containers, &command.create, &spec, &bundle, io, false)?;
    let id = &record.id;
    let attend = || -> Result<i32, Error> {
        create::remember(containers, &record, &spec)?;
        let (process, console) = created.start()?;
        if let Some(path) = &pid_file {
            super::record::write(path, process.pid().to_string().as_bytes())?;
        }
        let container = containers.find(id)?;
        let hooks = spec.hooks().as_ref().and_then(|hooks| hooks.poststart().as_ref());
        container.subject().run(hooks, "running", process.pid())?;
        Ok(foreground.attend(&process, console)?)
    };
    let code = attend();
    if !command.keep || code.is_err() {
        delete::delete(containers, id, true)?;
    }
    Ok(u8::try_from(code?).unwrap_or(u8::MAX))
}
