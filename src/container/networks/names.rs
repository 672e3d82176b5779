//! Who is called what on a network: lines as in hosts(5), with the container's id as comment.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::links::Attached;
use crate::container::error::Error;
use crate::container::files::write;
use crate::container::launch::Environment;
use crate::container::lock::locked_dir;
use crate::container::record::{Container, Record, Status};

/// Beside the addresses of a network.
const FILE: &str = "names";

/// The directory of a network's addresses and names.
pub fn dir(env: &Environment, attached: &Attached) -> PathBuf {
    env.store.root().join("networks").join(&attached.endpoint.bridge.name)
}

/// All names on a network; nothing where there are none.
pub fn read(dir: &Path) -> String {
    fs::read_to_string(dir.join(FILE)).unwrap_or_default()
}

/// The addresses of a name in lower case.
pub fn addresses(dir: &Path, name: &str) -> Vec<IpAddr> {
    let text = read(dir);
    let lines = text.lines().filter_map(parse);
    lines
        .filter(|(_, names)| names.split(' ').any(|other| other.eq_ignore_ascii_case(name)))
        .map(|(address, _)| address)
        .collect()
}

/// The first name of an address.
pub fn name(dir: &Path, address: IpAddr) -> Option<String> {
    let text = read(dir);
    let (_, names) = text.lines().filter_map(parse).find(|(other, _)| *other == address)?;
    names.split(' ').next().map(str::to_string)
}

/// Address and names of a line.
fn parse(line: &str) -> Option<(IpAddr, &str)> {
    let (address, rest) = line.split_once('\t')?;
    Some((address.parse().ok()?, rest.split_once(" #").map_or(rest, |(names, _)| names)))
}

/// The lines of one container.
fn lines(record: &Record, attached: &Attached) -> String {
    let short = &record.id[..12.min(record.id.len())];
    let mut names = vec![record.name.as_str()];
    names.extend(attached.aliases.iter().map(String::as_str));
    names.push(short);
    let mut seen = Vec::new();
    names.retain(|name| {
        !seen.contains(name) && {
            seen.push(name);
            true
        }
    });
    let line = |address: &dyn std::fmt::Display| format!("{address}\t{} #{}\n", names.join(" "), record.id);
    let mut text = line(&attached.endpoint.address);
    if let Some(address) = &attached.endpoint.address6 {
        text.push_str(&line(address));
    }
    text
}

/// Tells a container's names to the others, in place of those that it had.
pub fn add(env: &Environment, record: &Record, attached: &Attached) -> Result<(), Error> {
    change(&dir(env, attached), &record.id, &lines(record, attached))
}

/// Tells a container's new name on all its networks, if it runs.
///
/// # Errors
/// When a network's names cannot be written.
pub fn renamed(env: &Environment, container: &Container) -> Result<(), Error> {
    let Status::Running(running) = container.status()? else { return Ok(()) };
    let named = running.networks.iter().filter(|link| link.named);
    named.into_iter().try_for_each(|link| add(env, &container.record, link))
}

/// Takes a container's names back; having none is fine.
pub fn remove(env: &Environment, id: &str, attached: &Attached) -> Result<(), Error> {
    let dir = dir(env, attached);
    match dir.join(FILE).exists() {
        true => change(&dir, id, ""),
        false => Ok(()),
    }
}

fn change(dir: &Path, id: &str, new: &str) -> Result<(), Error> {
    let _lock = locked_dir(dir)?;
    let mine = format!(" #{id}");
    let mut text: String =
        read(dir).lines().filter(|line| !line.ends_with(&mine)).flat_map(|line| [line, "\n"]).collect();
    text.push_str(new);
    let path = dir.join(FILE);
    match text.is_empty() {
        true => crate::container::files::remove_if_there(&path),
        false => write(&path, text.as_bytes()),
    }
}
