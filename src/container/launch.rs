//! Starting a container: identity, addresses, files, specification, process, network, in this order; taken
//! back in reverse when a step fails.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

use jiff::Timestamp;
use lay_store::Store;

use super::error::Error;
use super::events::note_container;
use super::files::{on, write, write_json};
use super::group::Groups;
use super::idrange::{IdPool, IdRanges};
use super::networks;
use super::options::NetworkMode;
use super::process::ProcessId;
use super::record::{Container, Record, Running};
use super::rootfs::snapshot;
use super::set::Containers;
use super::spec::{self, Facts};
use super::streams::{Streams, open_io};
use super::teardown::teardown;
use super::volume::{Volumes, WithImages, fill};
use super::{user, userns};
use crate::kernel;
use crate::network::{self, Allocator, Bridge, Pasta, Published, Relay, Slirp};
use crate::runtime::cgroup::Making;
use crate::runtime::{self, Create, Process};
use crate::snapshot::{Files, Kept, Snapshot, Via};

/// What containers need of the machine: the store and the configuration.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The store.
    pub store: Store,
    /// Its containers.
    pub containers: Containers,
    /// The default bridge.
    pub bridge: Bridge,
    /// Parent of all control groups, absolute below each hierarchy; empty where none can be made.
    pub cgroup_parent: String,
    /// How EROFS layers are mounted.
    pub via: Via,
    /// Host ids for user namespaces.
    pub id_pool: IdRanges,
}

impl Environment {
    pub(super) fn ids(&self) -> IdPool {
        IdPool::new(self.store.root().join("ids"), self.id_pool.clone())
    }

    pub(super) fn addresses(&self) -> Allocator {
        Allocator::new(self.store.root().join("networks"))
    }

    /// Where a container's control group stands, below each hierarchy; empty where none can be made.
    pub(super) fn cgroup_of(&self, record: &Record) -> String {
        if self.cgroup_parent.is_empty() {
            return String::new();
        }
        let parent = match (&record.options.group, &record.options.cgroup_parent) {
            (Some(group), _) => Groups::new(self).path(group),
            (None, Some(parent)) => parent.clone(),
            (None, None) => self.cgroup_parent.clone(),
        };
        format!("{}/{}", parent.trim_end_matches('/'), record.id)
    }

    /// Whether a claim on an id range or an address still counts: its container exists and was not found dead.
    pub(super) fn is_alive(&self, id: &str) -> bool {
        let dir = self.containers.dir(id);
        match Container::load(&dir) {
            Ok(Some(container)) => !matches!(container.exit(), Ok(Some(_))),
            Ok(None) => false,
            Err(_) => true,
        }
    }
}

/// A running container, as its supervisor holds it.
#[derive(Debug)]
pub struct Launched {
    /// Its first process.
    pub process: Process,
    /// Host ends of its standard streams.
    pub streams: Streams,
    /// What keeps its ports reachable while this lives.
    pub connection: Option<Connection>,
    /// What its root was made of, to be dropped when nobody waits.
    pub spent: Kept,
}

/// What has to live as long as a container's network does.
#[derive(Debug)]
pub enum Connection {
    /// Ports that rules of the kernel lead to it.
    Rules(Published),
    /// A network stack of the user's own.
    User(Slirp),
    /// The same by another program.
    Pasta(Pasta),
}

impl Connection {
    /// The ports that lead to the container.
    pub fn ports(&self) -> &[network::PortMapping] {
        match self {
            Connection::Rules(published) => published.mappings(),
            Connection::User(slirp) => slirp.ports(),
            Connection::Pasta(pasta) => pasta.ports(),
        }
    }

    /// What is to be carried to them, if anything is.
    pub(super) fn relay(&mut self) -> Option<&mut Relay> {
        match self {
            Connection::Rules(published) => Some(published.relay()),
            Connection::User(_) | Connection::Pasta(_) => None,
        }
    }
}

/// What the supervisor wants of the start.
#[derive(Clone, Copy, Debug)]
pub struct LaunchOptions {
    /// Whether anything will be typed into the container.
    pub stdin: bool,
    /// Whether the container ends when this process does.
    pub die_with_parent: bool,
    /// How often it was started again before.
    pub restarts: u32,
    /// The size of its terminal, where this process has none to look at.
    pub size: Option<rustix::termios::Winsize>,
}

/// Starts a container whose lock the caller holds.
///
/// # Errors
/// When any step fails; what was set up until then is taken back.
pub fn launch(env: &Environment, container: &Container, options: LaunchOptions) -> Result<Launched, Error> {
    let launched = launch_from(env, container, options, None)?;
    note_container(env, container, "start", &[]);
    Ok(launched)
}

/// What a container consists of that no image in the store stands behind.
pub(super) struct Source<'a> {
    /// Its layers, for lookups, and its writable directory.
    pub snapshot: &'a Snapshot,
    /// Its root and what is mounted in it.
    pub rootfs: &'a dyn runtime::Rootfs,
    /// Its configuration.
    pub config: oci_spec::image::Config,
    /// Its files, where they have been opened for other lookups already.
    pub files: Option<Files>,
}

/// The same for a container that consists of `source`.
///
/// # Errors
/// As [`launch`].
pub(super) fn launch_from(
    env: &Environment,
    container: &Container,
    options: LaunchOptions,
    source: Option<Source<'_>>,
) -> Result<Launched, Error> {
    super::files::remove_if_there(&container.path("exit.json"))?;
    start(env, container, options, source).map_err(|error| match teardown(env, container) {
        Ok(_) => userns::explain(error),
        Err(cleanup) => Error::Cleanup { error: Box::new(error), cleanup: Box::new(cleanup) },
    })
}

