//! What a container shares with the host or with another container, and what it is given of the host.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{
    LinuxDevice, LinuxDeviceBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType,
    PosixRlimit, PosixRlimitBuilder,
};
use serde::{Deserialize, Serialize};

use super::error::Error;

/// Whose namespace of a kind a container lives in.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// One of its own.
    #[default]
    Private,
    /// The host's.
    Host,
    /// That of a running container, by name or id.
    Container(String),
}

impl Share {
    /// Reads `private`, `host` or `container:NAME`.
    ///
    /// # Errors
    /// [`Error::Flag`] with the flag's name when it is none of these.
    pub fn parse(flag: &'static str, text: &str) -> Result<Share, Error> {
        match (text, text.split_once(':')) {
            ("" | "private" | "shareable", _) => Ok(Share::Private),
            ("host", _) => Ok(Share::Host),
            (_, Some(("container", name))) if !name.is_empty() => Ok(Share::Container(name.to_string())),
            _ => {
                let reason = "it is private, host or container:NAME".to_string();
                Err(Error::Flag { flag, value: text.to_string(), reason })
            }
        }
    }
}

/// A device of the host that a container may use.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct DeviceRequest {
    /// Path on the host; a directory stands for all devices below it.
    pub source: PathBuf,
    /// Path in the container.
    pub target: PathBuf,
    /// Of `r`, `w` and `m`.
    pub access: String,
}

/// All that loosens or tightens a container's isolation beside capabilities and system calls.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Isolation {
    /// `--privileged`.
    pub privileged: bool,
    /// `--device`.
    pub devices: Vec<DeviceRequest>,
    /// `--device-cgroup-rule`, such as `c 42:* rwm`.
    pub device_rules: Vec<String>,
    /// `--ulimit`: name, soft and hard limit.
    pub ulimits: Vec<(String, u64, u64)>,
    /// `--sysctl`.
    pub sysctls: Vec<(String, String)>,
    /// `--shm-size`, in bytes.
    pub shm_size: Option<i64>,
    /// `--oom-score-adj`, -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// `--ipc`.
    pub ipc: Share,
    /// `--pid`.
    pub pid: Share,
    /// `--uts`.
    pub uts: Share,
    /// `--cgroupns`.
    pub cgroupns: Share,
}

impl DeviceRequest {
    /// Reads `SOURCE[:TARGET][:ACCESS]`.
    ///
    /// # Errors
    /// [`Error::Flag`].
    pub fn parse(text: &str) -> Result<DeviceRequest, Error> {
        let bad = |reason: &str| Error::Flag {
            flag: "--device",
            value: text.to_string(),
            reason: reason.to_string(),
        };
        let is_access = |part: &str| !part.is_empty() && part.chars().all(|c| "rwm".contains(c));
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, access) = match parts[..] {
            [source] => (source, source, "rwm"),
            [source, access] if is_access(access) => (source, source, access),
            [source, target] => (source, target, "rwm"),
            [source, target, access] if is_access(access) => (source, target, access),
            _ => return Err(bad("expected SOURCE[:TARGET][:rwm]")),
        };
        if !source.starts_with('/') || !target.starts_with('/') {
            return Err(bad("paths must be absolute"));
        }
        Ok(DeviceRequest { source: source.into(), target: target.into(), access: access.to_string() })
    }

    /// Its nodes, with the rules that allow their use.
    fn nodes(&self) -> Result<Vec<(LinuxDevice, LinuxDeviceCgroup)>, Error> {
        let missing = |e: std::io::Error| Error::Flag {
            flag: "--device",
            value: self.source.display().to_string(),
            reason: e.to_string(),
        };
        let meta = std::fs::metadata(&self.source).map_err(missing)?;
        if meta.is_dir() {
            return below(&self.source, &self.target, &self.access);
        }
        match node(&self.target, &meta, &self.access)? {
            Some(found) => Ok(vec![found]),
            None => Err(Error::Flag {
                flag: "--device",
                value: self.source.display().to_string(),
                reason: "it is no device".to_string(),
            }),
        }
    }
}

