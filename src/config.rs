//! Configuration: `/etc/lay/config.toml`, the user's own file over it, and the file that `LAY_CONFIG` names instead of both.
//!
//! Libraries of this crate never read it: the command line passes the values on.

use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use serde::Deserialize;

use crate::registry::Registries;

/// What went wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file exists but cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML, or holds a key or value that `lay` does not know.
    #[error("{path}: {reason}")]
    Parse {
        /// The file, or the list of files that were merged.
        path: String,
        /// The parser's words, with line and column where known.
        reason: String,
    },
}

/// All settings, with defaults for what no file names.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Registries by name: mirrors, plain HTTP, certificates.
    pub registry: Registries,
    /// The default bridge.
    pub network: Network,
    /// Where containers' control groups live.
    pub cgroup: Cgroup,
    /// Host ids that user namespaces take; those of the user `lay` or `containers` in `/etc/subuid` without.
    pub userns: Option<Userns>,
    /// Where images and containers are kept.
    pub store: StoreConfig,
}

/// `[network]`: the default bridge.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Name of the bridge link, at most 15 bytes.
    pub bridge: String,
    /// Subnet of the bridge; the gateway is its first address.
    pub subnet: Ipv4Net,
    /// Networks that name no subnet take one of these.
    pub pool: Ipv4Net,
    /// MTU of the bridge and its links, in bytes; the kernel's default when absent.
    pub mtu: Option<u32>,
}

impl Default for Network {
    fn default() -> Self {
        let subnet = Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 87, 0, 0), 16);
        let pool = Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 90, 0, 0), 15);
        Network { bridge: "lay0".into(), subnet, pool, mtu: None }
    }
}

/// `[cgroup]`: the parent of all containers' control groups.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cgroup {
    /// Absolute path below the root of each hierarchy.
    pub parent: String,
}

impl Default for Cgroup {
    fn default() -> Self {
        Cgroup { parent: "/lay".into() }
    }
}

/// `[userns]`: the pool of host ids from which each container takes a range of 65,536.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Userns {
    /// First host id of the pool.
    pub first_id: u32,
    /// How many ids the pool holds.
    pub count: u32,
}

impl Default for Userns {
    fn default() -> Self {
        // Above what distributions give to users, systemd (up to 0x7000_0000 is claimed by nspawn
        // only from 0x0008_0000 to 0x6fff_0000 and then sparsely) and below 2^31.
        Userns { first_id: 0x4000_0000, count: 0x1000_0000 }
    }
}

/// `[store]`: where images and containers are kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StoreConfig {
    /// The store's directory; `--root` and `LAY_ROOT` win over it.
    pub root: Option<PathBuf>,
    /// Most bytes that a layer may inflate to, such as `20g`; what the disk has room for without.
    pub max_layer_size: Option<String>,
}

impl Config {
    /// Reads the files that apply. A missing file is no error, unless `LAY_CONFIG` names it.
    ///
    /// # Errors
    /// When a file cannot be read or holds what `lay` does not understand.
    pub fn load() -> Result<Config, Error> {
        if let Some(path) = std::env::var_os("LAY_CONFIG") {
            let path = PathBuf::from(path);
            let text = std::fs::read_to_string(&path)
                .map_err(|source| Error::Read { path: path.clone(), source })?;
            return Self::merge(&[(path, text)]);
        }
        let mut files = Vec::new();
        for path in [Some(PathBuf::from("/etc/lay/config.toml")), user_file()].into_iter().flatten() {
            match std::fs::read_to_string(&path) {
                Ok(text) => files.push((path, text)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::Read { path, source }),
            }
        }
        Self::merge(&files)
    }

    /// Merges files in order: later ones win, key by key.
    fn merge(files: &[(PathBuf, String)]) -> Result<Config, Error> {
        let mut all = toml::Table::new();
        for (path, text) in files {
            let table: toml::Table = text.parse().map_err(|e: toml::de::Error| parse_error(path, &e))?;
            // Each file is checked alone first, so that an error names the right one.
            let config = Config::deserialize(table.clone()).map_err(|e| parse_error(path, &e))?;
            if files.len() == 1 {
                return Ok(config);
            }
            overlay(&mut all, table);
        }
        let names = files.iter().map(|(p, _)| p.display().to_string()).collect::<Vec<_>>().join(" + ");
        Config::deserialize(all).map_err(|e| parse_error(Path::new(&names), &e))
    }
}

fn parse_error(path: &Path, e: &toml::de::Error) -> Error {
    Error::Parse { path: path.display().to_string(), reason: e.to_string().trim_end().replace('\n', " ") }
}

fn user_file() -> Option<PathBuf> {
    let base = match std::env::var_os("XDG_CONFIG_HOME") {
        Some(dir) if !dir.is_empty() => PathBuf::from(dir),
        _ => PathBuf::from(std::env::var_os("HOME")?).join(".config"),
    };
    Some(base.join("lay/config.toml"))
}

fn overlay(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => overlay(old, new),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_files_win_key_by_key() {
        let files = [
            (PathBuf::from("a"), "[network]\nbridge = \"one\"\nsubnet = \"10.1.0.0/24\"\n".to_string()),
            (PathBuf::from("b"), "[network]\nbridge = \"two\"\n".to_string()),
        ];
        let config = Config::merge(&files).unwrap();
        assert_eq!(config.network.bridge, "two");
        assert_eq!(config.network.subnet.to_string(), "10.1.0.0/24");
        assert_eq!(config.cgroup.parent, "/lay");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_file_named() {
        let error =
            Config::merge(&[(PathBuf::from("/x/config.toml"), "[netwrok]\n".to_string())]).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("/x/config.toml: ") && text.contains("netwrok"), "{text}");
    }
}
