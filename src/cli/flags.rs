//! Flags that say what a container is like.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};

use super::failure::{Failure, Tried};
use super::health::HealthFlags;
use super::isolation::IsolationFlags;
use super::limits::LimitFlags;
use super::logging::LogFlags;
use super::netflags::NetworkFlags;
use super::others::OtherFlags;
use super::userns::UsernsFlags;
use crate::container::{
    Options, RestartPolicy, Security, parse_mount, parse_storage, parse_tmpfs, parse_volume,
};
use crate::kernel::userns;

/// Flags of commands that create a container.
#[derive(Args, Debug)]
pub struct CreateFlags {
    /// Name of the container; one is made up without
    #[arg(long)]
    name: Option<String>,
    /// Keep stdin open and pass it on
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the container a terminal
    #[arg(short, long)]
    tty: bool,
    /// Remove the container when it ends
    #[arg(long)]
    rm: bool,
    /// Set an environment variable; NAME alone takes the value from here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Working directory in the container
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// User, by name or number, and group
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Put its user into a further group, by name or number
    #[arg(long, value_name = "GROUP")]
    group_add: Vec<String>,
    /// Run this instead of the image's entrypoint
    #[arg(long, value_name = "COMMAND")]
    entrypoint: Option<String>,
    /// Mount a file, directory or named volume
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:ro]")]
    volume: Vec<String>,
    /// The same in long form: type=bind|volume|tmpfs|image,source=...,target=...,readonly
    #[arg(long, value_name = "OPTIONS")]
    mount: Vec<String>,
    /// Mount what another container has
    #[arg(long, value_name = "CONTAINER[:ro]")]
    volumes_from: Vec<String>,
    /// Mount memory
    #[arg(long, value_name = "TARGET[:OPTIONS]")]
    tmpfs: Vec<String>,
    /// Forbid writing to the container's root
    #[arg(long)]
    read_only: bool,
    /// Host name
    #[arg(short = 'h', long, value_name = "NAME")]
    hostname: Option<String>,
    /// Domain name, as the kernel keeps one beside the host name
    #[arg(long, value_name = "NAME")]
    domainname: Option<String>,
    /// Annotation of the OCI configuration that it runs by
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Run a small process 1 that reaps orphans and forwards signals
    #[arg(long)]
    init: bool,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    isolation: IsolationFlags,
    #[command(flatten)]
    network: NetworkFlags,
    /// Add a capability, or ALL
    #[arg(long, value_name = "CAPABILITY", help_heading = "Security")]
    cap_add: Vec<String>,
    /// Drop a capability, or ALL
    #[arg(long, value_name = "CAPABILITY", help_heading = "Security")]
    cap_drop: Vec<String>,
    /// seccomp=FILE or seccomp=unconfined: system calls that it may use; no-new-privileges: none by set-user-ID files;
    /// systempaths=unconfined: nothing of /proc and /sys masked or read-only
    #[arg(long, value_name = "OPTION", help_heading = "Security")]
    security_opt: Vec<String>,
    #[command(flatten)]
    userns: UsernsFlags,
    /// Add a label
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    label_file: Vec<PathBuf>,
    /// Signal that asks the container to stop
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// Seconds that it may take to stop before it is killed, -1 for ever [default: 10]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    stop_timeout: Option<i64>,
    /// When to start it again after its end: no, on-failure[:N], always or unless-stopped
    #[arg(long, value_name = "POLICY", default_value = "no")]
    restart: String,
    #[command(flatten)]
    health: HealthFlags,
    /// size=BYTES: bound what it may write to its own files, where the file system has quotas of projects
    #[arg(long, value_name = "OPTION", help_heading = "Limits")]
    storage_opt: Vec<String>,
    /// Resource group whose limits it shares
    #[arg(long, value_name = "NAME", help_heading = "Limits")]
    group: Option<String>,
    /// Control group under which it gets its own, instead of the one for all containers
    #[arg(long, value_name = "PATH", help_heading = "Limits", conflicts_with = "group")]
    cgroup_parent: Option<String>,
    #[command(flatten)]
    log: LogFlags,
    #[command(flatten)]
    others: OtherFlags,
    /// Write the container's id to a file
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// Show this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl CreateFlags {
    /// Whether this user is to have its own ids in the container.
    pub fn keeps_ids(&self) -> bool {
        self.userns.keeps_ids()
    }

    /// Containers whose namespaces it shares.
    pub fn containers(&self) -> impl Iterator<Item = &str> {
        let of = self.network.container();
        self.userns.container().into_iter().chain(of).chain(self.isolation.containers())
    }

    fn restart(&self) -> Result<RestartPolicy, Failure> {
        let policy: RestartPolicy = self.restart.parse().tried(|| "invalid flag".to_string())?;
        match self.rm && policy != RestartPolicy::No {
            true => Err(Failure::new("--rm and --restart contradict each other")),
            false => Ok(policy),
        }
    }

    /// What the flags say, with the command and its arguments.
    pub fn options(&self, command: &[String]) -> Result<Options, Failure> {
        self.others.check()?;
        let bad = || "invalid flag".to_string();
        let mut mounts = Vec::new();
        for volume in &self.volume {
            mounts.push(parse_volume(volume).tried(bad)?);
        }
        for mount in &self.mount {
            mounts.push(parse_mount(mount).tried(bad)?);
        }
        for tmpfs in &self.tmpfs {
            mounts.push(parse_tmpfs(tmpfs).tried(bad)?);
        }
        let network = self.network.parse()?;
        let annotations = self.annotation.iter().map(|text| pair("--annotation", "KEY=VALUE", text));
        Ok(Options {
            name: self.name.clone(),
            command: command.to_vec(),
            entrypoint: self.entrypoint.clone(),
            env: environment(&self.env_file, &self.env)?,
            workdir: self.workdir.clone(),
            user: self.user.clone().or_else(|| userns::keeps_ids().then(own_ids)),
            group_add: self.group_add.clone(),
            hostname: self.hostname.clone(),
            domainname: self.domainname.clone(),
            annotations: annotations.collect::<Result<_, _>>()?,
            tty: self.tty,
            interactive: self.interactive,
            auto_remove: self.rm,
            init: self.init,
            read_only: self.read_only,
            network: network.mode,
            joins: network.joins,
            network_of: network.of,
            userns: self.userns.mode(self.isolation.privileged)?,
            ports: network.ports,
            publish_all: network.publish_all,
            exposed: network.exposed,
            mounts,
            volumes_from: self.volumes_from.clone(),
            add_hosts: network.add_hosts,
            dns: network.dns,
            dns_search: network.dns_search,
            dns_options: network.dns_options,
            labels: labels(&self.label_file, &self.label)?,
            stop_signal: self.stop_signal.clone(),
            stop_timeout: self.stop_timeout,
            restart: self.restart()?,
            health: self.health.check()?,
            stdin_once: false,
            resources: self.limits.resources()?,
            isolation: self.isolation.isolation()?,
            cap_add: self.cap_add.clone(),
            cap_drop: self.cap_drop.clone(),
            security: Security::parse(&self.security_opt).tried(bad)?,
            group: self.group.clone(),
            cgroup_parent: self.cgroup_parent.as_deref().map(cgroup_parent).transpose()?,
            storage_size: parse_storage(&self.storage_opt).tried(bad)?,
            log: self.log.config()?,
            cidfile: self.cidfile.clone(),
        })
    }
}

