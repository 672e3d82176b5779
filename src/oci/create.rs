//! `create`

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use oci_spec::runtime::{LinuxDeviceCgroupBuilder, LinuxNamespaceType, LinuxResources, Spec};

use super::command::Create;
use super::config;
use super::error::Error;
use super::io;
use super::log::Log;
use super::record::{Containers, Record, write};
use crate::container::ProcessId;
use crate::runtime::cgroup::Cgroup;
use crate::runtime::{self, Created, Directory, Gate, Io, Subject};

/// Makes a container that waits for its start.
pub fn create(containers: &Containers, command: &Create, systemd: bool, log: &Log) -> Result<u8, Error> {
    let pid_file = command.pid_file.as_deref().map(absolute).transpose()?;
    let console_socket = command.console_socket.as_deref().map(absolute).transpose()?;
    let (spec, bundle) = load(command, systemd, log)?;
    let process = spec.process().clone().unwrap_or_default();
    let io = io::detached(&process, console_socket.as_deref())?;
    let (mut created, record) = make(containers, command, &spec, &bundle, io, true)?;
    let mut hand_over = || {
        let console = created.wait_ready()?;
        if let (Some(socket), Some(master)) = (&console_socket, &console) {
            io::send_console(socket, master)?;
        }
        remember(containers, &record, &spec)?;
        pid_file.iter().try_for_each(|path| write(path, record.process.pid.to_string().as_bytes()))
    };
    match hand_over() {
        Ok(()) => {
            created.leave();
            Ok(0)
        }
        Err(error) => {
            drop(created);
            undo(containers, &record)?;
            Err(error)
        }
    }
}

/// Reads a bundle and goes there, since its paths are relative to it.
pub fn load(command: &Create, systemd: bool, log: &Log) -> Result<(Spec, PathBuf), Error> {
    let bundle = absolute(&command.bundle)?;
    std::env::set_current_dir(&bundle).map_err(Error::io("change to", &bundle))?;
    let mut spec = config::spec(Path::new("config.json"), log)?;
    if !spec.version().starts_with("1.") {
        return Err(Error::Usage(format!("config.json is of version {}, not 1.x", spec.version())));
    }
    if command.preserve_fds > 0 {
        check_descriptors(command.preserve_fds)?;
    }
    let mut linux = spec.linux().clone().unwrap_or_default();
    let path = linux.cgroups_path().as_ref().map(|path| path.to_string_lossy().into_owned());
    linux.set_cgroups_path(Some(cgroup_path(path.as_deref(), &command.id, systemd)?.into()));
    if let Some(resources) = linux.resources().clone() {
        linux.set_resources(Some(with_default_devices(resources)?));
    }
    spec.set_linux(Some(linux));
    Ok((spec, bundle))
}

/// Every container may use the default devices and its terminals, whatever its rules say (runtime-spec, "Default
/// Devices"); nodes may be made of all devices.
fn with_default_devices(mut resources: LinuxResources) -> Result<LinuxResources, Error> {
    use oci_spec::runtime::LinuxDeviceType::{B, C};
    let numbers = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)];
    let some = numbers.map(|(major, minor)| (C, Some(major), Some(minor), "rwm"));
    let all = [(C, None, None, "m"), (B, None, None, "m"), (C, Some(136), None, "rwm")];
    let mut rules = resources.devices().clone().unwrap_or_default();
    for (kind, major, minor, access) in all.into_iter().chain(some) {
        let rule = LinuxDeviceCgroupBuilder::default().allow(true).typ(kind).access(access);
        let rule = match (major, minor) {
            (Some(major), Some(minor)) => rule.major(major).minor(minor),
            (Some(major), None) => rule.major(major),
            _ => rule,
        };
        rules.push(rule.build()?);
    }
    resources.set_devices(Some(rules));
    Ok(resources)
}

/// Those that are not there would else be something of ours.
fn check_descriptors(count: u32) -> Result<(), Error> {
    for fd in 3..3 + count {
        if !Path::new(&format!("/proc/self/fd/{fd}")).exists() {
            return Err(Error::Usage(format!("--preserve-fds {count}: descriptor {fd} is not open")));
        }
    }
    Ok(())
}

