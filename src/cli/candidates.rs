//! What a shell is told of names: those of containers, images, volumes and groups that are there.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::Command;
use clap_complete::CompletionCandidate;
use clap_complete::engine::{ArgValueCompleter, ValueCompleter};

use super::Context;
use super::walk::walk;
use crate::container::{Groups, Status, Volumes};
use crate::image;

/// What a value names.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Container,
    Running,
    Image,
    Either,
    Volume,
    Group,
    Network,
    /// `CONTAINER:PATH`, or a path.
    Place,
}

/// Values that are names: the command's path, the argument's id, what it is.
const ARGUMENTS: &[(&str, &str, Kind)] = &[
    ("run", "words", Kind::Image),
    ("create", "words", Kind::Image),
    ("exec", "words", Kind::Running),
    ("start", "containers", Kind::Container),
    ("restart", "containers", Kind::Container),
    ("stop", "containers", Kind::Running),
    ("kill", "containers", Kind::Running),
    ("pause", "containers", Kind::Running),
    ("unpause", "containers", Kind::Running),
    ("rename", "container", Kind::Container),
    ("attach", "container", Kind::Running),
    ("update", "containers", Kind::Container),
    ("stats", "containers", Kind::Running),
    ("top", "container", Kind::Running),
    ("port", "container", Kind::Running),
    ("wait", "containers", Kind::Container),
    ("rm", "containers", Kind::Container),
    ("logs", "container", Kind::Container),
    ("fork", "container", Kind::Container),
    ("commit", "container", Kind::Container),
    ("export", "container", Kind::Container),
    ("cp", "source", Kind::Place),
    ("cp", "target", Kind::Place),
    ("snapshot create", "container", Kind::Container),
    ("snapshot ls", "container", Kind::Container),
    ("snapshot rollback", "container", Kind::Container),
    ("snapshot rm", "container", Kind::Container),
    ("inspect", "names", Kind::Either),
    ("diff", "name", Kind::Either),
    ("diff", "other", Kind::Image),
    ("pull", "image", Kind::Image),
    ("push", "image", Kind::Image),
    ("tag", "source", Kind::Image),
    ("rmi", "images", Kind::Image),
    ("history", "image", Kind::Image),
    ("du", "image", Kind::Image),
    ("save", "images", Kind::Image),
    ("volume inspect", "volumes", Kind::Volume),
    ("volume rm", "volumes", Kind::Volume),
    ("group inspect", "groups", Kind::Group),
    ("group rm", "groups", Kind::Group),
    ("group update", "name", Kind::Group),
    ("group exec", "group", Kind::Group),
    ("group attach", "group", Kind::Group),
    ("network inspect", "networks", Kind::Network),
    ("network rm", "networks", Kind::Network),
    ("network connect", "network", Kind::Network),
    ("network connect", "container", Kind::Container),
    ("network disconnect", "network", Kind::Network),
    ("network disconnect", "container", Kind::Container),
    ("run", "volumes_from", Kind::Container),
    ("create", "volumes_from", Kind::Container),
    ("run", "group", Kind::Group),
    ("create", "group", Kind::Group),
    ("run", "network", Kind::Network),
    ("create", "network", Kind::Network),
];

/// Tells arguments which names they take.
pub fn add(command: Command) -> Command {
    walk(command, &add_to)
}

fn add_to(command: Command, path: &str) -> Command {
    // In place: an argument that is taken out and put back would come after the others.
    command.mut_args(|argument| {
        let known = ARGUMENTS.iter().find(|(of, name, _)| *of == path && argument.get_id() == *name);
        let Some((_, name, kind)) = known else { return argument };
        // Only the first of a command's words is a name.
        let names = Names { kind: *kind, first: *name == "words" };
        argument.add(ArgValueCompleter::new(names))
    })
}

struct Names {
    kind: Kind,
    first: bool,
}

impl ValueCompleter for Names {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        let Some(current) = current.to_str() else { return Vec::new() };
        let Ok(context) = Context::new(root(), false) else { return Vec::new() };
        // Nothing is made for a question.
        if !context.root.exists() {
            return Vec::new();
        }
        let names = names(&context, self.kind, current).unwrap_or_default();
        let sorted: std::collections::BTreeMap<String, String> = names.into_iter().collect();
        let fitting = sorted.into_iter().filter(|(name, _)| name.starts_with(current));
        fitting.map(|(name, about)| CompletionCandidate::new(name).help(Some(about.into()))).collect()
    }

    fn complete_at(&self, index: usize, current: &OsStr) -> Vec<CompletionCandidate> {
        if self.first && index > 0 { Vec::new() } else { self.complete(current) }
    }
}