/// `NAME=VALUE`; a name alone has an empty value.
pub fn pairs(texts: &[String]) -> BTreeMap<String, String> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (name.to_string(), value.to_string())
    };
    texts.iter().map(pair).collect()
}

/// The value of a flag that is of a form such as `NAME=VALUE`, the name not empty.
pub fn pair(flag: &str, form: &str, text: &str) -> Result<(String, String), Failure> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) =
        parts.ok_or_else(|| Failure::new(format!("invalid value '{text}' for {flag}: expected {form}")))?;
    Ok((name.to_string(), value.to_string()))
}

/// The value of `--cgroup-parent`: a path below each hierarchy; the name of a systemd slice is one too.
pub fn cgroup_parent(text: &str) -> Result<String, Failure> {
    let path = text.trim_matches('/');
    match path.is_empty() || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        true => Err(Failure::new(format!(
            "invalid value '{text}' for --cgroup-parent: expected the path of a control group, such as /batch"
        ))),
        false => Ok(format!("/{path}")),
    }
}

/// The user who keeps its ids, as `--user` takes it.
fn own_ids() -> String {
    format!("{}:{}", rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// Files first, then flags; a name without a value takes the value from this process's environment, if it has one.
pub fn environment(files: &[PathBuf], flags: &[String]) -> Result<Vec<String>, Failure> {
    let mut entries = Vec::new();
    for path in files {
        entries.extend(env_file(path)?);
    }
    entries.extend(flags.iter().cloned());
    let resolve = |entry: String| match entry.split_once('=') {
        Some(("", _)) => {
            Some(Err(Failure::new(format!("invalid environment variable '{entry}': it has no name"))))
        }
        Some(_) => Some(Ok(entry)),
        None => std::env::var(&entry).ok().map(|value| Ok(format!("{entry}={value}"))),
    };
    entries.into_iter().filter_map(resolve).collect()
}

/// Files first, then flags: the last one counts.
fn labels(files: &[PathBuf], flags: &[String]) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for path in files {
        all.extend(env_file(path)?);
    }
    all.extend(flags.iter().cloned());
    match all.iter().find(|label| label.starts_with('=') || label.is_empty()) {
        Some(label) => Err(Failure::new(format!("invalid label '{label}': it has no name"))),
        None => Ok(all),
    }
}

/// `NAME=VALUE` a line; empty lines and those that begin with `#` do not count.
fn env_file(path: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path).tried(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let check = |line: &str| {
        let name = line.split('=').next().unwrap_or_default();
        match name.contains(char::is_whitespace) {
            true => Err(Failure::new(format!("{}: name '{name}' contains whitespace", path.display()))),
            false => Ok(line.to_string()),
        }
    };
    lines.map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    #[command(disable_help_flag = true)]
    struct Line {
        #[command(flatten)]
        flags: CreateFlags,
    }

    fn options(args: &[&str]) -> Result<Options, Failure> {
        let line = Line::try_parse_from([&["x"], args].concat()).map_err(|e| Failure::new(e.to_string()))?;
        line.flags.options(&[])
    }

    #[test]
    fn limits_reach_the_options() {
        let options =
            options(&["--cpus", "0.25", "-m", "64m", "--memory-swap", "-1", "--pids-limit", "-1"]).unwrap();
        let limits = options.resources;
        assert_eq!(limits.cpu_quota, Some(25_000));
        assert_eq!(
            (limits.memory, limits.memory_swap, limits.pids_limit),
            (Some(64 << 20), Some(-1), Some(-1))
        );
    }

    #[test]
    fn contradictions_are_refused() {
        for bad in [
            &["--network", "none", "-p", "80:80"][..],
            &["--network", "none", "--network", "a1"],
            &["--network", "host", "--ip", "10.0.0.2"],
            &["--add-host", "nocolon"],
            &["-e", "=x"],
            &["--memory-swap", "1g"],
        ] {
            assert!(options(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn variables_come_from_files_flags_and_here() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# comment\nA=1\n\n  B=two words\nLAY_TEST_UNSET\n").unwrap();
        let path = file.path().to_string_lossy().into_owned();
        let options = options(&["--env-file", &path, "-e", "PATH", "-e", "C=3"]).unwrap();
        let path = format!("PATH={}", std::env::var("PATH").unwrap());
        assert_eq!(options.env, ["A=1", "B=two words", &path, "C=3"]);
    }
}
