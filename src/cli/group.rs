//! `lay group`

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use clap::{ArgAction, Args, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::human;
use super::limits::LimitFlags;
use super::listing::ListFlags;
use super::output::line;
use crate::container::{Group as Record, Groups, Rule, parse_config, parse_rules};

/// Manage resource groups: lasting control groups whose limits all in them share
#[derive(Args, Debug)]
pub struct Group {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a group
    Create(Box<Limits>),
    /// Change a group's limits
    Update(Box<Limits>),
    /// List groups
    Ls(ListFlags),
    /// Show all about groups, as JSON
    Inspect {
        #[arg(required = true)]
        groups: Vec<String>,
    },
    /// Remove groups in which nothing runs
    Rm {
        #[arg(required = true)]
        groups: Vec<String>,
    },
    /// Make the control groups of all groups, such as after a boot
    Apply,
    /// Take groups from a cgconfig.conf, or rules from a cgrules.conf
    Import {
        /// The file
        file: PathBuf,
    },
    /// Have a group take containers by image or command
    Rule {
        /// The group
        group: String,
        /// Containers of this image
        #[arg(long)]
        image: Option<String>,
        /// Containers with this command
        #[arg(long)]
        command: Option<String>,
        /// Containers that this user of the host starts
        #[arg(long)]
        user: Option<String>,
        /// Forget all rules of the group first
        #[arg(long)]
        reset: bool,
    },
    /// Run a plain command of the host in a group
    Exec {
        /// The group
        group: String,
        /// Command and arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Put a running process of the host into a group
    Attach {
        /// The group
        group: String,
        /// Process ids
        #[arg(required = true)]
        pids: Vec<i32>,
    },
}

#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
struct Limits {
    /// The group's name
    name: String,
    #[command(flatten)]
    limits: LimitFlags,
    /// Show this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl Group {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let groups = Groups::new(&env);
        let of = |what: &str, name: &str| format!("cannot {what} group {name}");
        match &self.action {
            Action::Create(flags) => {
                let limits = flags.limits.resources()?;
                groups.create(&flags.name, limits).tried(|| of("create", &flags.name))?;
                line(&flags.name)?;
            }
            Action::Update(flags) => {
                let limits = flags.limits.resources()?;
                groups.update(&flags.name, &limits).tried(|| of("update", &flags.name))?;
                line(&flags.name)?;
            }
            Action::Ls(flags) => list(&groups, flags)?,
            Action::Inspect { groups: names } => {
                let all = names.iter().map(|name| inspect(&groups, name).tried(|| of("inspect", name)));
                line(format!("{:#}", Value::from(all.collect::<Result<Vec<_>, _>>()?)))?;
            }
            Action::Rm { groups: names } => {
                for name in names {
                    groups.remove(name).tried(|| of("remove", name))?;
                    line(name)?;
                }
            }
            Action::Apply => {
                for group in groups.list().tried(|| "cannot list the groups".to_string())? {
                    groups.ensure(&group.name).tried(|| of("apply", &group.name))?;
                    line(&group.name)?;
                }
            }
            Action::Import { file } => import(&groups, file)?,
            Action::Rule { group, image, command, user, reset } => {
                let tried = || of("change", group);
                if *reset {
                    groups.set_rules(group, Vec::new()).tried(tried)?;
                }
                let (user, image, command) = (user.clone(), image.clone(), command.clone());
                if image.is_some() || command.is_some() || user.is_some() {
                    let rule = Rule { user, image, command, ..Rule::default() };
                    groups.add_rule(group, rule).tried(tried)?;
                }
            }
            Action::Exec { group, command } => {
                let own = i32::try_from(std::process::id()).unwrap_or_default();
                groups.attach(group, own).tried(|| of("enter", group))?;
                let error = Command::new(&command[0]).args(&command[1..]).exec();
                let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
                return Err(Failure::of(&format!("cannot execute {}", command[0]), &error).with_code(code));
            }
            Action::Attach { group, pids } => {
                for pid in pids {
                    groups
                        .attach(group, *pid)
                        .tried(|| format!("cannot put process {pid} into group {group}"))?;
                }
            }
        }
        Ok(0)
    }
}

fn list(groups: &Groups<'_>, flags: &ListFlags) -> Result<(), Failure> {
    let tried = || "cannot list the groups".to_string();
    let row = |group: Record| -> Result<Value, Failure> {
        let limits = &group.resources;
        let cpus = limits.cpu_quota.filter(|quota| *quota > 0).map(|quota| {
            let period = limits.cpu_period.unwrap_or(crate::container::Resources::CPU_PERIOD);
            format!("{}", quota as f64 / period as f64)
        });
        let memory = limits.memory.and_then(|bytes| u64::try_from(bytes).ok());
        Ok(json!({
            "Name": group.name,
            "CPUs": cpus.unwrap_or_default(),
            "CPUSet": limits.cpuset_cpus.clone().unwrap_or_default(),
            "Memory": memory.map(human::binary_size).unwrap_or_default(),
            "Containers": groups.containers(&group.name).tried(tried)?.len(),
            "Processes": groups.processes(&group.name).tried(tried)?.len(),
        }))
    };
    let all = groups.list().tried(tried)?.into_iter().map(row).collect::<Result<Vec<_>, _>>()?;
    let columns = [
        ("NAME", "Name"),
        ("CPUS", "CPUs"),
        ("CPUSET", "CPUSet"),
        ("MEMORY", "Memory"),
        ("CONTAINERS", "Containers"),
        ("PROCESSES", "Processes"),
    ];
    flags.print(&columns, all)
}

fn inspect(groups: &Groups<'_>, name: &str) -> Result<Value, crate::container::Error> {
    let group = groups.find(name)?;
    let containers: Vec<String> = groups.containers(name)?.into_iter().map(|c| c.record.name).collect();
    Ok(json!({
        "Name": group.name,
        "Cgroup": groups.path(name),
        "Resources": group.resources,
        "Rules": group.rules,
        "Containers": containers,
        "Processes": groups.processes(name)?,
        "Stats": groups.stats(name)?,
    }))
}

/// A file with blocks is one of groups, one without is one of rules.
fn import(groups: &Groups<'_>, file: &std::path::Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file).tried(|| format!("cannot import {}", file.display()))?;
    match text.contains('{') {
        true => import_groups(groups, &text, file),
        false => import_rules(groups, &text, file),
    }
}

/// All groups have to be there before any gets a rule.
fn import_rules(groups: &Groups<'_>, text: &str, file: &std::path::Path) -> Result<(), Failure> {
    let tried = || format!("cannot import {}", file.display());
    let rules = parse_rules(text).tried(tried)?;
    for (name, _) in &rules.taken {
        groups.find(name).tried(tried)?;
    }
    for (name, rule) in rules.taken {
        groups.add_rule(&name, rule).tried(tried)?;
        line(format!("{name}: a rule"))?;
    }
    for (line, why) in rules.ignored {
        eprintln!("lay: line {line} was not taken over: {why}");
    }
    Ok(())
}

fn import_groups(groups: &Groups<'_>, text: &str, file: &std::path::Path) -> Result<(), Failure> {
    for group in parse_config(text).tried(|| format!("cannot import {}", file.display()))? {
        let tried = || format!("cannot import group {} of {}", group.name, file.display());
        if group.name.is_empty() {
            eprintln!("lay: {} was not taken over: only groups with a name are", group.ignored.join(", "));
            continue;
        }
        match groups.find(&group.name) {
            Ok(_) => groups.update(&group.name, &group.resources).tried(tried)?,
            Err(_) => groups.create(&group.name, group.resources.clone()).tried(tried)?,
        }
        line(&group.name)?;
        for key in &group.ignored {
            eprintln!("lay: group {}: {key} was not taken over", group.name);
        }
    }
    Ok(())
}
