//! `lay ps`

use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::filter::Filters;
use super::human;
use super::output::{Format, line, rows};
use super::ps_filter;
use crate::container::{self, Container, MountKind, State, Status};

/// Longest command in a table.
const SHORT: usize = 20;

/// List containers
#[derive(Args, Debug)]
pub struct Ps {
    /// Also those that are not running
    #[arg(short, long)]
    all: bool,
    /// Only containers that fit: name=…, id=…, status=created|running|paused|restarting|exited,
    /// health=starting|healthy|unhealthy|none, label=KEY[=VALUE], ancestor=IMAGE, exited=CODE, network=NAME, volume=NAME or
    /// TARGET, publish=PORT, before=CONTAINER, since=CONTAINER
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// table, json, or a template such as '{{.Names}} {{.Status}}'
    #[arg(long)]
    format: Option<String>,
    /// Only the last N created, running or not
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
    /// Only the last created, running or not
    #[arg(short, long, conflicts_with = "last")]
    latest: bool,
    /// Also how many bytes they have written to their own files
    #[arg(short, long)]
    size: bool,
    /// Do not shorten ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
}

impl Ps {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let filters = Filters::parse(&self.filter, ps_filter::KEYS)?;
        let format = Format::parse(self.format.as_deref())?;
        let env = context.environment()?;
        let tried = || "cannot list the containers".to_string();
        container::sweep(&env).tried(tried)?;
        // What can only be true of those that ended asks for them.
        let asked = self.filter.iter().any(|f| f.starts_with("status=") || f.starts_with("exited="));
        let last = if self.latest { Some(1) } else { self.last };
        let times = ps_filter::times(&env, &self.filter)?;
        let mut shown = Vec::new();
        for container in env.containers.list().tried(tried)? {
            let status = container.status().tried(tried)?;
            let state = container.state_of(&status);
            let active = !matches!(state, State::Created | State::Exited);
            let wanted = self.all || asked || last.is_some() || active;
            if wanted && ps_filter::fits(&container, &status, &filters, &times) {
                shown.push((container, status));
            }
        }
        shown.truncate(last.unwrap_or(usize::MAX));
        if self.quiet {
            return shown.iter().try_for_each(|(c, _)| line(self.id(c))).map(|()| 0);
        }
        let mut columns = vec![
            ("CONTAINER ID", "ID"),
            ("IMAGE", "Image"),
            ("COMMAND", "Command"),
            ("CREATED", "RunningFor"),
            ("STATUS", "Status"),
            ("PORTS", "Ports"),
            ("NAMES", "Names"),
        ];
        columns.extend(self.size.then_some(("SIZE", "Size")));
        // Each takes a walk through its files.
        let sized = self.size || self.format.as_deref().is_some_and(|format| format.contains(".Size"));
        let objects: Vec<Value> = shown.iter().map(|(c, s)| self.row(c, s, sized)).collect();
        rows(&format, &columns, &objects)?;
        Ok(0)
    }

    fn id<'a>(&self, container: &'a Container) -> &'a str {
        if self.no_trunc { &container.record.id } else { container.short_id() }
    }

    fn row(&self, container: &Container, status: &Status, sized: bool) -> Value {
        let record = &container.record;
        let ports: Vec<String> = match status {
            Status::Running(running) => running.ports.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        let mounts = ps_filter::mounts(record);
        let volumes = record.options.mounts.iter().filter(|m| matches!(m.kind, MountKind::Volume(_))).count();
        let mut row = json!({
            "ID": self.id(container),
            "Image": record.image,
            "Command": self.command(&record.args),
            "CreatedAt": record.created,
            "RunningFor": human::ago(&record.created),
            "State": container.state_of(status).word(),
            "Status": describe(container, status),
            "Ports": ports.join(", "),
            "Names": record.name,
            "Labels": record.labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(","),
            "Mounts": mounts.join(","),
            "LocalVolumes": volumes.to_string(),
            "Networks": ps_filter::networks(record).join(","),
        });
        if sized {
            row["Size"] = human::size(container.written(), 3).into();
        }
        row
    }

    fn command(&self, args: &[String]) -> String {
        let command = args.join(" ");
        if self.no_trunc || command.chars().count() <= SHORT {
            return format!("\"{command}\"");
        }
        let short: String = command.chars().take(SHORT - 1).collect();
        format!("\"{short}…\"")
    }
}

/// How a running container is, if anybody asks.
pub fn health(container: &Container, status: &Status) -> Option<&'static str> {
    match status {
        Status::Running(_) => container.health().ok().flatten().map(|health| health.status.word()),
        _ => None,
    }
}

fn describe(container: &Container, status: &Status) -> String {
    match status {
        Status::Created => "Created".to_string(),
        Status::Running(running) => {
            let note = match (container.state_of(status), health(container, status)) {
                (State::Paused, _) => " (Paused)".to_string(),
                (_, Some("starting")) => " (health: starting)".to_string(),
                (_, Some(health)) => format!(" ({health})"),
                (_, None) => String::new(),
            };
            format!("Up {}{note}", human::since(&running.started))
        }
        Status::Exited(exit) => {
            let restarting = container.state_of(status) == State::Restarting;
            let word = if restarting { "Restarting" } else { "Exited" };
            format!("{word} ({}) {}", exit.code, human::ago(&exit.finished))
        }
    }
}
