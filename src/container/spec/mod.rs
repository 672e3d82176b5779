//! From an image's configuration and a user's options to an OCI runtime specification.

mod defaults;
mod env;
pub(super) mod limits;
mod mounts;
mod seccomp;

use std::collections::HashMap;

use oci_spec::image::Config;
use oci_spec::runtime::{
    Capabilities, Capability, Linux, LinuxBuilder, LinuxCapabilitiesBuilder, LinuxNamespace,
    LinuxNamespaceBuilder, LinuxNamespaceType, LinuxResources, Process, ProcessBuilder, RootBuilder, Spec,
    SpecBuilder, UserBuilder,
};

use super::error::Error;
use super::isolation::Share;
use super::launch::Environment;
use super::networks::Attached;
use super::options::{NetworkMode, Options};
use super::record::{Container, Record};
use super::security::Seccomp;
use super::user::Identity;
use super::userns::Users;
use crate::kernel::userns;

pub(super) use defaults::all_capabilities;
pub(super) use env::set as set_env;
pub(super) use seccomp::Profile;

/// What is known of a container when it is about to start.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The image's configuration.
    pub config: Config,
    /// Who its first process is.
    pub identity: Identity,
    /// Its user namespace; none for the one that `lay` is in.
    pub users: Option<Users>,
    /// What it is on its networks.
    pub links: Vec<Attached>,
    /// Its ports that lead in from the host.
    pub ports: Vec<crate::network::PortMapping>,
    /// Its host name.
    pub hostname: String,
    /// Path of its control group below each hierarchy.
    pub cgroup: String,
}

impl Facts {
    /// What belongs to the machine's own namespaces is not its to make.
    pub fn nested(&self) -> bool {
        self.users.is_some() || userns::nested()
    }

    /// Whether its user namespace has a group.
    pub fn has_group(&self, gid: u32) -> bool {
        match &self.users {
            Some(users) => users.maps.has_group(gid),
            None => !userns::single(),
        }
    }

    /// The last of its groups from 0 on.
    fn last_group(&self) -> u32 {
        match &self.users {
            // There is always root.
            Some(users) => users.maps.last_group().unwrap_or(0),
            None => u32::try_from(userns::current().ids.saturating_sub(1)).unwrap_or(u32::MAX),
        }
    }
}

/// Reads the configuration of a container's image.
///
/// # Errors
/// When it is gone or damaged.
pub fn image_config(env: &Environment, record: &Record) -> Result<Config, Error> {
    let bytes = env.store.read_blob(&record.image_id, crate::image::MAX_DOCUMENT);
    let bytes = bytes.map_err(|source| Error::ImageConfig { image: record.image.clone(), source })?;
    let config: oci_spec::image::ImageConfiguration = serde_json::from_slice(&bytes)
        .map_err(|source| Error::Record { path: env.store.blob_path(&record.image_id), source })?;
    Ok(config.config().clone().unwrap_or_default())
}

/// What a container's control group is told.
///
/// # Errors
/// When an option names something that does not exist.
pub fn resources(cgroup: &str, options: &Options) -> Result<LinuxResources, Error> {
    let isolation = &options.isolation;
    let mut rules: Vec<_> = isolation.device_nodes()?.into_iter().map(|(_, rule)| rule).collect();
    rules.extend(isolation.rules()?);
    Ok(limits::within(cgroup, limits::resources(&options.resources, rules)?))
}

/// Builds the specification.
///
/// # Errors
/// When an option names something that does not exist.
pub fn generate(env: &Environment, container: &Container, facts: &Facts) -> Result<Spec, Error> {
    let options = &container.record.options;
    let root = RootBuilder::default().path(container.path("rw")).readonly(options.read_only).build()?;
    let spec = SpecBuilder::default()
        .version("1.2.0")
        .root(root)
        .process(process(&container.record, facts)?)
        .mounts(mounts::all(env, container, facts)?)
        .linux(linux(env, options, facts)?);
    let mut spec = spec.build()?;
    // In the host's UTS namespace, it would rename the host.
    let own_name = options.isolation.uts == Share::Private;
    spec.set_hostname(own_name.then(|| facts.hostname.clone()));
    spec.set_domainname(options.domainname.clone().filter(|_| own_name));
    let annotations = &options.annotations;
    spec.set_annotations((!annotations.is_empty()).then(|| annotations.clone().into_iter().collect()));
    Ok(spec)
}

