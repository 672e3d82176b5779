//! `lay events`

use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::filter::{Filters, has_label};
use super::moment::moment;
use super::output::{Format, line, rows};
use crate::container::{self, Event, Span};

/// Show what happens to containers, images, volumes and networks
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  lay events                                         from now on, until Ctrl-C
  lay events --since 1h --until 0s                   the last hour
  lay events --filter type=container --filter event=die --format '{{.Actor.Attributes.name}}'
  lay events --filter container=web --format json")]
pub struct Events {
    /// From this time on, such as 2024-01-02T15:04:05Z, or 10m for ten minutes ago [default: now]
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Until this time [default: for ever]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// type=, event=, container=, image=, volume=, network= or label=KEY[=VALUE]
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// json, or a template such as '{{.Action}} {{.Actor.ID}}'
    #[arg(long)]
    format: Option<String>,
}

impl Events {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let known = ["type", "event", "container", "image", "volume", "network", "label"];
        let filters = Filters::parse(&self.filter, &known)?;
        let format = self.format.as_deref().map(|text| Format::parse(Some(text))).transpose()?;
        let span = Span {
            since: moment("--since", self.since.as_deref())?,
            until: moment("--until", self.until.as_deref())?,
        };
        let store = context.store()?;
        let mut printed = Ok(());
        let followed = container::follow_events(store.root(), span, |event| {
            if filters.fit(|key, value| fits(event, key, value)) {
                printed = match &format {
                    None => line(text(event)),
                    Some(format) => rows(format, &[], &[value(event)]),
                };
            }
            printed.is_ok()
        });
        printed?;
        followed.tried(|| "cannot follow the events".to_string())?;
        Ok(0)
    }
}

fn fits(event: &Event, key: &str, value: &str) -> bool {
    let named = || event.attributes.get("name").is_some_and(|name| name == value);
    match key {
        "type" => event.kind == value,
        // 'health_status: healthy' is a health_status too.
        "event" => event.action == value || event.action.split(':').next() == Some(value),
        "label" => has_label(event.attributes.iter(), value),
        "image" => {
            let image = event.attributes.get("image").filter(|_| event.kind == "container");
            (event.kind == "image" && (event.id == value || named()))
                || image.is_some_and(|image| image == value)
        }
        "container" => event.kind == key && (named() || event.id.starts_with(value)),
        _ => event.kind == key && (named() || event.id == value),
    }
}

/// Docker's line: time, type, action, id, attributes.
fn text(event: &Event) -> String {
    let attributes: Vec<String> =
        event.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let local = event.time.to_zoned(jiff::tz::TimeZone::system());
    let time = local.strftime("%Y-%m-%dT%H:%M:%S.%9f%:z");
    format!("{time} {} {} {} ({})", event.kind, event.action, event.id, attributes.join(", "))
}

/// Docker's object, with the names of its JSON and those of its templates.
fn value(event: &Event) -> Value {
    json!({
        "status": event.action,
        "id": event.id,
        "from": event.attributes.get("image"),
        "Type": event.kind,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": event.attributes},
        "scope": "local",
        "time": event.time.as_second(),
        "timeNano": i64::try_from(event.time.as_nanosecond()).unwrap_or(i64::MAX),
        "Status": event.action,
        "ID": event.id,
        "From": event.attributes.get("image"),
        "Scope": "local",
        "Time": event.time.as_second(),
        "TimeNano": i64::try_from(event.time.as_nanosecond()).unwrap_or(i64::MAX),
    })
}
