//! From an image and options to a container that can be started.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;

use jiff::Timestamp;
use serde::Deserialize;

use super::error::Error;
use super::events::note_container;
use super::files::{on, write_json};
use super::group::Groups;
use super::health::HealthCheck;
use super::id::new_id;
use super::keep;
use super::launch::Environment;
use super::options::Options;
use super::quota::prepare;
use super::record::{Container, Record};
use super::signal::parse_signal;
use super::state::Mark;
use super::volume::{Volumes, gather, images, inherit, resolve};
use crate::image::Image;

/// `OVERLAYFS_SUPER_MAGIC` (statfs(2)).
const OVERLAY: rustix::fs::FsWord = 0x794c_7630;

/// A container that was just made, with the lock that makes the holder its supervisor.
#[derive(Debug)]
pub struct Created {
    /// The container.
    pub container: Container,
    /// The supervisor's lock.
    pub lock: OwnedFd,
}

/// Makes a container: directory, lock, name and record. Nothing runs yet.
///
/// # Errors
/// When options contradict each other, the name is taken, a layer is missing or the disk is full;
/// nothing is left behind then.
pub fn create(
    env: &Environment,
    image: &Image,
    image_name: &str,
    mut options: Options,
) -> Result<Created, Error> {
    options.resources.check()?;
    resolve(&env.store, &mut options.mounts)?;
    // Until the record names the layers, this keeps a collection from taking them.
    let lease = env.store.lease()?;
    let mounted = images(&options.mounts).flat_map(|i| i.layers.iter().copied().chain(i.manifest));
    lease.protect(image.layers.iter().copied().chain([image.manifest, image.id]).chain(mounted))?;
    if let Some(missing) = image.layers.iter().find(|diff_id| env.store.layer(diff_id).is_none()) {
        return Err(Error::MissingLayer(*missing));
    }
    inherit(&env.containers, &options.volumes_from, &mut options.mounts)?;
    keep::unpack(env, image)?;
    let mut record = record_of(image, image_name, options)?;
    match &record.options.group {
        Some(group) => drop(Groups::new(env).find(group)?),
        None => record.options.group = Groups::new(env).place(image_name, &record.args)?,
    }
    // Until the record names the volumes, none of them is removed.
    let _claim = Volumes::new(env.store.root()).claim()?;
    create_recorded(env, record)
}

/// Leaves a container that was made to a later start.
///
/// # Errors
/// When that cannot be noted.
pub fn leave_idle(created: Created) -> Result<Container, Error> {
    created.container.mark(Mark::Idle)?;
    Ok(created.container)
}

/// Makes a container of a record.
pub(super) fn create_recorded(env: &Environment, record: Record) -> Result<Created, Error> {
    let root = env.store.root();
    if rustix::fs::statfs(root).is_ok_and(|fs| fs.f_type == OVERLAY) {
        return Err(Error::StoreOnOverlay(root.to_path_buf()));
    }
    let dir = env.containers.dir(&record.id);
    let making = env.containers.making(false)?;
    DirBuilder::new().mode(0o700).create(&dir).map_err(on("create", &dir))?;
    let id = record.id.clone();
    let result = fill(env, Container { dir: dir.clone(), record }, making);
    if result.is_err() {
        let _ = fs::remove_dir_all(env.containers.dir(&id));
    }
    result
}

fn fill(env: &Environment, mut container: Container, making: Option<fs::File>) -> Result<Created, Error> {
    let lock = container.try_lock()?.ok_or(Error::System(
        "lock the new container",
        std::io::Error::from(std::io::ErrorKind::WouldBlock),
    ))?;
    drop(making);
    let (id, wanted) = (container.record.id.clone(), container.record.options.name.clone());
    container.record.name = env.containers.reserve_name(wanted.as_deref(), &id)?;
    let written = write_json(&container.path("container.json"), &container.record)
        .and_then(|()| prepare(env, &container))
        .and_then(|()| write_cidfile(&container.record));
    if let Err(error) = written {
        env.containers.release_name(&container.record.name, &id)?;
        return Err(error);
    }
    note_container(env, &container, "create", &[]);
    Ok(Created { container, lock })
}

fn write_cidfile(record: &Record) -> Result<(), Error> {
    let Some(path) = &record.options.cidfile else { return Ok(()) };
    let result = fs::File::create_new(path).and_then(|mut file| file.write_all(record.id.as_bytes()));
    result.map_err(on("create", path))
}

fn record_of(image: &Image, image_name: &str, mut options: Options) -> Result<Record, Error> {
    let config = image.config.config().clone().unwrap_or_default();
    gather(config.volumes().as_deref().unwrap_or_default(), &mut options.mounts)?;
    let stop_signal = options.stop_signal.clone().or_else(|| config.stop_signal().clone());
    let mut labels: BTreeMap<String, String> =
        config.labels().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    for label in &options.labels {
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        labels.insert(key.to_string(), value.to_string());
    }
    options.health = HealthCheck::merged(image_health(image), options.health);
    Ok(Record {
        id: new_id()?,
        name: String::new(),
        created: Timestamp::now().to_string(),
        image: image_name.to_string(),
        manifest: image.manifest,
        image_id: image.id,
        layers: image.layers.clone(),
        args: args_of(&config, &options)?,
        stop_signal: stop_signal.map_or(Ok(15), |s| parse_signal(&s))?,
        labels,
        options,
    })
}

/// The health check of an image, which the OCI specification does not know.
fn image_health(image: &Image) -> Option<HealthCheck> {
    #[derive(Deserialize)]
    struct Document {
        config: Option<Config>,
    }
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "Healthcheck")]
        health: Option<HealthCheck>,
    }
    serde_json::from_slice::<Document>(&image.raw_config).ok()?.config?.health
}

/// Docker's rule: a given entrypoint replaces the image's and drops its command; given words replace the command.
fn args_of(config: &oci_spec::image::Config, options: &Options) -> Result<Vec<String>, Error> {
    let mut args = match &options.entrypoint {
        Some(entry) if entry.is_empty() => Vec::new(),
        Some(entry) => vec![entry.clone()],
        None => config.entrypoint().clone().unwrap_or_default(),
    };
    if !options.command.is_empty() {
        args.extend(options.command.iter().cloned());
    } else if options.entrypoint.is_none() {
        args.extend(config.cmd().iter().flatten().cloned());
    }
    if args.is_empty() { Err(Error::NoCommand) } else { Ok(args) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entrypoint_and_command_combine_as_in_docker() {
        let config = oci_spec::image::ConfigBuilder::default()
            .entrypoint(vec!["/e".to_string()])
            .cmd(vec!["c".to_string()])
            .build()
            .unwrap();
        let args = |entrypoint: Option<&str>, command: &[&str]| {
            let options = Options {
                entrypoint: entrypoint.map(Into::into),
                command: command.iter().map(|s| s.to_string()).collect(),
                ..Options::default()
            };
            args_of(&config, &options)
        };
        assert_eq!(args(None, &[]).unwrap(), ["/e", "c"]);
        assert_eq!(args(None, &["x", "y"]).unwrap(), ["/e", "x", "y"]);
        assert_eq!(args(Some("/n"), &[]).unwrap(), ["/n"]);
        assert_eq!(args(Some(""), &["x"]).unwrap(), ["x"]);
        assert!(matches!(args(Some(""), &[]), Err(Error::NoCommand)));
    }
}
