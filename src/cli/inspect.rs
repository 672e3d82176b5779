//! `lay inspect`

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use super::template::Template;
use crate::container::{
    self, Container, Environment, IdMap, MountKind, MountRequest, RestartPolicy, State, Status, UsernsMode,
    Volumes,
};
use crate::image::{self, Image};

/// What a name is looked up as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A container
    Container,
    /// An image
    Image,
}

/// Show all about containers or images, as JSON
#[derive(Args, Debug)]
pub struct Inspect {
    /// Names or ids
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// A template such as '{{.State.Status}}'
    #[arg(short, long)]
    format: Option<String>,
    /// Look only for containers, or only for images
    #[arg(long = "type", value_enum)]
    kind: Option<Kind>,
}

impl Inspect {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let mut found = Vec::new();
        let mut code = 0;
        for name in &self.names {
            match self.find(&env, name) {
                Ok(value) => found.push(value),
                Err(failure) => {
                    eprintln!("lay: {}", failure.message);
                    code = failure.code;
                }
            }
        }
        match &self.format {
            None => {
                let text = serde_json::to_string_pretty(&found).tried(|| "cannot print".to_string())?;
                line(text)?;
            }
            Some(format) => {
                let template = Template::parse(format).map_err(Failure::new)?;
                for value in &found {
                    line(template.render(value).map_err(Failure::new)?)?;
                }
            }
        }
        Ok(code)
    }

    fn find(&self, env: &Environment, name: &str) -> Result<Value, Failure> {
        let tried = || format!("cannot inspect {name}");
        if self.kind != Some(Kind::Image) {
            match env.containers.find(name) {
                Ok(found) => return container_value(env, &found).tried(tried),
                Err(container::Error::NotFound(_)) if self.kind.is_none() => {}
                Err(error) => return Err(Failure::of(&tried(), &error)),
            }
        }
        match image::find(&env.store, name) {
            Ok(image) => image_value(env, &image).tried(tried),
            Err(image::Error::NotFound(_)) if self.kind.is_none() => Err(Failure::new(format!(
                "cannot inspect {name}: no such container or image (see 'lay ps -a' and 'lay images')"
            ))),
            Err(error) => Err(Failure::of(&tried(), &error)),
        }
    }
}

fn container_value(env: &Environment, container: &Container) -> Result<Value, container::Error> {
    let record = &container.record;
    let status = container.status()?;
    let running = match &status {
        Status::Running(running) => Some(running),
        _ => None,
    };
    let ports: Vec<Value> = running
        .map(|r| &r.ports)
        .into_iter()
        .flatten()
        .map(|p| json!({"ContainerPort": format!("{}/{}", p.container_port, p.protocol), "HostIp": p.host_address, "HostPort": p.host_port}))
        .collect();
    let options = &record.options;
    let limits = &options.resources;
    Ok(json!({
        "Id": record.id,
        "Name": record.name,
        "Created": record.created,
        "Image": record.image_id,
        "Args": record.args,
        "State": state_value(container, &status)?,
        "RestartCount": container.last_run()?.map_or(0, |running| running.restarts),
        "Config": {
            "Image": record.image,
            "Hostname": options.hostname,
            "User": options.user,
            "Env": options.env,
            "WorkingDir": options.workdir,
            "Tty": options.tty,
            "OpenStdin": options.interactive,
            "Labels": record.labels,
            "StopSignal": record.stop_signal,
            "StopTimeout": options.stop_timeout,
            "Healthcheck": options.health,
        },
        "HostConfig": {
            "NetworkMode": super::netflags::mode(options),
            "UsernsMode": options.userns.to_string(),
            "IDMappings": id_maps(options, running),
            "AutoRemove": options.auto_remove,
            "RestartPolicy": restart_policy(options.restart),
            "ReadonlyRootfs": options.read_only,
            "Init": options.init,
            "CapAdd": options.cap_add,
            "CapDrop": options.cap_drop,
            "Memory": limits.memory.unwrap_or(0),
            "MemorySwap": limits.memory_swap.unwrap_or(0),
            "MemorySwappiness": limits.memory_swappiness,
            "CpuQuota": limits.cpu_quota.unwrap_or(0),
            "CpuPeriod": limits.cpu_quota.map_or(0, |_| container::Resources::CPU_PERIOD),
            "CpuShares": limits.cpu_shares.unwrap_or(0),
            "CpusetCpus": limits.cpuset_cpus,
            "PidsLimit": limits.pids_limit,
        },
        "Mounts": options.mounts.iter().map(|mount| mount_value(env, mount)).collect::<Vec<_>>(),
        "NetworkSettings": super::network_view::settings(running.map_or(&[], |r| &r.networks), ports),
    }))
}

