//! What is mounted in a container, in order.

use std::path::Path;

use oci_spec::runtime::{Mount, MountBuilder};

use super::Facts;
use super::defaults::MOUNTS;
use crate::container::error::Error;
use crate::container::isolation::{Isolation, Share};
use crate::container::launch::Environment;
use crate::container::options::NetworkMode;
use crate::container::record::Container;
use crate::container::volume::{MountKind, MountRequest, Volumes, source_name};
/// The group of terminals, as everywhere.
const TTY: u32 = 5;

/// The file systems of every container, its network files, and what the user asked for, parents first.
pub fn all(env: &Environment, container: &Container, facts: &Facts) -> Result<Vec<Mount>, Error> {
    let options = &container.record.options;
    let isolation = &options.isolation;
    let host_network = options.network == NetworkMode::Host;
    let network_of = options
        .network_of
        .clone()
        .filter(|_| options.network == NetworkMode::Container)
        .map(Share::Container);
    let mut mounts = Vec::new();
    let requested = |path: &str| options.mounts.iter().any(|m| m.target == Path::new(path));
    for (destination, kind, mount_options) in MOUNTS {
        match destination {
            _ if requested(destination) => {}
            // A sysfs shows the network namespace's devices, and only that namespace's owner may make one.
            "/sys" if host_network && facts.nested() => mounts.push(host_sys()?),
            "/sys" if network_of.is_some() && facts.nested() => {
                mounts.push(shared(env, network_of.as_ref().unwrap_or(&Share::Host), destination)?);
            }
            "/sys/fs/cgroup" if host_network && facts.nested() => {}
            // A control group file system shows the namespace's groups, and only its owner may make one.
            "/sys/fs/cgroup" if isolation.cgroupns != Share::Private && facts.nested() => {
                mounts.push(mount(destination, "bind", destination, &["rbind", "rro", "rprivate"])?);
            }
            "/proc" if isolation.pid != Share::Private => {
                mounts.push(shared(env, &isolation.pid, destination)?)
            }
            "/dev/shm" | "/dev/mqueue" if isolation.ipc != Share::Private => {
                // Not every host has a mount for message queues.
                if isolation.ipc != Share::Host || Path::new(destination).exists() {
                    mounts.push(shared(env, &isolation.ipc, destination)?);
                }
            }
            // Its group for terminals is one of those that are not there.
            "/dev/pts" if !facts.has_group(TTY) => {
                let options: Vec<&str> =
                    mount_options.iter().copied().filter(|o| !o.starts_with("gid=")).collect();
                mounts.push(mount(destination, kind, kind, &options)?);
            }
            "/dev/shm" => mounts.push(shm(isolation, mount_options)?),
            "/sys" | "/sys/fs/cgroup" if isolation.privileged => {
                let writable: Vec<&str> = mount_options.iter().copied().filter(|o| *o != "ro").collect();
                mounts.push(mount(destination, kind, kind, &writable)?);
            }
            _ => mounts.push(mount(destination, kind, kind, mount_options)?),
        }
    }
    // Who shares a network shares its names.
    let files = match &network_of {
        Some(Share::Container(name)) => env.containers.find(name)?.path("etc"),
        _ => container.path("etc"),
    };
    for name in ["resolv.conf", "hostname", "hosts"] {
        let destination = format!("/etc/{name}");
        if !requested(&destination) {
            mounts.push(bind(&files.join(name), Path::new(&destination), facts, &["rprivate"])?);
        }
    }
    let mut wanted: Vec<&MountRequest> = options.mounts.iter().collect();
    wanted.sort_by_key(|m| m.target.components().count());
    for request in wanted {
        mounts.push(of(env, request, facts)?);
    }
    Ok(mounts)
}

/// What belongs to a namespace that is the host's or another container's is that one's own.
fn shared(env: &Environment, share: &Share, destination: &str) -> Result<Mount, Error> {
    let source = match share {
        Share::Container(name) => {
            let pid = env.containers.find(name)?.require_running()?.process.pid;
            format!("/proc/{pid}/root{destination}")
        }
        _ => destination.to_string(),
    };
    mount(destination, "bind", &source, &["bind", "nosuid", "noexec", "nodev", "rprivate"])
}

fn shm(isolation: &Isolation, options: &[&str]) -> Result<Mount, Error> {
    let size = isolation.shm_size.map(|bytes| format!("size={bytes}"));
    let mut options: Vec<&str> = options.to_vec();
    if let Some(size) = &size {
        options.retain(|option| !option.starts_with("size="));
        options.push(size);
    }
    mount("/dev/shm", "tmpfs", "tmpfs", &options)
}

fn host_sys() -> Result<Mount, Error> {
    mount("/sys", "bind", "/sys", &["rbind", "rro", "nosuid", "noexec", "nodev", "rprivate"])
}

fn of(env: &Environment, request: &MountRequest, facts: &Facts) -> Result<Mount, Error> {
    // What the kernel is told through /proc must reach the kernel.
    if request.target.starts_with("/proc") {
        return Err(Error::Flag {
            flag: "--volume",
            value: request.target.display().to_string(),
            reason: "nothing can be mounted over /proc".to_string(),
        });
    }
    let mut options = vec![request.propagation.as_deref().unwrap_or("rprivate")];
    match &request.kind {
        MountKind::Bind(source) => {
            let source = source.canonicalize().map_err(|_| Error::BindSource(source.clone()))?;
            options.extend(request.read_only.then_some("rro"));
            let recursion = if request.non_recursive { "bind" } else { "rbind" };
            bind_as(recursion, &source, &request.target, facts, &options)
        }
        MountKind::Volume(name) => {
            let content = Volumes::new(env.store.root()).content(name)?;
            if !content.path.is_dir() {
                return Err(Error::BindSource(content.path));
            }
            options.extend((request.read_only || content.read_only).then_some("rro"));
            bind(&content.path, &request.target, facts, &options)
        }
        MountKind::Image(_) => {
            options.push("rro");
            bind(Path::new(&source_name(&request.target)), &request.target, facts, &options)
        }
        MountKind::Given(name) => {
            options.extend(request.read_only.then_some("rro"));
            bind(Path::new(name), &request.target, facts, &options)
        }
        MountKind::Tmpfs(list) => {
            // What Docker mounts with, and what the user says over it.
            let mut options = vec!["nosuid", "nodev", "noexec"];
            options.extend(list.iter().map(String::as_str));
            mount(&request.target.to_string_lossy(), "tmpfs", "tmpfs", &options)
        }
    }
}

/// A bind mount whose files belong, inside, to the ids that they have on disk.
fn bind(source: &Path, target: &Path, facts: &Facts, options: &[&str]) -> Result<Mount, Error> {
    bind_as("rbind", source, target, facts, options)
}

fn bind_as(
    recursion: &str,
    source: &Path,
    target: &Path,
    facts: &Facts,
    options: &[&str],
) -> Result<Mount, Error> {
    let mut options = [&[recursion], options].concat();
    options.extend(facts.users.is_some().then_some("idmap"));
    mount(&target.to_string_lossy(), "bind", &source.to_string_lossy(), &options)
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Result<Mount, Error> {
    let options: Vec<String> = options.iter().map(|o| o.to_string()).collect();
    let mount = MountBuilder::default().destination(destination).typ(kind).source(source).options(options);
    Ok(mount.build()?)
}
