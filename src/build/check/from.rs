//! Rules of `FROM` and of the arguments before it.

use super::secret::looks_secret;
use super::{CheckError, Finding, Knowledge, Rule, note};
use crate::build::containerfile::{Containerfile, Kind, Stage};
use crate::build::plan::{Globals, Request};
use crate::registry::{Platform, Reference};

pub(super) fn check(
    file: &Containerfile,
    knowledge: &Knowledge,
    list: &mut Vec<Finding>,
) -> Result<(), CheckError> {
    let last = file.stages.len().saturating_sub(1);
    let globals = Globals::new(file, &knowledge.request, last)?;
    let without_args = Request { args: Default::default(), ..knowledge.request.clone() };
    // Arguments may be required; then there is no default to look at.
    let defaults = Globals::new(file, &without_args, last).ok();
    for instruction in &file.globals {
        let Kind::Arg(args) = &instruction.kind else { continue };
        for arg in args.iter().filter(|arg| looks_secret(&arg.name)) {
            secret(list, "ARG", &arg.name, instruction.text.span.start);
        }
    }
    for stage in &file.stages {
        undeclared(file, stage, &globals, list);
        platform(stage, list);
        if let Some(defaults) = &defaults {
            default_image(file, stage, defaults, list);
        }
    }
    Ok(())
}

/// Notes a secret in a variable.
pub(super) fn secret(
    list: &mut Vec<Finding>,
    instruction: &str,
    name: &str,
    position: crate::build::containerfile::Position,
) {
    let message =
        format!("{instruction} {name} would keep a secret in the image: RUN --mount=type=secret does not");
    note(list, Rule::SecretsUsedInArgOrEnv, position, message);
}

fn undeclared(file: &Containerfile, stage: &Stage, globals: &Globals, list: &mut Vec<Finding>) {
    for word in [&stage.from.image].into_iter().chain(&stage.from.platform) {
        let Ok(expansion) = word.expand(file.directives.escape, globals) else { continue };
        for name in expansion.missing.iter().filter(|name| !globals.is_declared(name)) {
            let hint =
                globals.nearest(name).map(|other| format!(" (did you mean {other}?)")).unwrap_or_default();
            let message = format!("no ARG before the first FROM declares {name}{hint}");
            note(list, Rule::UndefinedArgInFrom, stage.text.span.start, message);
        }
    }
}

fn platform(stage: &Stage, list: &mut Vec<Finding>) {
    let Some(word) = &stage.from.platform else { return };
    let (word, start) = (word.as_str(), stage.text.span.start);
    if matches!(word, "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
        let message = format!("--platform={word} is the default");
        note(list, Rule::RedundantTargetPlatform, start, message);
    }
    if word.contains('$') {
        return;
    }
    // A stage that says in its name what it is for means it.
    let named = |platform: Platform| {
        let name = stage.from.name.as_deref().unwrap_or_default();
        name.contains(&platform.os) || name.contains(&platform.architecture)
    };
    if !word.parse().is_ok_and(named) {
        let message = format!("--platform={word} is the same for whatever platform is built");
        note(list, Rule::FromPlatformFlagConstDisallowed, start, message);
    }
}

fn default_image(file: &Containerfile, stage: &Stage, defaults: &Globals, list: &mut Vec<Finding>) {
    let word = &stage.from.image;
    if !word.has_variables() {
        return;
    }
    let Ok(expansion) = word.expand(file.directives.escape, defaults) else { return };
    // What nobody declares has no default; that is another rule's.
    if expansion.missing.iter().any(|name| !defaults.is_declared(name))
        || Reference::parse(&expansion.text).is_ok()
    {
        return;
    }
    let message =
        format!("with the defaults, {} becomes \"{}\", which is no image", word.as_str(), expansion.text);
    note(list, Rule::InvalidDefaultArgInFrom, stage.text.span.start, message);
}