fn mount_value(env: &Environment, mount: &MountRequest) -> Value {
    let (kind, name, source) = match &mount.kind {
        MountKind::Bind(path) => ("bind", None, json!(path)),
        MountKind::Volume(name) => ("volume", Some(name), json!(Volumes::new(env.store.root()).data(name))),
        MountKind::Tmpfs(_) => ("tmpfs", None, json!("")),
        MountKind::Image(image) => ("image", None, json!(image.name)),
        MountKind::Given(name) => ("bind", None, json!(name)),
    };
    json!({
        "Type": kind,
        "Name": name,
        "Source": source,
        "Destination": mount.target,
        "Mode": if mount.read_only { "ro" } else { "" },
        "RW": !mount.read_only,
        "Propagation": mount.propagation.as_deref().unwrap_or("rprivate"),
    })
}

/// As Podman's: of a running container, or those that it was told to have.
fn id_maps(options: &container::Options, running: Option<&container::Running>) -> Option<Value> {
    let told = match &options.userns {
        UsernsMode::Mapped(maps) => Some(maps),
        _ => None,
    };
    let maps = running.and_then(|running| running.maps.as_ref()).or(told)?;
    let list = |maps: &[IdMap]| maps.iter().map(ToString::to_string).collect::<Vec<_>>();
    Some(json!({"UidMap": list(&maps.uids), "GidMap": list(&maps.gids)}))
}

/// As Docker's.
fn restart_policy(policy: RestartPolicy) -> Value {
    let text = policy.to_string();
    let (name, count) = text.split_once(':').unwrap_or((&text, "0"));
    json!({"Name": name, "MaximumRetryCount": count.parse().unwrap_or(0)})
}

fn state_value(container: &Container, status: &Status) -> Result<Value, container::Error> {
    let state = container.state_of(status);
    let last = container.last_run()?;
    let (pid, exit) = match status {
        Status::Created => (0, None),
        Status::Running(running) => (running.process.pid, None),
        Status::Exited(exit) => (0, Some(exit)),
    };
    let mut value = json!({
        "Status": state.word(),
        "Running": pid != 0,
        "Paused": state == State::Paused,
        "Restarting": state == State::Restarting,
        "Pid": pid,
        "StartedAt": last.map(|last| last.started),
        "ExitCode": exit.map_or(0, |e| e.code),
        "OOMKilled": exit.is_some_and(|e| e.oom_killed),
        "Error": exit.map_or("", |e| e.error.as_str()),
        "FinishedAt": exit.map(|e| e.finished.as_str()),
    });
    value["Health"] = json!(container.health()?);
    Ok(value)
}

fn image_value(env: &Environment, image: &Image) -> Result<Value, image::Error> {
    let digest = image.descriptor.digest().to_string();
    let entries = env.store.images()?.into_iter().filter(|e| e.descriptor.digest().to_string() == digest);
    let names: Vec<String> = entries.filter_map(|e| e.name).collect();
    let config: Value = serde_json::from_slice(&image.raw_config).unwrap_or_default();
    let repository = |name: &str| {
        let reference = crate::registry::Reference::parse(name).ok()?;
        let bare = reference.familiar();
        let tag = reference.tag().map(|t| format!(":{t}")).unwrap_or_default();
        Some(bare.split('@').next()?.trim_end_matches(&tag).to_string())
    };
    let digests: Vec<String> = names
        .iter()
        .filter_map(|name| {
            Some(format!("{}@{}", repository(name)?, image.pulled_digest().unwrap_or(&digest)))
        })
        .collect();
    let sizes = env.store.layer_sizes();
    Ok(json!({
        "Id": image.id,
        "RepoTags": names,
        "RepoDigests": digests,
        "Manifest": image.manifest,
        "Created": config["created"],
        "Author": config["author"].as_str().unwrap_or_default(),
        "Architecture": config["architecture"],
        "Os": config["os"],
        "Variant": config["variant"],
        "Size": image.layers.iter().filter_map(|d| sizes.get(d)).sum::<u64>(),
        "CompressedSize": image.compressed_size(),
        "Config": config["config"],
        "RootFS": {"Type": "layers", "Layers": image.layers},
        "History": config["history"],
    }))
}
