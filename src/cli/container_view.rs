//! A container as `lay inspect` shows it, with Docker's names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::container_host;
use super::network_view;
use crate::container::{
    Container, Environment, Error, LogDriver, MountKind, MountRequest, NetworkMode, Record, Running, State,
    Status, Volumes, signal_name,
};
use crate::network::PortMapping;

/// What Docker says of a time that has not come.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// All about a container.
pub fn container(env: &Environment, container: &Container) -> Result<Value, Error> {
    let record = &container.record;
    let status = container.status()?;
    let running = match &status {
        Status::Running(running) => Some(running),
        _ => None,
    };
    let options = &record.options;
    let image = image_config(env, record);
    let exposed = exposed(record, &image);
    let (path, args) = record.args.split_first().map_or(("", &[][..]), |(path, args)| (path.as_str(), args));
    let etc = |name: &str| container.dir.join("etc").join(name);
    let log = (options.log.driver == LogDriver::JsonFile).then(|| container.dir.join("log.json"));
    Ok(json!({
        "Id": record.id,
        "Name": record.name,
        "Created": record.created,
        "Image": record.image_id,
        "Path": path,
        "Args": args,
        "State": state(container, &status)?,
        "RestartCount": container.last_run()?.map_or(0, |running| running.restarts),
        "Driver": "overlay",
        "Platform": "linux",
        "LogPath": log,
        "HostsPath": etc("hosts"),
        "HostnamePath": etc("hostname"),
        "ResolvConfPath": etc("resolv.conf"),
        "Config": config(record, &image, &exposed),
        "HostConfig": container_host::config(options, running),
        "Mounts": options.mounts.iter().map(|mount| mount_value(env, mount)).collect::<Vec<_>>(),
        "NetworkSettings": networks(record, running, &exposed),
    }))
}

/// The configuration of its image; nothing of one that is gone.
fn image_config(env: &Environment, record: &Record) -> Value {
    let bytes = env.store.read_blob(&record.image_id, crate::image::MAX_DOCUMENT).unwrap_or_default();
    let mut document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    document["config"].take()
}

/// What was asked for where something was, else what the image says.
fn config(record: &Record, image: &Value, exposed: &BTreeSet<String>) -> Value {
    let options = &record.options;
    let or_image = |own: &Option<String>, name: &str| {
        own.as_deref().or(image[name].as_str()).unwrap_or_default().to_string()
    };
    let entrypoint = match &options.entrypoint {
        Some(entry) if entry.is_empty() => Value::Null,
        Some(entry) => json!([entry]),
        None => image["Entrypoint"].clone(),
    };
    let command = match (options.command.is_empty(), &options.entrypoint) {
        (false, _) => json!(options.command),
        (true, Some(_)) => Value::Null,
        (true, None) => image["Cmd"].clone(),
    };
    let hostname = options.hostname.as_deref().unwrap_or(&record.id[..12.min(record.id.len())]);
    json!({
        "Image": record.image,
        "Hostname": hostname,
        "Domainname": options.domainname.as_deref().unwrap_or_default(),
        "User": or_image(&options.user, "User"),
        "Env": environment(&options.env, &image["Env"]),
        "Cmd": command,
        "Entrypoint": entrypoint,
        "WorkingDir": or_image(&options.workdir, "WorkingDir"),
        "Tty": options.tty,
        "OpenStdin": options.interactive,
        "StdinOnce": options.stdin_once,
        "Labels": record.labels,
        "ExposedPorts": exposed.iter().map(|port| (port.clone(), json!({}))).collect::<Map<_, _>>(),
        "Volumes": image["Volumes"],
        "StopSignal": signal_name(record.stop_signal),
        "StopTimeout": options.stop_timeout,
        "Healthcheck": options.health,
    })
}

/// Those that were given, then the image's that were not.
fn environment(own: &[String], image: &Value) -> Vec<String> {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_string();
    let given: BTreeSet<String> = own.iter().map(|entry| name(entry)).collect();
    let others = image.as_array().into_iter().flatten().filter_map(Value::as_str);
    let others = others.filter(|entry| !given.contains(&name(entry))).map(str::to_string);
    own.iter().cloned().chain(others).collect()
}

