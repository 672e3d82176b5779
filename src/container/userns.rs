//! Which user namespace a container lives in.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::idmap::IdMaps;
use super::isolation::Share;
use super::launch::Environment;
use super::options::Options;
use super::record::Record;
use super::user::Identity;
use crate::kernel::mount;

/// Ids of a container for which no other number was asked for.
const USUAL: u32 = 65_536;

/// `--userns`, `--uidmap` and `--gidmap`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UsernsMode {
    /// One of its own, with ids that no other container has.
    #[default]
    Auto,
    /// The same, with so many ids.
    Sized(u32),
    /// The host's.
    Host,
    /// One of its own, with these ids.
    Mapped(IdMaps),
    /// Another container's.
    Container(String),
    /// That of an ordinary user who is not root in it, but has the ids that it has outside.
    #[serde(rename = "keep-id")]
    KeepId,
}

impl UsernsMode {
    /// Reads `--userns`.
    ///
    /// # Errors
    /// When it is none of the modes that there are.
    pub fn parse(text: &str) -> Result<UsernsMode, Error> {
        let wrong =
            |reason: &str| Error::Flag { flag: "--userns", value: text.to_string(), reason: reason.into() };
        let (mode, rest) = text.split_once(':').map_or((text, None), |(mode, rest)| (mode, Some(rest)));
        match (mode, rest) {
            ("" | "auto", None) => Ok(UsernsMode::Auto),
            ("auto", Some(option)) => {
                let size = option.strip_prefix("size=").and_then(|size| size.parse().ok());
                match size.filter(|size| *size > 0) {
                    Some(size) => Ok(UsernsMode::Sized(size)),
                    None => Err(wrong("the only option is size=N, the number of ids")),
                }
            }
            ("host", None) => Ok(UsernsMode::Host),
            ("keep-id", None) => Ok(UsernsMode::KeepId),
            ("container", Some(name)) if !name.is_empty() => Ok(UsernsMode::Container(name.to_string())),
            _ => Err(wrong("it is auto, auto:size=N, host, keep-id or container:NAME")),
        }
    }
}

impl std::fmt::Display for UsernsMode {
    /// As Podman's inspect shows it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            UsernsMode::Auto => f.write_str("auto"),
            UsernsMode::Sized(size) => write!(f, "auto:size={size}"),
            UsernsMode::Host => f.write_str("host"),
            UsernsMode::Mapped(_) => f.write_str("private"),
            UsernsMode::KeepId => f.write_str("keep-id"),
            UsernsMode::Container(name) => write!(f, "container:{name}"),
        }
    }
}

impl Options {
    /// Names of the containers whose namespaces it shares.
    pub fn shares_with(&self) -> Vec<String> {
        let users = match &self.userns {
            UsernsMode::Container(name) => Some(name.clone()),
            _ => None,
        };
        let network = self.network_of.clone();
        let isolation = &self.isolation;
        let shares = [&isolation.pid, &isolation.ipc, &isolation.uts, &isolation.cgroupns];
        let others = shares.into_iter().filter_map(|share| match share {
            Share::Container(name) => Some(name.clone()),
            Share::Private | Share::Host => None,
        });
        users.into_iter().chain(network).chain(others).collect()
    }
}

/// A user namespace other than the one that `lay` is in.
#[derive(Clone, Debug)]
pub struct Users {
    /// Its ids.
    pub maps: IdMaps,
    /// It is there already.
    pub path: Option<PathBuf>,
}

/// Claims the ids of a container that is about to start; none for the host's user namespace.
///
/// # Errors
/// When none are free, or the other container does not run.
pub fn claim(env: &Environment, record: &Record) -> Result<Option<Users>, Error> {
    let alive = |owner: &str| env.is_alive(owner);
    let take = |count| env.ids().take(&record.id, count, &alive);
    let new = |maps| Some(Users { maps, path: None });
    Ok(match &record.options.userns {
        UsernsMode::Auto => new(take(USUAL)?),
        UsernsMode::Sized(count) => new(take(*count)?),
        // What `lay` itself is in.
        UsernsMode::Host | UsernsMode::KeepId => None,
        UsernsMode::Mapped(maps) => {
            env.ids().note(&record.id, maps)?;
            new(maps.clone())
        }
        UsernsMode::Container(name) => {
            let other = env.containers.find(name)?.require_running()?;
            match other.maps {
                Some(maps) => {
                    // It may live longer than the other one.
                    env.ids().note(&record.id, &maps)?;
                    let path = format!("/proc/{}/ns/user", other.process.pid).into();
                    Some(Users { maps, path: Some(path) })
                }
                None => None,
            }
        }
    })
}

/// What a user and its group are on the host.
///
/// # Errors
/// When the user namespace has not got one of its ids, supplementary groups included.
pub fn on_host(maps: Option<&IdMaps>, identity: &Identity) -> Result<(u32, u32), Error> {
    let Some(maps) = maps else { return Ok((identity.uid, identity.gid)) };
    for group in &identity.groups {
        maps.outside(identity.uid, *group)?;
    }
    maps.outside(identity.uid, identity.gid)
}

/// Says what to do where files cannot be mapped to a user namespace.
pub fn explain(error: Error) -> Error {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = next {
        if let Some(mount::Error::IdMap { path, source }) = cause.downcast_ref() {
            return Error::Unmappable { path: path.clone(), reason: *source };
        }
        next = cause.source();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_and_shown() {
        for mode in ["auto", "auto:size=1024", "host", "keep-id", "container:web"] {
            assert_eq!(UsernsMode::parse(mode).unwrap().to_string(), mode);
        }
        assert_eq!(UsernsMode::parse("").unwrap(), UsernsMode::Auto);
        for bad in ["mars", "auto:size=0", "auto:size=x", "auto:", "auto:uid=1", "host:1", "container:"] {
            assert!(UsernsMode::parse(bad).is_err(), "{bad}");
        }
    }
}
