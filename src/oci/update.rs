//! `update`

use std::io::Read;
use std::path::Path;

use oci_spec::runtime::LinuxResources;
use serde_json::{Map, Value, json};

use super::command::Update;
use super::error::Error;
use super::record::{Containers, Status};

/// Changes the limits that are given.
pub fn update(containers: &Containers, command: &Update) -> Result<u8, Error> {
    let container = containers.find(&command.id)?;
    if container.status() == Status::Stopped {
        return Err(Error::NotRunning);
    }
    container.cgroup()?.update(&resources(command)?)?;
    Ok(0)
}

fn resources(command: &Update) -> Result<LinuxResources, Error> {
    let (path, value) = match &command.resources {
        Some(path) => (path.as_path(), file(path)?),
        None => (Path::new("the flags"), flags(command)),
    };
    serde_json::from_value(value).map_err(|source| Error::Json { path: path.to_path_buf(), source })
}

fn file(path: &Path) -> Result<Value, Error> {
    let mut text = String::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().read_to_string(&mut text),
        false => std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(Error::io("read", path))?;
    serde_json::from_str(&text).map_err(|source| Error::Json { path: path.to_path_buf(), source })
}

fn flags(command: &Update) -> Value {
    let object = |fields: &[(&str, Option<Value>)]| {
        let given = fields.iter().filter_map(|(key, value)| Some((key.to_string(), value.clone()?)));
        given.collect::<Map<String, Value>>()
    };
    let signed = |value: Option<i64>| value.map(Value::from);
    let unsigned = |value: Option<u64>| value.map(Value::from);
    let text = |value: &Option<String>| value.clone().map(Value::from);
    let cpu = object(&[
        ("period", unsigned(command.cpu_period)),
        ("quota", signed(command.cpu_quota)),
        ("shares", unsigned(command.cpu_share)),
        ("cpus", text(&command.cpuset_cpus)),
        ("mems", text(&command.cpuset_mems)),
    ]);
    let memory = object(&[
        ("limit", signed(command.memory)),
        ("reservation", signed(command.memory_reservation)),
        ("swap", signed(command.memory_swap)),
    ]);
    let pids = command.pids_limit.map(|limit| json!({"limit": limit}));
    let io = command.blkio_weight.map(|weight| json!({"weight": weight}));
    let some = |map: Map<String, Value>| (!map.is_empty()).then(|| Value::from(map));
    Value::from(object(&[("cpu", some(cpu)), ("memory", some(memory)), ("pids", pids), ("blockIO", io)]))
}