fn process(record: &Record, facts: &Facts) -> Result<Process, Error> {
    let options = &record.options;
    let identity = &facts.identity;
    let user = UserBuilder::default()
        .uid(identity.uid)
        .gid(identity.gid)
        .additional_gids(identity.groups.clone())
        .build()?;
    let cwd = options.workdir.as_deref().or(facts.config.working_dir().as_deref()).filter(|d| !d.is_empty());
    let cwd = cwd.unwrap_or("/");
    if !cwd.starts_with('/') {
        let reason = "the working directory must be an absolute path".to_string();
        return Err(Error::Flag { flag: "--workdir", value: cwd.to_string(), reason });
    }
    let capabilities = capabilities(options)?;
    let sets = LinuxCapabilitiesBuilder::default()
        .bounding(capabilities.clone())
        .effective(capabilities.clone())
        .permitted(capabilities)
        .inheritable(Capabilities::new())
        .ambient(Capabilities::new())
        .build()?;
    let process = ProcessBuilder::default()
        .terminal(options.tty)
        .user(user)
        .args(record.args.clone())
        .env(env::of(options, facts))
        .cwd(cwd)
        .capabilities(sets)
        .rlimits(options.isolation.rlimits()?)
        .no_new_privileges(options.security.no_new_privileges);
    Ok(match options.isolation.oom_score_adj {
        Some(score) => process.oom_score_adj(score),
        None => process,
    }
    .build()?)
}

/// Docker's default set, with what is added and without what is dropped; `ALL` stands for all.
fn capabilities(options: &Options) -> Result<Capabilities, Error> {
    let parse = |flag, name: &String| {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        bare.parse::<Capability>().map_err(|_| Error::Flag {
            flag,
            value: name.clone(),
            reason: "there is no such capability".to_string(),
        })
    };
    let is_all = |name: &String| name.eq_ignore_ascii_case("all");
    let mut set: Capabilities = match options.cap_drop.iter().any(is_all) {
        true => Capabilities::new(),
        false => defaults::CAPABILITIES.into_iter().collect(),
    };
    if options.isolation.privileged {
        set.extend(all_capabilities());
    }
    if options.cap_add.iter().any(is_all) {
        set.extend(all_capabilities());
    }
    for name in options.cap_drop.iter().filter(|n| !is_all(n)) {
        set.remove(&parse("--cap-drop", name)?);
    }
    for name in options.cap_add.iter().filter(|n| !is_all(n)) {
        set.insert(parse("--cap-add", name)?);
    }
    Ok(set)
}