type Node = (LinuxDevice, LinuxDeviceCgroup);

fn node(target: &Path, meta: &std::fs::Metadata, access: &str) -> Result<Option<Node>, Error> {
    let kind = match meta.file_type() {
        t if t.is_char_device() => LinuxDeviceType::C,
        t if t.is_block_device() => LinuxDeviceType::B,
        _ => return Ok(None),
    };
    let (major, minor) = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
    let device = LinuxDeviceBuilder::default()
        .path(target)
        .typ(kind)
        .major(i64::from(major))
        .minor(i64::from(minor))
        .file_mode(meta.mode() & 0o777)
        .uid(0u32)
        .gid(0u32)
        .build()?;
    let rule = LinuxDeviceCgroupBuilder::default()
        .allow(true)
        .typ(kind)
        .major(i64::from(major))
        .minor(i64::from(minor))
        .access(access)
        .build()?;
    Ok(Some((device, rule)))
}

/// All devices below a directory but those that a container has of its own.
fn below(source: &Path, target: &Path, access: &str) -> Result<Vec<Node>, Error> {
    const OWN: [&str; 7] = ["pts", "shm", "mqueue", "fd", "console", "ptmx", "tty"];
    let mut nodes = Vec::new();
    // What vanishes meanwhile is not there.
    for entry in std::fs::read_dir(source).into_iter().flatten().flatten() {
        let (path, into) = (entry.path(), target.join(entry.file_name()));
        let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
        if OWN.iter().any(|own| into == Path::new("/dev").join(own)) {
            continue;
        }
        match meta.is_dir() {
            true => nodes.extend(below(&path, &into, access)?),
            false => nodes.extend(node(&into, &meta, access)?),
        }
    }
    Ok(nodes)
}

impl Isolation {
    /// The devices that it adds, with the rules for them.
    ///
    /// # Errors
    /// [`Error::Flag`] when one does not exist.
    pub fn device_nodes(&self) -> Result<Vec<Node>, Error> {
        let mut nodes = Vec::new();
        if self.privileged {
            nodes.extend(below(Path::new("/dev"), Path::new("/dev"), "rwm")?);
        }
        for device in &self.devices {
            nodes.extend(device.nodes()?);
        }
        Ok(nodes)
    }

    /// Rules for devices that are told by number, and the one of `--privileged`.
    ///
    /// # Errors
    /// [`Error::Flag`].
    pub fn rules(&self) -> Result<Vec<LinuxDeviceCgroup>, Error> {
        let mut rules = self.device_rules.iter().map(|text| rule(text)).collect::<Result<Vec<_>, _>>()?;
        if self.privileged {
            rules.push(LinuxDeviceCgroupBuilder::default().allow(true).access("rwm").build()?);
        }
        Ok(rules)
    }

    /// Limits of the first process.
    ///
    /// # Errors
    /// [`Error::Flag`].
    pub fn rlimits(&self) -> Result<Vec<PosixRlimit>, Error> {
        let limit = |(name, soft, hard): &(String, u64, u64)| {
            let bad = || Error::Flag {
                flag: "--ulimit",
                value: name.clone(),
                reason: "there is no such limit".to_string(),
            };
            let kind = serde_json::from_value(format!("RLIMIT_{}", name.to_ascii_uppercase()).into());
            Ok(PosixRlimitBuilder::default()
                .typ::<oci_spec::runtime::PosixRlimitType>(kind.map_err(|_| bad())?)
                .soft(*soft)
                .hard(*hard)
                .build()?)
        };
        self.ulimits.iter().map(limit).collect()
    }
}