fn start(
    env: &Environment,
    container: &Container,
    options: LaunchOptions,
    source: Option<Source<'_>>,
) -> Result<Launched, Error> {
    let record = &container.record;
    let group = make_group(env, record)?;
    let own;
    let Source { snapshot, rootfs, config, files } = match source {
        Some(source) => source,
        None => {
            own = WithImages::of(env, snapshot(env, container)?, &record.options.mounts)?;
            let config = super::spec::image_config(env, record)?;
            Source { snapshot: &own.snapshot, rootfs: &own, config, files: None }
        }
    };
    let files = files.map_or_else(|| snapshot.peek(), Ok)?;
    let user = record.options.user.clone().or_else(|| config.user().clone()).unwrap_or_default();
    let identity = user::resolve(&user, &files)?.with_groups(&record.options.group_add, &files)?;
    fill(&Volumes::new(env.store.root()), &record.options.mounts, &files)?;
    drop(files);
    let facts = claim(env, container, config, identity)?;
    write_network_files(env, container, &facts)?;
    let spec = spec::generate(env, container, &facts)?;
    let owner = userns::on_host(facts.users.as_ref().map(|users| &users.maps), &facts.identity)?;
    let (io, pipes) = open_io(record.options.tty, options.stdin, owner, options.size)?;
    let created = runtime::create(Create {
        spec: &spec,
        id: &record.id,
        bundle: &container.dir,
        group,
        rootfs,
        io,
        init: record.options.init,
        die_with_parent: options.die_with_parent,
        gate: None,
        preserve_fds: 0,
        subject: None,
    })?;
    let mut state = Running { restarts: options.restarts, ..running(&facts, created.pid())? };
    container.write_running(&state)?;
    // The child is at work meanwhile.
    write_json(&container.path("config.json"), &spec)?;
    let connection = connect(env, container, &facts, &created)?;
    networks::ensure_names(env, container, &state)?;
    if let Some(connection) = &connection {
        state.ports = connection.ports().to_vec();
        container.write_running(&state)?;
    }
    let (process, console) = created.start()?;
    let streams = Streams::of(console, pipes)?;
    if let Some(originals) = snapshot.kept.originals() {
        originals.offer();
    }
    Ok(Launched { process, streams, connection, spent: snapshot.kept.clone() })
}

/// Begins to make its control group; none where there can be none.
fn make_group(env: &Environment, record: &Record) -> Result<Option<Making>, Error> {
    if let Some(group) = &record.options.group {
        Groups::new(env).ensure(group)?;
    }
    let path = env.cgroup_of(record);
    match path.as_str() {
        "" => Ok(None),
        path => Ok(Making::begin(path, &spec::resources(path, &record.options)?)),
    }
}

/// Claims what only one container may have: an id range and an address.
fn claim(
    env: &Environment,
    container: &Container,
    config: oci_spec::image::Config,
    identity: user::Identity,
) -> Result<Facts, Error> {
    let record = &container.record;
    let users = userns::claim(env, record)?;
    let ports = networks::published(&record.options, &config)?;
    let links = networks::claim(env, container, &ports)?;
    let hostname = match (&record.options.hostname, record.options.network) {
        (Some(name), _) => name.clone(),
        (None, NetworkMode::Host) => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        (None, _) => container.short_id().to_string(),
    };
    let cgroup = env.cgroup_of(record);
    Ok(Facts { config, identity, users, links, ports, hostname, cgroup })
}

fn running(facts: &Facts, pid: i32) -> Result<Running, Error> {
    Ok(Running {
        process: ProcessId::of(pid)?,
        started: Timestamp::now().to_string(),
        networks: facts.links.clone(),
        cgroup: facts.cgroup.clone(),
        maps: facts.users.as_ref().map(|users| users.maps.clone()),
        restarts: 0,
        nested: kernel::userns::nested(),
        ports: Vec::new(),
    })
}

/// `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, which the specification mounts.
fn write_network_files(env: &Environment, container: &Container, facts: &Facts) -> Result<(), Error> {
    let dir = container.path("etc");
    if !dir.is_dir() {
        DirBuilder::new().mode(0o755).create(&dir).map_err(on("create", &dir))?;
    }
    let options = &container.record.options;
    let resolv = networks::resolv(options, &facts.links);
    let hosts = networks::hosts(env, options, &container.record.id, &facts.hostname, &facts.links);
    write(&dir.join("hosts"), hosts.as_bytes())?;
    write(&dir.join("hostname"), format!("{}\n", facts.hostname).as_bytes())?;
    write(&dir.join("resolv.conf"), resolv.as_bytes())
}

fn connect(
    env: &Environment,
    container: &Container,
    facts: &Facts,
    created: &runtime::Created,
) -> Result<Option<Connection>, Error> {
    let options = &container.record.options;
    if options.network == NetworkMode::User {
        let slirp = Slirp::start(created.pid(), &container.dir, &facts.ports)?;
        return Ok(Some(Connection::User(slirp)));
    }
    if options.network == NetworkMode::Pasta {
        let pasta = Pasta::start(created.pid(), &container.dir, &facts.ports)?;
        return Ok(Some(Connection::Pasta(pasta)));
    }
    let Some(netns) = created.netns() else { return Ok(None) };
    if facts.links.is_empty() && matches!(options.network, NetworkMode::None | NetworkMode::Bridge) {
        network::loopback_up(netns)?;
    }
    networks::attach_all(env, &container.record, &facts.links, netns)?;
    match facts.links.iter().find(|link| !link.endpoint.ports.is_empty()) {
        None => Ok(None),
        Some(link) => {
            let published = network::publish(&link.endpoint);
            Ok(Some(Connection::Rules(published.map_err(|e| networks::name_holder(env, e))?)))
        }
    }
}
