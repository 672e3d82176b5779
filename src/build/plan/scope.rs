//! Variables of a build: which names mean what, where.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{PlanError, Request, Warning};
use crate::build::containerfile::{Arg, Containerfile, Kind, nearest};
use crate::build::expand::{ExpandError, Variables};
use crate::registry::Platform;

/// Variables that `RUN` sees when the user gives them, declared or not. Undeclared they do not count for the cache.
pub const PROXY_ARGS: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Variables that every build has before the first `FROM`; stages declare them if they want them.
pub const PLATFORM_ARGS: [&str; 9] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETSTAGE",
];

/// The variables before the first `FROM`: what `FROM` lines see.
#[derive(Clone, Debug)]
pub struct Globals {
    values: BTreeMap<String, String>,
    /// Declared names, also those without a value.
    declared: BTreeSet<String>,
    given: BTreeMap<String, String>,
}

impl Globals {
    /// Platform variables and the `ARG`s before the first `FROM`; `target` is the number of the stage to build.
    ///
    /// # Errors
    /// If a default cannot be expanded.
    pub fn new(file: &Containerfile, request: &Request, target: usize) -> Result<Self, PlanError> {
        let mut globals = Self {
            values: BTreeMap::new(),
            declared: PLATFORM_ARGS.into_iter().map(str::to_owned).collect(),
            given: request.args.clone(),
        };
        globals.set_platform("TARGET", &request.target_platform);
        globals.set_platform("BUILD", &request.build_platform);
        let name = file.stages.get(target).and_then(|stage| stage.from.name.clone());
        globals.set_default("TARGETSTAGE", name.unwrap_or_else(|| "default".to_owned()));
        for instruction in &file.globals {
            let Kind::Arg(args) = &instruction.kind else { continue };
            for arg in args {
                globals
                    .declare(arg, file.directives.escape)
                    .map_err(|error| PlanError::new(Some(instruction.text.span.start), error.into()))?;
            }
        }
        Ok(globals)
    }

    fn set_platform(&mut self, prefix: &str, platform: &Platform) {
        self.set_default(&format!("{prefix}PLATFORM"), platform.to_string());
        self.set_default(&format!("{prefix}OS"), platform.os.clone());
        self.set_default(&format!("{prefix}ARCH"), platform.architecture.clone());
        self.set_default(&format!("{prefix}VARIANT"), platform.variant.clone().unwrap_or_default());
    }

    /// Sets a variable, unless the user has given a value.
    fn set_default(&mut self, name: &str, value: String) {
        let value = self.given.get(name).cloned().unwrap_or(value);
        self.values.insert(name.to_owned(), value);
    }

    fn declare(&mut self, arg: &Arg, escape: char) -> Result<(), ExpandError> {
        let default = arg.default.as_ref().map(|word| word.expand(escape, self)).transpose()?;
        self.declared.insert(arg.name.clone());
        let value = self.given.get(&arg.name).cloned().or(default.map(|expansion| expansion.text));
        if let Some(value) = value {
            self.values.insert(arg.name.clone(), value);
        }
        Ok(())
    }

    /// Whether a name is declared, with a value or without.
    pub fn is_declared(&self, name: &str) -> bool {
        self.declared.contains(name)
    }

    /// The declared name that is most like this one.
    pub fn nearest(&self, name: &str) -> Option<String> {
        nearest(name, self.declared.iter().map(String::as_str)).map(str::to_owned)
    }

    /// Warnings of values that were given for nothing.
    pub(super) fn unused(&self, file: &Containerfile) -> Vec<Warning> {
        let stages = file.stages.iter().flat_map(|stage| &stage.instructions);
        let names: BTreeSet<&str> = stages
            .filter_map(|instruction| match &instruction.kind {
                Kind::Arg(args) => Some(args),
                Kind::Onbuild(onbuild) => match &*onbuild.trigger {
                    Kind::Arg(args) => Some(args),
                    _ => None,
                },
                _ => None,
            })
            .flatten()
            .map(|arg| arg.name.as_str())
            .collect();
        let used = |name: &str| {
            names.contains(name)
                || self.is_declared(name)
                || PROXY_ARGS.contains(&name)
                || name.starts_with("BUILDKIT_")
                || name == "SOURCE_DATE_EPOCH"
        };
        self.given.keys().filter(|name| !used(name)).cloned().map(Warning::UnusedArg).collect()
    }
}

impl Variables for Globals {
    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

/// The variables of a stage without those from before the first `FROM`, which all stages share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedScope {
    args: BTreeMap<String, Option<String>>,
    env: BTreeMap<String, String>,
}

/// The variables inside a stage, as they are from instruction to instruction: what `ENV` sets goes before what `ARG`
/// declares.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    globals: &'a Globals,
    args: BTreeMap<String, Option<String>>,
    env: BTreeMap<String, String>,
}

impl<'a> Scope<'a> {
    /// The start of a stage on an image, or on nothing; `env` is the image's environment.
    pub fn new(globals: &'a Globals, env: BTreeMap<String, String>) -> Self {
        Self { globals, args: BTreeMap::new(), env }
    }

    /// The start of a stage on another one: environment and arguments go on.
    pub fn resume(globals: &'a Globals, saved: SavedScope) -> Self {
        Self { globals, args: saved.args, env: saved.env }
    }

    /// What a stage on this one starts with.
    pub fn save(&self) -> SavedScope {
        SavedScope { args: self.args.clone(), env: self.env.clone() }
    }

    /// The arguments that have a value: names and values, in order.
    pub fn arguments(&self) -> impl Iterator<Item = (&str, &str)> {
        self.args.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
    }

    /// Carries `ARG` out. A given value goes before the default, that before a value from before the first `FROM`.
    /// Defaults see the variables as they were before the instruction.
    ///
    /// # Errors
    /// If a default cannot be expanded.
    pub fn declare(&mut self, args: &[Arg], escape: char) -> Result<(), ExpandError> {
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            let default = arg.default.as_ref().map(|word| word.expand(escape, self)).transpose()?;
            let given = self.globals.given.get(&arg.name).cloned();
            let inherited = || self.globals.get(&arg.name).map(str::to_owned);
            values.push(given.or(default.map(|expansion| expansion.text)).or_else(inherited));
        }
        self.args.extend(args.iter().map(|arg| arg.name.clone()).zip(values));
        Ok(())
    }

    /// Carries out one pair of `ENV`, expanded before any pair of the instruction is set; whether it is a new one.
    pub fn set_env(&mut self, name: String, value: String) -> bool {
        self.env.insert(name, value).is_none()
    }

    /// Whether a name is declared or set, with a value or without.
    pub fn is_declared(&self, name: &str) -> bool {
        self.env.contains_key(name) || self.args.contains_key(name)
    }

    /// The declared or set name that is most like this one.
    pub fn nearest(&self, name: &str) -> Option<String> {
        nearest(name, self.env.keys().chain(self.args.keys()).map(String::as_str)).map(str::to_owned)
    }

    /// The environment of `RUN`: `ENV`, and `ARG`s that have a value. All of it counts for the cache.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let args = self.args.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        args.chain(self.env.clone()).collect()
    }

    /// What `RUN` sees besides, without a say in the cache: proxies that the user gives and nobody declares.
    pub fn proxies(&self) -> BTreeMap<String, String> {
        let given = self.globals.given.iter();
        let hidden = given.filter(|(name, _)| PROXY_ARGS.contains(&name.as_str()) && !self.is_declared(name));
        hidden.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

impl Variables for Scope<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let arg = || self.args.get(name).and_then(Option::as_ref);
        self.env.get(name).or_else(arg).map(String::as_str)
    }
}
