//! `RUN`.

use super::super::error::Fault;
use super::super::{CommandLine, Heredoc, MountRequest, Network, Run, Security};
use super::statement::Statement;

pub(super) fn run(statement: Statement<'_>, heredocs: Vec<Heredoc>) -> Result<Run, Fault> {
    statement.known_flags(&["mount", "network", "security"])?;
    let command = statement.command(statement.args)?;
    if command == CommandLine::Exec(Vec::new()) {
        return Err(statement.wants("a command"));
    }
    let mut mounts = Vec::new();
    for (value, at) in statement.values("mount")? {
        let mount = MountRequest::parse(value).map_err(|problem| statement.fail(at, problem))?;
        for word in mount.options.iter().filter_map(|option| option.value.as_ref()) {
            statement.word_at(word.as_str(), at)?;
        }
        mounts.push(mount);
    }
    Ok(Run { command, heredocs, mounts, network: network(&statement)?, security: security(&statement)? })
}

fn network(statement: &Statement<'_>) -> Result<Network, Fault> {
    match statement.value("network")? {
        None | Some(("default", _)) => Ok(Network::Default),
        Some(("none", _)) => Ok(Network::None),
        Some(("host", _)) => Ok(Network::Host),
        Some((_, at)) => Err(statement.flag_wants(at, "network", "default, none or host")),
    }
}

fn security(statement: &Statement<'_>) -> Result<Security, Fault> {
    match statement.value("security")? {
        None | Some(("sandbox", _)) => Ok(Security::Sandbox),
        Some(("insecure", _)) => Ok(Security::Insecure),
        Some((_, at)) => Err(statement.flag_wants(at, "security", "sandbox or insecure")),
    }
}