fn linux(env: &Environment, options: &Options, facts: &Facts) -> Result<Linux, Error> {
    let isolation = &options.isolation;
    let devices = isolation.device_nodes()?.into_iter().map(|(device, _)| device).collect::<Vec<_>>();
    let unless_privileged = |paths: &[&str]| {
        let bare = isolation.privileged || options.security.bare_paths;
        if bare { Vec::new() } else { paths.iter().map(|p| p.to_string()).collect() }
    };
    let mut linux = LinuxBuilder::default()
        .namespaces(namespaces(env, options, facts)?)
        .resources(resources(&facts.cgroup, options)?)
        .devices(devices)
        .masked_paths(unless_privileged(&defaults::MASKED))
        .readonly_paths(unless_privileged(&defaults::READ_ONLY));
    if !facts.cgroup.is_empty() {
        linux = linux.cgroups_path(&facts.cgroup);
    }
    if let Some(Users { maps, path: None }) = &facts.users {
        let [uids, gids] = maps.mappings()?;
        linux = linux.uid_mappings(uids).gid_mappings(gids);
    }
    let unconfined = isolation.privileged && matches!(options.security.seccomp, Seccomp::Default);
    let wanted = if unconfined { &Seccomp::Unconfined } else { &options.security.seccomp };
    if let Some(rules) = seccomp::rules(wanted, &capabilities(options)?)? {
        linux = linux.seccomp(rules);
    }
    let mut parameters: HashMap<String, String> = HashMap::new();
    if !matches!(options.network, NetworkMode::Host | NetworkMode::Container) {
        // Low ports and ping sockets need no capability in a network namespace of one's own.
        let groups = format!("0 {}", facts.last_group().min(2_147_483_647));
        let sysctls = [("net.ipv4.ip_unprivileged_port_start", "0"), ("net.ipv4.ping_group_range", &groups)];
        parameters.extend(sysctls.map(|(key, value)| (key.to_string(), value.to_string())));
    }
    parameters.extend(isolation.sysctls.iter().cloned());
    Ok(linux.sysctl(parameters).build()?)
}

fn namespaces(env: &Environment, options: &Options, facts: &Facts) -> Result<Vec<LinuxNamespace>, Error> {
    use LinuxNamespaceType as Ns;
    let isolation = &options.isolation;
    let mut kinds = vec![Ns::Mount];
    let mut joined = Vec::new();
    let shared = [
        (Ns::Pid, &isolation.pid, "pid"),
        (Ns::Ipc, &isolation.ipc, "ipc"),
        (Ns::Uts, &isolation.uts, "uts"),
        (Ns::Cgroup, &isolation.cgroupns, "cgroup"),
    ];
    for (kind, share, file) in shared {
        match share {
            Share::Private => kinds.push(kind),
            Share::Host => {}
            Share::Container(name) => {
                let pid = env.containers.find(name)?.require_running()?.process.pid;
                let namespace =
                    LinuxNamespaceBuilder::default().typ(kind).path(format!("/proc/{pid}/ns/{file}"));
                joined.push(namespace.build()?);
            }
        }
    }
    match &facts.users {
        Some(Users { path: Some(path), .. }) => {
            joined.push(LinuxNamespaceBuilder::default().typ(Ns::User).path(path).build()?)
        }
        Some(Users { path: None, .. }) => kinds.push(Ns::User),
        None => {}
    }
    match &options.network_of {
        _ if options.network == NetworkMode::Host => {}
        Some(name) if options.network == NetworkMode::Container => {
            let pid = env.containers.find(name)?.require_running()?.process.pid;
            let path = format!("/proc/{pid}/ns/net");
            joined.push(LinuxNamespaceBuilder::default().typ(Ns::Network).path(path).build()?);
        }
        _ => kinds.push(Ns::Network),
    }
    let build = |kind| LinuxNamespaceBuilder::default().typ(kind).build().map_err(Error::from);
    let new = kinds.into_iter().map(build).collect::<Result<Vec<_>, _>>()?;
    Ok([new, joined].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_added_and_dropped_as_in_docker() {
        let set = |add: &[&str], drop: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|s| s.to_string()).collect();
            capabilities(&Options { cap_add: own(add), cap_drop: own(drop), ..Options::default() })
        };
        let default = set(&[], &[]).unwrap();
        assert_eq!(default.len(), 14);
        assert!(!default.contains(&Capability::SysAdmin));
        assert_eq!(set(&[], &["all"]).unwrap().len(), 0);
        assert_eq!(set(&["net_admin"], &["ALL"]).unwrap(), [Capability::NetAdmin].into());
        assert!(!set(&["ALL"], &["CAP_SYS_ADMIN"]).unwrap().contains(&Capability::SysAdmin));
        assert!(set(&["ALL"], &[]).unwrap().contains(&Capability::SysAdmin));
        assert!(set(&["FLY"], &[]).is_err());
    }
}
