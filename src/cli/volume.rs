//! `lay volume`

use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::filter::{Filters, fits, has_label};
use super::flags::pairs;
use super::human;
use super::output::{Format, line, rows};
use crate::container::{self, Environment, Volumes};

/// Manage volumes: directories that outlive containers
#[derive(Args, Debug)]
pub struct Volume {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a volume
    Create {
        /// Its name; one is made up without
        name: Option<String>,
        /// Accepted for Docker's sake: there is one, local
        #[arg(short, long, value_name = "DRIVER", default_value = "local", hide = true, value_parser = ["local"])]
        driver: String,
        /// Add a label
        #[arg(short, long, value_name = "KEY[=VALUE]")]
        label: Vec<String>,
        /// type=none, o=bind and device=/DIRECTORY: a directory of this machine as its content
        #[arg(short, long, value_name = "KEY=VALUE")]
        opt: Vec<String>,
    },
    /// List volumes
    Ls {
        /// dangling=true|false, name=PATTERN or label=KEY[=VALUE]
        #[arg(short, long, value_name = "KEY=VALUE")]
        filter: Vec<String>,
        /// Only names
        #[arg(short, long)]
        quiet: bool,
        /// table, json, or a template such as '{{.Name}}'
        #[arg(long)]
        format: Option<String>,
        /// Accepted for Docker's sake: nothing is shortened
        #[arg(long, hide = true)]
        no_trunc: bool,
    },
    /// Show all about volumes, as JSON
    Inspect {
        #[arg(required = true)]
        volumes: Vec<String>,
        /// A template such as '{{.Mountpoint}}'
        #[arg(short, long)]
        format: Option<String>,
    },
    /// Remove volumes that no container has
    Rm {
        #[arg(required = true)]
        volumes: Vec<String>,
        /// Those that do not exist are no error
        #[arg(short, long)]
        force: bool,
    },
    /// Remove volumes that nobody named and no container has
    Prune {
        /// Also those with a name
        #[arg(short, long)]
        all: bool,
        /// label=KEY[=VALUE]
        #[arg(long, value_name = "KEY=VALUE")]
        filter: Vec<String>,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
}

const COLUMNS: [super::output::Column; 2] = [("DRIVER", "Driver"), ("VOLUME NAME", "Name")];

impl Volume {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let volumes = Volumes::new(env.store.root());
        match &self.action {
            Action::Create { name, label, opt, .. } => {
                let what = || format!("cannot create volume {}", name.as_deref().unwrap_or_default());
                line(volumes.create(name.as_deref(), pairs(label), pairs(opt)).tried(what)?.name)?;
            }
            Action::Ls { filter, quiet, format, .. } => {
                list(&env, &volumes, filter, *quiet, format.as_deref())?
            }
            Action::Inspect { volumes: names, format } => {
                let all = names.iter().map(|name| {
                    let volume = volumes.find(name).tried(|| format!("cannot inspect volume {name}"))?;
                    Ok(value(&volumes, &volume))
                });
                let all = all.collect::<Result<Vec<_>, Failure>>()?;
                match format {
                    Some(format) => rows(&Format::parse(Some(format))?, &COLUMNS, &all)?,
                    None => line(format!("{:#}", Value::from(all)))?,
                }
            }
            Action::Rm { volumes: names, force } => return remove(&env, &volumes, names, *force),
            Action::Prune { all, filter, force } => prune(&env, &volumes, *all, filter, *force)?,
        }
        Ok(0)
    }
}

/// Where a volume's content is; none where what is known of it is damaged.
pub fn mountpoint(volumes: &Volumes, name: &str) -> Option<PathBuf> {
    volumes.content(name).ok().map(|content| content.path)
}

/// A volume as `lay volume ls` and `inspect` show it.
pub fn value(volumes: &Volumes, volume: &container::Volume) -> Value {
    json!({
        "Name": volume.name,
        "Driver": "local",
        "Mountpoint": mountpoint(volumes, &volume.name),
        "Options": (!volume.options.is_empty()).then_some(&volume.options),
        "CreatedAt": volume.created,
        "Labels": volume.labels,
        "Scope": "local",
        "Anonymous": volume.anonymous,
    })
}

fn list(
    env: &Environment,
    volumes: &Volumes,
    filter: &[String],
    quiet: bool,
    format: Option<&str>,
) -> Result<(), Failure> {
    let tried = || "cannot list the volumes".to_string();
    let filters = Filters::parse(filter, &["dangling", "name", "label"])?;
    let users = volumes.users(&env.containers).tried(tried)?;
    let wanted = |volume: &container::Volume| {
        filters.fit(|key, value| match key {
            "dangling" => (value == "true") != users.contains_key(&volume.name),
            "name" => volume.name.contains(value) || fits(value, &volume.name),
            _ => has_label(volume.labels.iter(), value),
        })
    };
    let all: Vec<_> = volumes.list().tried(tried)?.into_iter().filter(wanted).collect();
    if quiet {
        return all.iter().try_for_each(|volume| line(&volume.name));
    }
    let all: Vec<Value> = all.iter().map(|volume| value(volumes, volume)).collect();
    rows(&Format::parse(format)?, &COLUMNS, &all)
}

fn remove(env: &Environment, volumes: &Volumes, names: &[String], force: bool) -> Result<u8, Failure> {
    let mut code = 0;
    for name in names {
        match volumes.remove(&env.containers, name) {
            Ok(()) => line(name)?,
            Err(container::Error::NoVolume(_)) if force => {}
            Err(error) => {
                eprintln!("lay: {}", Failure::of(&format!("cannot remove volume {name}"), &error).message);
                code = 1;
            }
        }
    }
    Ok(code)
}

fn prune(
    env: &Environment,
    volumes: &Volumes,
    all: bool,
    filter: &[String],
    force: bool,
) -> Result<(), Failure> {
    let filters = Filters::parse(filter, &["label"])?;
    if !force && io::stdin().is_terminal() && !agreed(all)? {
        return Ok(());
    }
    let wanted = |volume: &container::Volume| {
        (all || volume.anonymous) && filters.fit(|_, value| has_label(volume.labels.iter(), value))
    };
    let removed = volumes
        .prune(&env.containers, &[], false, wanted)
        .tried(|| "cannot prune the volumes".to_string())?;
    if !removed.is_empty() {
        line("Deleted Volumes:")?;
        removed.iter().try_for_each(|(volume, _)| line(&volume.name))?;
        line("")?;
    }
    let bytes = removed.iter().map(|(_, size)| size).sum();
    line(format!("Total reclaimed space: {}", human::size(bytes, 3)))
}

fn agreed(all: bool) -> Result<bool, Failure> {
    let which = if all { "all volumes" } else { "all volumes that nobody named and" };
    eprint!("This removes {which} that no container has. Are you sure you want to continue? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).tried(|| "cannot read the answer".to_string())?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