/// Ports that the image names, or flags do, such as `80/tcp`.
fn exposed(record: &Record, image: &Value) -> BTreeSet<String> {
    let options = &record.options;
    let named = options.exposed.iter().filter_map(|text| PortMapping::parse(text).ok()).flatten();
    let own = named.chain(options.ports.iter().cloned()).map(|port| name_of(&port));
    let whole = |port: &String| if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
    own.chain(image["ExposedPorts"].as_object().into_iter().flat_map(Map::keys).map(whole)).collect()
}

fn name_of(port: &PortMapping) -> String {
    format!("{}/{}", port.container_port, port.protocol)
}

/// Published ports by the container's; text, as Docker has it.
pub fn bindings(ports: &[PortMapping]) -> BTreeMap<String, Vec<Value>> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for port in ports {
        let host = if port.host_port == 0 { String::new() } else { port.host_port.to_string() };
        let binding = json!({"HostIp": port.host_address, "HostPort": host});
        all.entry(name_of(port)).or_default().push(binding);
    }
    all
}

fn networks(record: &Record, running: Option<&Running>, exposed: &BTreeSet<String>) -> Value {
    let mut ports = Map::new();
    if let Some(running) = running {
        ports.extend(exposed.iter().map(|port| (port.clone(), Value::Null)));
        ports.extend(bindings(&running.ports).into_iter().map(|(port, hosts)| (port, json!(hosts))));
    }
    let mut value = network_view::settings(running.map_or(&[], |r| &r.networks), Value::Object(ports));
    let options = &record.options;
    // Those that it will be on have a name, and nothing else yet.
    let mut names: Vec<&str> = options.joins.iter().map(|join| join.network.as_str()).collect();
    match options.network {
        NetworkMode::Bridge if names.is_empty() => names.push("bridge"),
        NetworkMode::Host => names.push("host"),
        NetworkMode::None => names.push("none"),
        _ => {}
    }
    if let Some(known) = value["Networks"].as_object_mut().filter(|known| known.is_empty()) {
        known.extend(names.into_iter().map(|name| (name.to_string(), network_view::unconnected())));
    }
    value["SandboxKey"] =
        json!(running.map_or_else(String::new, |running| format!("/proc/{}/ns/net", running.process.pid)));
    value
}

fn mount_value(env: &Environment, mount: &MountRequest) -> Value {
    let (kind, name, source) = match &mount.kind {
        MountKind::Bind(path) => ("bind", None, json!(path)),
        MountKind::Volume(name) => {
            ("volume", Some(name), json!(super::volume::mountpoint(&Volumes::new(env.store.root()), name)))
        }
        MountKind::Tmpfs(_) => ("tmpfs", None, json!("")),
        MountKind::Image(image) => ("image", None, json!(image.name)),
        MountKind::Given(name) => ("bind", None, json!(name)),
    };
    json!({
        "Type": kind,
        "Name": name,
        "Driver": name.map_or("", |_| "local"),
        "Source": source,
        "Destination": mount.target,
        "Mode": if mount.read_only { "ro" } else { "" },
        "RW": !mount.read_only,
        "Propagation": mount.propagation.as_deref().unwrap_or("rprivate"),
    })
}

fn state(container: &Container, status: &Status) -> Result<Value, Error> {
    let state = container.state_of(status);
    let last = container.last_run()?;
    let (pid, exit) = match status {
        Status::Created => (0, None),
        Status::Running(running) => (running.process.pid, None),
        Status::Exited(exit) => (0, Some(exit)),
    };
    Ok(json!({
        "Status": state.word(),
        "Running": pid != 0,
        "Paused": state == State::Paused,
        "Restarting": state == State::Restarting,
        "Dead": false,
        "Pid": pid,
        "StartedAt": last.map_or_else(|| NEVER.to_string(), |last| last.started),
        "ExitCode": exit.map_or(0, |e| e.code),
        "OOMKilled": exit.is_some_and(|e| e.oom_killed),
        "Error": exit.map_or("", |e| e.error.as_str()),
        "FinishedAt": exit.map_or(NEVER, |e| e.finished.as_str()),
        "Health": container.health()?,
    }))
}