/// Reads `NAME=SOFT[:HARD]`; -1 is no limit.
///
/// # Errors
/// [`Error::Flag`].
pub fn parse_ulimit(text: &str) -> Result<(String, u64, u64), Error> {
    let bad =
        |reason: &str| Error::Flag { flag: "--ulimit", value: text.to_string(), reason: reason.to_string() };
    let number = |text: &str| match text {
        "-1" | "unlimited" => Ok(u64::MAX),
        text => text.parse().map_err(|_| bad("a limit is a number, or -1")),
    };
    let (name, limits) = text.split_once('=').ok_or_else(|| bad("expected NAME=SOFT[:HARD]"))?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let (soft, hard) = (number(soft)?, number(hard)?);
    if soft > hard {
        return Err(bad("the soft limit is over the hard one"));
    }
    let parsed = (name.to_string(), soft, hard);
    Isolation { ulimits: vec![parsed.clone()], ..Isolation::default() }.rlimits()?;
    Ok(parsed)
}

/// `TYPE MAJOR:MINOR ACCESS`, with `*` for any number (cgroup v1's `devices.allow`).
fn rule(text: &str) -> Result<LinuxDeviceCgroup, Error> {
    let bad = || Error::Flag {
        flag: "--device-cgroup-rule",
        value: text.to_string(),
        reason: "expected such as 'c 42:* rwm'".to_string(),
    };
    let [kind, numbers, access] = text.split_whitespace().collect::<Vec<_>>()[..] else { return Err(bad()) };
    let kind = match kind {
        "a" => LinuxDeviceType::A,
        "b" => LinuxDeviceType::B,
        "c" => LinuxDeviceType::C,
        _ => return Err(bad()),
    };
    let number = |text: &str| match text {
        "*" => Ok(None),
        text => text.parse::<u32>().map(|n| Some(i64::from(n))).map_err(|_| bad()),
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(bad)?;
    if access.is_empty() || !access.chars().all(|c| "rwm".contains(c)) {
        return Err(bad());
    }
    let mut rule = LinuxDeviceCgroupBuilder::default().allow(true).typ(kind).access(access);
    if let Some(major) = number(major)? {
        rule = rule.major(major);
    }
    if let Some(minor) = number(minor)? {
        rule = rule.minor(minor);
    }
    Ok(rule.build()?)
}

/// Checks a rule for devices.
///
/// # Errors
/// [`Error::Flag`].
pub fn check_device_rule(text: &str) -> Result<(), Error> {
    rule(text).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_docker_reads_them() {
        let device = |text| DeviceRequest::parse(text).map(|d| (d.source, d.target, d.access));
        let of = |s: &str, t: &str, a: &str| (PathBuf::from(s), PathBuf::from(t), a.to_string());
        assert_eq!(device("/dev/x").unwrap(), of("/dev/x", "/dev/x", "rwm"));
        assert_eq!(device("/dev/x:r").unwrap(), of("/dev/x", "/dev/x", "r"));
        assert_eq!(device("/dev/x:/dev/y:rw").unwrap(), of("/dev/x", "/dev/y", "rw"));
        for bad in ["x", "/dev/x:/dev/y:q", "/dev/x:y", ""] {
            assert!(device(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_and_rules_are_checked() {
        assert_eq!(parse_ulimit("nofile=10:20").unwrap(), ("nofile".to_string(), 10, 20));
        assert_eq!(parse_ulimit("core=-1").unwrap().2, u64::MAX);
        for bad in ["nofile", "nofile=2:1", "fly=1", "nofile=x"] {
            assert!(parse_ulimit(bad).is_err(), "{bad}");
        }
        assert!(check_device_rule("c 42:* rwm").is_ok());
        for bad in ["c 42 rwm", "x 1:2 r", "c 1:2", "c 1:2 q"] {
            assert!(check_device_rule(bad).is_err(), "{bad}");
        }
        assert_eq!(Share::parse("--pid", "container:x").unwrap(), Share::Container("x".into()));
        assert!(Share::parse("--pid", "mars").is_err());
    }
}