/// Where the group stands below each hierarchy: as it is told, as systemd would place it, or in a place of our own.
pub fn cgroup_path(path: Option<&str>, id: &str, systemd: bool) -> Result<String, Error> {
    let path = path.filter(|path| !path.is_empty());
    if !systemd {
        let path = path.map_or_else(|| format!("lay-oci/{id}"), str::to_string);
        return Ok(format!("/{}", path.trim_matches('/')));
    }
    let path = path.map_or_else(|| format!("system.slice:lay-oci:{id}"), str::to_string);
    let [slice, prefix, name] = path.split(':').collect::<Vec<_>>()[..] else {
        return Err(Error::Usage(format!("linux.cgroupsPath '{path}' is not of the form SLICE:PREFIX:NAME")));
    };
    let slice = if slice.is_empty() { "system.slice" } else { slice };
    let unit = match name.strip_suffix(".slice") {
        Some(_) => name.to_string(),
        None if prefix.is_empty() => format!("{name}.scope"),
        None => format!("{prefix}-{name}.scope"),
    };
    let bare = slice.strip_suffix(".slice");
    let bare = bare.ok_or_else(|| Error::Usage(format!("'{slice}' is no slice")))?;
    // A dash in a slice's name is a level (systemd.slice(5)).
    let mut full = String::new();
    if bare != "-" {
        let ends = bare.match_indices('-').map(|(at, _)| at).chain([bare.len()]);
        ends.for_each(|end| full.push_str(&format!("/{}.slice", &bare[..end])));
    }
    Ok(format!("{full}/{unit}"))
}

/// Makes the container's directory and processes; nothing is left of either after an error.
pub fn make(
    containers: &Containers,
    command: &Create,
    spec: &Spec,
    bundle: &Path,
    io: Io,
    gate: bool,
) -> Result<(Created, Record), Error> {
    let root = spec.root().as_ref().map_or_else(|| PathBuf::from("rootfs"), |root| root.path().clone());
    let rootfs = bundle.join(root);
    let linux = spec.linux().clone().unwrap_or_default();
    let cgroup = linux.cgroups_path().as_ref().map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
    let dir = containers.make(&command.id)?;
    let subject = Subject::new(&command.id, bundle, spec);
    let start = || -> Result<Created, Error> {
        Ok(runtime::create(runtime::Create {
            spec,
            id: &command.id,
            bundle,
            group: None,
            rootfs: &Directory(rootfs.clone()),
            io,
            init: false,
            die_with_parent: false,
            gate: if gate { Some(Gate::bind(&dir)?) } else { None },
            preserve_fds: command.preserve_fds,
            subject: Some(&subject),
        })?)
    };
    let created = start();
    let own_users = linux.namespaces().iter().flatten().any(|n| n.typ() == LinuxNamespaceType::User);
    let record = |created: &Created| -> Result<Record, Error> {
        Ok(Record {
            id: command.id.clone(),
            bundle: bundle.to_path_buf(),
            rootfs: rootfs.clone(),
            process: ProcessId::of(created.pid())?,
            created: Timestamp::now().to_string(),
            cgroup: cgroup.clone(),
            own_users,
            owner: rustix::process::getuid().as_raw(),
            annotations: spec.annotations().clone().unwrap_or_default(),
        })
    };
    let made = created.and_then(|created| record(&created).map(|record| (created, record)));
    if made.is_err() {
        // The first error says more than one of the clean-up could.
        let _ = Cgroup::open(&cgroup).and_then(|group| group.delete());
        let _ = std::fs::remove_dir_all(&dir);
    }
    made
}

/// Writes what later commands need.
pub fn remember(containers: &Containers, record: &Record, spec: &Spec) -> Result<(), Error> {
    let dir = containers.dir(&record.id)?;
    spec.save(dir.join("config.json"))?;
    let path = dir.join("state.json");
    let data = serde_json::to_vec(record).map_err(|source| Error::Json { path: path.clone(), source })?;
    write(&path, &data)
}

/// Removes what is left of a container whose processes are gone.
pub fn undo(containers: &Containers, record: &Record) -> Result<(), Error> {
    let group = Cgroup::open(&record.cgroup)?;
    group.kill()?;
    group.delete()?;
    let dir = containers.dir(&record.id)?;
    std::fs::remove_dir_all(&dir).map_err(Error::io("remove", &dir))
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(Error::io("find", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stand_where_runc_would_put_them() {
        let path = |path, systemd| cgroup_path(path, "id", systemd).unwrap();
        assert_eq!(path(Some("/docker/x"), false), "/docker/x");
        assert_eq!(path(Some("relative/x"), false), "/relative/x");
        assert_eq!(path(None, false), "/lay-oci/id");
        assert_eq!(path(Some("a-b-c.slice:crio:x"), true), "/a.slice/a-b.slice/a-b-c.slice/crio-x.scope");
        assert_eq!(path(Some(":docker:x"), true), "/system.slice/docker-x.scope");
        assert_eq!(path(Some("-.slice::x"), true), "/x.scope");
        assert!(cgroup_path(Some("/plain"), "id", true).is_err());
    }
}
