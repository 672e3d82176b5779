//! What the user asks for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::cache::Place;
use super::plan;
use crate::container::{Isolation, NetworkMode, Resources, Security};
use crate::registry::{Access, Platform};

/// Where a secret's value comes from.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// A file of this machine.
    File(PathBuf),
    /// A variable of this process's environment.
    Variable(String),
}

/// Which stages take results of earlier builds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Caching {
    /// All.
    #[default]
    All,
    /// All but those of these names.
    Without(Vec<String>),
    /// None.
    None,
}

/// What a build may be told beside its Containerfile and its context.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Target, arguments and platforms.
    pub request: plan::Request,
    /// Names of the image, each in its familiar form.
    pub tags: Vec<String>,
    /// Labels that it gets.
    pub labels: BTreeMap<String, String>,
    /// Annotations of its manifest.
    pub annotations: BTreeMap<String, String>,
    /// What is taken from earlier builds.
    pub caching: Caching,
    /// Base images are looked for in their registries even if they are here.
    pub pull: bool,
    /// Network of commands that do not say.
    pub network: NetworkMode,
    /// Lines of `/etc/hosts`.
    pub add_hosts: Vec<String>,
    /// Limits of each command.
    pub resources: Resources,
    /// Control group above those of commands, instead of the usual one.
    pub cgroup_parent: Option<String>,
    /// Other limits of each command.
    pub isolation: Isolation,
    /// System calls of each command.
    pub security: Security,
    /// What commands may ask for: `network.host`, `security.insecure`.
    pub allow: Vec<String>,
    /// Secrets by id.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Sockets of SSH agents by id.
    pub agents: BTreeMap<String, PathBuf>,
    /// The time of all that is made, in seconds since 1970; that of the base image without.
    pub epoch: Option<i64>,
    /// A step that fails is left for a look at it.
    pub keep_failed: bool,
    /// How registries are reached.
    pub access: Access,
    /// Where results of steps are taken from, besides the store.
    pub cache_from: Vec<Place>,
    /// Where the results of this build's steps are kept too.
    pub cache_to: Vec<Place>,
    /// All that follows the last `FROM` becomes one layer.
    pub squash: bool,
    /// The image gets no names and is not kept: its files go elsewhere.
    pub nameless: bool,
}

impl Options {
    /// The platform that images are for.
    pub fn platform(&self) -> &Platform {
        &self.request.target_platform
    }
}
