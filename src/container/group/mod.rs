//! Resource groups: lasting control groups with limits that all containers and processes in them share.
//!
//! A group is a file below `groups/` in the store, and a control group `groups/<name>` below the parent of all containers'. It is
//! made when it is first needed after a boot.

mod config;
mod rule;

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::files::{on, read_json, remove_if_there, write_json};
use super::id::check_name;
use super::launch::Environment;
use super::record::{Container, Status};
use super::resources::Resources;
use super::spec::limits;
use crate::runtime::cgroup::{Cgroup, Stats, remove_if_empty};

pub use config::{Imported, parse_config};
pub use rule::{Rule, Rules, parse_rules};

/// Name of the control group below a group's that holds plain processes: on v2 only leaves may hold any.
const PROCESSES: &str = "processes";

/// A resource group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its limits.
    pub resources: Resources,
    /// Which containers it takes without being asked.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// The groups of a store.
#[derive(Debug)]
pub struct Groups<'a> {
    env: &'a Environment,
    dir: PathBuf,
}

impl<'a> Groups<'a> {
    /// Those of this environment.
    pub fn new(env: &'a Environment) -> Groups<'a> {
        Groups { env, dir: env.store.root().join("groups") }
    }

    /// Path of a group's control group below each hierarchy.
    pub fn path(&self, name: &str) -> String {
        format!("{}/groups/{name}", self.env.cgroup_parent.trim_end_matches('/'))
    }

    /// All groups, by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn list(&self) -> Result<Vec<Group>, Error> {
        let entries = match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(on("list", &self.dir))?,
        };
        let mut groups = Vec::new();
        for path in entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "json"))
        {
            groups.extend(read_json::<Group>(&path)?);
        }
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(groups)
    }

    /// A group by name.
    ///
    /// # Errors
    /// [`Error::NoGroup`].
    pub fn find(&self, name: &str) -> Result<Group, Error> {
        check_name(name)?;
        read_json(&self.file(name))?.ok_or_else(|| Error::NoGroup(name.to_string()))
    }

    /// Makes a group.
    ///
    /// # Errors
    /// When the name is taken or the kernel refuses a limit.
    pub fn create(&self, name: &str, resources: Resources) -> Result<(), Error> {
        check_name(name)?;
        resources.check()?;
        if self.file(name).exists() {
            return Err(Error::GroupExists(name.to_string()));
        }
        fs::create_dir_all(&self.dir).map_err(on("create", &self.dir))?;
        Cgroup::create(&self.path(name), &limits::changes(&resources)?)?;
        write_json(&self.file(name), &Group { name: name.to_string(), resources, rules: Vec::new() })
    }

    /// Changes the limits that are given; they hold at once for all that is in the group.
    ///
    /// # Errors
    /// When there is no such group, limits contradict each other or the kernel refuses one.
    pub fn update(&self, name: &str, resources: &Resources) -> Result<(), Error> {
        let mut group = self.find(name)?;
        group.resources.merge(resources);
        group.resources.check()?;
        self.ensure(name)?.update(&limits::changes(resources)?)?;
        write_json(&self.file(name), &group)
    }

    /// Replaces the rules by which a group takes containers.
    ///
    /// # Errors
    /// When there is no such group.
    pub fn set_rules(&self, name: &str, rules: Vec<Rule>) -> Result<(), Error> {
        let group = Group { rules, ..self.find(name)? };
        write_json(&self.file(name), &group)
    }

    /// Removes a group in which nothing runs.
    ///
    /// # Errors
    /// [`Error::GroupInUse`].
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        self.find(name)?;
        let in_use = |by: String| Error::GroupInUse { name: name.to_string(), by };
        if let Some(container) = self.containers(name)?.first() {
            return Err(in_use(format!("container {}", container.record.name)));
        }
        if let Some(pid) = self.processes(name)?.first() {
            return Err(in_use(format!("process {pid}")));
        }
        let path = self.path(name);
        Cgroup::open(&path)?.delete()?;
        remove_if_there(&self.file(name))?;
        // The last group's parent goes with it.
        if let Some((parent, _)) = path.rsplit_once('/') {
            remove_if_empty(parent)?;
        }
        Ok(())
    }

    /// Running containers in a group.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub fn containers(&self, name: &str) -> Result<Vec<Container>, Error> {
        let all = self.env.containers.list()?.into_iter();
        let inside = all.filter(|c| c.record.options.group.as_deref() == Some(name));
        Ok(inside.filter(|c| matches!(c.status(), Ok(Status::Running(_)))).collect())
    }

    /// Plain processes in a group.
    ///
    /// # Errors
    /// When the control group cannot be read.
    pub fn processes(&self, name: &str) -> Result<Vec<i32>, Error> {
        Ok(Cgroup::open(&format!("{}/{PROCESSES}", self.path(name)))?.pids()?)
    }

    /// What a group uses.
    ///
    /// # Errors
    /// When a counter cannot be read.
    pub fn stats(&self, name: &str) -> Result<Stats, Error> {
        Ok(self.ensure(name)?.stats()?)
    }

    /// Puts a process into a group.
    ///
    /// # Errors
    /// When there is no such group or process.
    pub fn attach(&self, name: &str, pid: i32) -> Result<(), Error> {
        self.ensure(name)?;
        let path = format!("{}/{PROCESSES}", self.path(name));
        Ok(there_or_new(&path, &Resources::default())?.add(pid)?)
    }

    /// The control group, made if this is the first use after a boot.
    ///
    /// # Errors
    /// When there is no such group or the kernel refuses a limit.
    pub fn ensure(&self, name: &str) -> Result<Cgroup, Error> {
        there_or_new(&self.path(name), &self.find(name)?.resources)
    }

    /// Adds a rule to a group, after those of all groups, unless it has the same already.
    ///
    /// # Errors
    /// When there is no such group.
    pub fn add_rule(&self, name: &str, rule: Rule) -> Result<(), Error> {
        let mut group = self.find(name)?;
        if group.rules.iter().any(|old| Rule { order: 0, ..old.clone() } == Rule { order: 0, ..rule.clone() })
        {
            return Ok(());
        }
        let last = self.list()?.iter().flat_map(|group| &group.rules).map(|rule| rule.order).max();
        group.rules.push(Rule { order: last.unwrap_or(0) + 1, ..rule });
        write_json(&self.file(name), &group)
    }

    /// The group that takes a container by a rule; the rule that was made first counts, as the first line of a file does.
    ///
    /// # Errors
    /// When the groups cannot be read.
    pub fn place(&self, image: &str, args: &[String]) -> Result<Option<String>, Error> {
        let groups = self.list()?;
        let first = |group: &Group| {
            group.rules.iter().filter(|rule| rule.takes(image, args)).map(|rule| rule.order).min()
        };
        let taking = groups.into_iter().filter_map(|group| Some((first(&group)?, group.name)));
        Ok(taking.min().map(|(_, name)| name))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }
}

fn there_or_new(path: &str, resources: &Resources) -> Result<Cgroup, Error> {
    let group = Cgroup::open(path)?;
    if group.is_there() {
        return Ok(group);
    }
    match Cgroup::create(path, &limits::changes(resources)?) {
        // Another process was faster.
        Err(crate::runtime::cgroup::Error::Exists { .. }) => Ok(Cgroup::open(path)?),
        result => Ok(result?),
    }
}
