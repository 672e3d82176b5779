//! What a user asks for when creating a container.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::health::HealthCheck;
use super::isolation::Isolation;
use super::networks::Join;
use super::resources::Resources;
use super::restart::RestartPolicy;
use super::security::Security;
use super::userns::UsernsMode;
use super::volume::MountRequest;
use crate::network::PortMapping;

/// Which network a container joins.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// Links to networks; without any named, to the default bridge.
    #[default]
    Bridge,
    /// A network namespace with nothing but loopback.
    None,
    /// The host's network namespace.
    Host,
    /// A network stack in a process of the user's, slirp4netns: what can be had without root.
    User,
    /// The same by pasta.
    Pasta,
    /// Another container's network namespace.
    Container,
}

/// Everything that `lay run` and `lay create` can be told, in typed form.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Options {
    /// `--name`.
    pub name: Option<String>,
    /// Command and arguments after the image.
    pub command: Vec<String>,
    /// `--entrypoint`; an empty string clears the image's.
    pub entrypoint: Option<String>,
    /// `-e` and `--env-file`, in order; `NAME` alone is already resolved.
    pub env: Vec<String>,
    /// `-w`.
    pub workdir: Option<String>,
    /// `-u`.
    pub user: Option<String>,
    /// `--group-add`, names and numbers.
    #[serde(default)]
    pub group_add: Vec<String>,
    /// `--hostname`.
    pub hostname: Option<String>,
    /// `--domainname`.
    #[serde(default)]
    pub domainname: Option<String>,
    /// `--annotation`.
    #[serde(default)]
    pub annotations: std::collections::BTreeMap<String, String>,
    /// `-t`.
    pub tty: bool,
    /// `-i`.
    pub interactive: bool,
    /// `--rm`.
    pub auto_remove: bool,
    /// `--init`.
    pub init: bool,
    /// `--read-only`.
    pub read_only: bool,
    /// `--network`.
    pub network: NetworkMode,
    /// `--network NAME`, with addresses and aliases, in order.
    #[serde(default)]
    pub joins: Vec<Join>,
    /// `--network container:NAME`.
    #[serde(default)]
    pub network_of: Option<String>,
    /// `--userns`, `--uidmap`, `--gidmap`.
    pub userns: UsernsMode,
    /// `-p`.
    pub ports: Vec<PortMapping>,
    /// `-P`.
    #[serde(default)]
    pub publish_all: bool,
    /// `--expose`, as the image's.
    #[serde(default)]
    pub exposed: Vec<String>,
    /// `-v`, `--mount` and `--tmpfs`; later also what comes from the image and from others.
    pub mounts: Vec<MountRequest>,
    /// `--volumes-from`.
    #[serde(default)]
    pub volumes_from: Vec<String>,
    /// `--add-host`, as `name:address`.
    pub add_hosts: Vec<String>,
    /// `--dns`.
    pub dns: Vec<std::net::IpAddr>,
    /// `--dns-search`.
    #[serde(default)]
    pub dns_search: Vec<String>,
    /// `--dns-option`.
    #[serde(default)]
    pub dns_options: Vec<String>,
    /// `--label`, as `key=value`.
    pub labels: Vec<String>,
    /// `--stop-signal`.
    pub stop_signal: Option<String>,
    /// `--stop-timeout`: seconds to wait before it is killed; for ever below 0.
    #[serde(default)]
    pub stop_timeout: Option<i64>,
    /// `--restart`.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// `--health-…`; once it is created, also what the image says.
    #[serde(default)]
    pub health: Option<HealthCheck>,
    /// The first one who is attached and types no more closes its stdin (`-i` without `-d`).
    #[serde(default)]
    pub stdin_once: bool,
    /// CPU, memory and pids.
    pub resources: Resources,
    /// `--cap-add`.
    pub cap_add: Vec<String>,
    /// `--cap-drop`.
    pub cap_drop: Vec<String>,
    /// `--security-opt`.
    #[serde(default)]
    pub security: Security,
    /// What it shares with the host, and is given of it.
    #[serde(default)]
    pub isolation: Isolation,
    /// `--group`.
    #[serde(default)]
    pub group: Option<String>,
    /// `--cgroup-parent`, absolute below each hierarchy.
    #[serde(default)]
    pub cgroup_parent: Option<String>,
    /// `--storage-opt size=…`, in bytes.
    #[serde(default)]
    pub storage_size: Option<u64>,
    /// `--log-driver` and `--log-opt`.
    #[serde(default)]
    pub log: super::logs::LogConfig,
    /// `--cidfile`.
    pub cidfile: Option<PathBuf>,
}