/// `--root` of the line that is being completed.
fn root() -> Option<PathBuf> {
    let words: Vec<_> = std::env::args_os().collect();
    let given = words.iter().position(|word| word == "--root").and_then(|at| words.get(at + 1));
    given.or(std::env::var_os("LAY_ROOT").as_ref()).map(PathBuf::from)
}

/// Names and a word about each.
fn names(context: &Context, kind: Kind, current: &str) -> Option<Vec<(String, String)>> {
    Some(match kind {
        Kind::Container => containers(context, false, current)?,
        Kind::Running => containers(context, true, current)?,
        Kind::Image => images(context, current)?,
        Kind::Either => [containers(context, false, current)?, images(context, current)?].concat(),
        Kind::Volume => {
            let list = Volumes::new(&context.root).list().ok()?;
            list.into_iter().map(|volume| (volume.name, "volume".to_string())).collect()
        }
        Kind::Group => {
            let env = context.environment().ok()?;
            let list = Groups::new(&env).list().ok()?;
            list.into_iter().map(|group| (group.name, "resource group".to_string())).collect()
        }
        Kind::Network => networks(context),
        Kind::Place => {
            let list = containers(context, false, current)?;
            list.into_iter().map(|(name, about)| (format!("{name}:"), about)).chain(paths(current)).collect()
        }
    })
}

/// Names; ids where the beginning of one was typed and no name fits.
fn containers(context: &Context, running: bool, current: &str) -> Option<Vec<(String, String)>> {
    let env = context.environment().ok()?;
    let list = env.containers.list().ok()?.into_iter();
    let list: Vec<_> =
        list.filter(|c| !running || !matches!(c.status(), Ok(Status::Created | Status::Exited(_)))).collect();
    let about = |container: &crate::container::Container| container.record.image.clone();
    let named = list.iter().filter(|c| c.record.name.starts_with(current));
    let named: Vec<_> = named.map(|c| (c.record.name.clone(), about(c))).collect();
    match named.is_empty() && !current.is_empty() {
        true => Some(list.iter().map(|c| (c.short_id().to_string(), about(c))).collect()),
        false => Some(named),
    }
}

fn images(context: &Context, current: &str) -> Option<Vec<(String, String)>> {
    let list = image::list(&context.store().ok()?).ok()?;
    let list: Vec<_> = list.into_iter().flatten().map(|listed| listed.image).collect();
    let short = |image: &image::Image| image.id.hex()[..12].to_string();
    let named: Vec<_> = list
        .iter()
        .filter_map(|image| Some((image.name.clone()?, short(image))))
        .filter(|(name, _)| name.starts_with(current))
        .collect();
    match named.is_empty() && !current.is_empty() {
        true => {
            Some(list.iter().map(|image| (short(image), image.name.clone().unwrap_or_default())).collect())
        }
        false => Some(named),
    }
}

/// The networks that every machine has, and those in the store.
fn networks(context: &Context) -> Vec<(String, String)> {
    let fixed = ["bridge", "none", "host"].map(str::to_string);
    let entries = std::fs::read_dir(context.root.join("networks")).into_iter().flatten().flatten();
    let made = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        name.strip_suffix(".json").map(str::to_string)
    });
    fixed.into_iter().chain(made).map(|name| (name, "network".to_string())).collect()
}

/// Paths of this machine that begin so.
fn paths(current: &str) -> Vec<(String, String)> {
    let (dir, _) = current
        .rsplit_once('/')
        .map_or((".", current), |(dir, rest)| (if dir.is_empty() { "/" } else { dir }, rest));
    let prefix = current.rsplit_once('/').map_or(String::new(), |(dir, _)| format!("{dir}/"));
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let slash = if entry.path().is_dir() { "/" } else { "" };
        Some((format!("{prefix}{}{slash}", entry.file_name().to_str()?), String::new()))
    });
    named.collect()
}
