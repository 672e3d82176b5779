//! Which containers `lay ps` lists.

use jiff::Timestamp;

use super::failure::{Failure, Tried};
use super::filter::{Filters, has_label};
use super::ps::health;
use crate::container::{Container, Environment, MountKind, NetworkMode, Record, Status};
use crate::network::PortMapping;

/// What can be asked for.
pub const KEYS: &[&str] = &[
    "name", "id", "status", "health", "label", "ancestor", "exited", "network", "volume", "publish",
    "before", "since",
];

/// When the containers of `before=` and `since=` were created.
pub struct Times(Vec<(String, Option<Timestamp>)>);

/// Finds them.
///
/// # Errors
/// When one does not exist.
pub fn times(env: &Environment, filters: &[String]) -> Result<Times, Failure> {
    let pairs = filters.iter().filter_map(|filter| filter.split_once('='));
    let named = pairs.filter(|(key, _)| matches!(*key, "before" | "since")).map(|(key, name)| {
        let found = env.containers.find(name).tried(|| format!("invalid filter '{key}={name}'"))?;
        Ok((name.to_string(), created(&found.record)))
    });
    named.collect::<Result<_, Failure>>().map(Times)
}

impl Times {
    fn of(&self, name: &str) -> Option<Timestamp> {
        self.0.iter().find(|(known, _)| known == name).and_then(|(_, created)| *created)
    }
}

fn created(record: &Record) -> Option<Timestamp> {
    record.created.parse().ok()
}

/// Whether a container is one of those that were asked for.
pub fn fits(container: &Container, status: &Status, filters: &Filters, times: &Times) -> bool {
    let record = &container.record;
    filters.fit(|key, value| match key {
        "name" => named(&record.name, value),
        "id" => record.id.starts_with(value),
        "status" => container.state_of(status).word() == value,
        "health" => health(container, status).unwrap_or("none") == value,
        "label" => has_label(record.labels.iter(), value),
        "exited" => matches!(status, Status::Exited(exit) if exit.code.to_string() == value),
        "network" => networks(record).iter().any(|name| name == value) || on_network(status, value),
        "volume" => {
            mounts(record).iter().any(|mount| mount == value)
                || record.options.mounts.iter().any(|mount| mount.target.to_str() == Some(value))
        }
        "publish" => publishes(record, status, value),
        "before" => created(record) < times.of(value),
        "since" => created(record) > times.of(value),
        _ => record.image == value || record.image_id.hex().starts_with(value.trim_start_matches("sha256:")),
    })
}

/// Docker takes a regular expression, of which people use the two ends; its names begin with a slash.
fn named(name: &str, wanted: &str) -> bool {
    let (middle, begins) = wanted.strip_prefix('^').map_or((wanted, false), |rest| (rest, true));
    let (middle, ends) = middle.strip_suffix('$').map_or((middle, false), |rest| (rest, true));
    let (middle, begins) = middle.strip_prefix('/').map_or((middle, begins), |rest| (rest, true));
    match (begins, ends) {
        (true, true) => name == middle,
        (true, false) => name.starts_with(middle),
        (false, true) => name.ends_with(middle),
        (false, false) => name.contains(middle),
    }
}

/// By the id, too.
fn on_network(status: &Status, value: &str) -> bool {
    match status {
        Status::Running(running) => {
            running.networks.iter().any(|link| !value.is_empty() && link.id.starts_with(value))
        }
        _ => false,
    }
}

/// `PORT[/PROTOCOL]`, or a range, of the host or of the container.
fn publishes(record: &Record, status: &Status, value: &str) -> bool {
    let ports = match status {
        Status::Running(running) => &running.ports,
        _ => &record.options.ports,
    };
    let Ok(wanted) = PortMapping::parse(value) else { return false };
    ports.iter().any(|port| {
        let same = |one: &PortMapping| {
            one.protocol == port.protocol
                && [port.host_port, port.container_port].contains(&one.container_port)
        };
        wanted.iter().any(same)
    })
}

/// Names of volumes and paths of the host that are mounted.
pub fn mounts(record: &Record) -> Vec<String> {
    let name = |kind: &MountKind| match kind {
        MountKind::Volume(name) => Some(name.clone()),
        MountKind::Bind(path) => Some(path.display().to_string()),
        _ => None,
    };
    record.options.mounts.iter().filter_map(|mount| name(&mount.kind)).collect()
}

/// Names of the networks that it is on when it runs.
pub fn networks(record: &Record) -> Vec<String> {
    let options = &record.options;
    match options.network {
        NetworkMode::Bridge if !options.joins.is_empty() => {
            options.joins.iter().map(|join| join.network.clone()).collect()
        }
        NetworkMode::Container => Vec::new(),
        _ => vec![super::netflags::mode(options)],
    }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn names_fit_as_docker_s_do() {
        for (wanted, fits) in [
            ("eb", true),
            ("^web$", true),
            ("^/web$", true),
            ("^we", true),
            ("eb$", true),
            ("/web", true),
            ("^eb", false),
            ("we$", false),
            ("/eb", false),
            ("^web1$", false),
        ] {
            assert_eq!(named("web", wanted), fits, "{wanted}");
        }
    }
}
