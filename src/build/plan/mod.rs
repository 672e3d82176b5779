//! What a build has to do: which stages, in which order, from which bases, with which inputs.
//!
//! Only `FROM` lines and names of stages are settled here. Everything else waits for its turn, because its variables
//! depend on the base images: [`Scope`] then holds them.

mod error;
mod named;
mod origin;
mod scope;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

pub use error::{PlanError, PlanProblem, Warning};
pub use named::{Named, Names};
pub use origin::Origin;
pub use scope::{Globals, PLATFORM_ARGS, PROXY_ARGS, SavedScope, Scope};

use crate::build::containerfile::{Containerfile, Instruction, Kind, Stage, Text, Word, nearest};
use crate::registry::Platform;

/// What the user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The stage to build, by name or number (`--target`); the last one if there is none.
    pub target: Option<String>,
    /// Values of variables (`--build-arg`).
    pub args: BTreeMap<String, String>,
    /// The platform of the machine that builds.
    pub build_platform: Platform,
    /// The platform that the image is for (`--platform`).
    pub target_platform: Platform,
    /// What names stand for something else (`--build-context`).
    pub contexts: Names,
}

impl Request {
    /// The last stage, for this machine, without arguments.
    pub fn new() -> Self {
        let host = Platform::host();
        Self {
            target: None,
            args: BTreeMap::new(),
            build_platform: host.clone(),
            target_platform: host,
            contexts: Names::default(),
        }
    }
}

impl Default for Request {
    fn default() -> Self {
        Self::new()
    }
}

/// The stages to build.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Each after all that it needs; the last one is the target.
    pub stages: Vec<PlannedStage<'a>>,
    /// The variables that all stages can declare.
    pub globals: Globals,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// A stage to build.
#[derive(Clone, Debug)]
pub struct PlannedStage<'a> {
    /// Its number in the file, from 0; [`Origin::Stage`] means this.
    pub index: usize,
    /// Its name in lowercase.
    pub name: Option<String>,
    /// What it begins with: a stage, an image or nothing. Files of a context are a step of their own.
    pub base: Origin,
    /// The platform of its base.
    pub platform: Platform,
    /// How its `FROM` is written.
    pub text: &'a Text,
    /// Its instructions, after the triggers of a base that is a stage. Triggers of an image come before all of them.
    pub steps: Vec<Step<'a>>,
}

/// An instruction to carry out.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// What to do.
    pub kind: &'a Kind,
    /// How it is written.
    pub text: &'a Text,
    /// Whether it comes from an `ONBUILD` of the base.
    pub trigger: bool,
    /// Where its files come from: one for `COPY` and `ADD`, one for each mount of `RUN`, else none.
    pub origins: Vec<Origin>,
}

impl<'a> Plan<'a> {
    /// Plans a build.
    ///
    /// # Errors
    /// If the target or a stage that is named by number is not there, or a needed `FROM` cannot be expanded.
    pub fn new(file: &'a Containerfile, request: &Request) -> Result<Self, PlanError> {
        let target = target(file, request.target.as_deref())?;
        let globals = Globals::new(file, request, target)?;
        let mut warnings = globals.unused(file);
        let mut planned: BTreeMap<usize, PlannedStage<'a>> = BTreeMap::new();
        let mut needed = BTreeSet::from([target]);
        // References only go back, so the greatest number left needs nobody that was planned already.
        while let Some(index) = needed.pop_last() {
            let stage = plan_stage(file, index, &globals, request, &mut warnings)?;
            let origins = stage.steps.iter().flat_map(|step| &step.origins).chain([&stage.base]);
            needed.extend(origins.filter_map(Origin::stage));
            planned.insert(index, stage);
        }
        Ok(Self { stages: planned.into_values().collect(), globals, warnings })
    }

    /// The stage that is the result.
    pub fn target(&self) -> Option<&PlannedStage<'a>> {
        self.stages.last()
    }
}

impl<'a> Step<'a> {
    /// A trigger of the image that the stage `index` begins with.
    ///
    /// # Errors
    /// If it takes files from a stage that is not there.
    pub fn of_trigger(
        file: &Containerfile,
        names: &Names,
        index: usize,
        trigger: &'a Instruction,
    ) -> Result<Self, PlanError> {
        let Instruction { kind, text } = trigger;
        let origins = origin::origins((file, names), index, kind, text, &mut Vec::new())?;
        Ok(Self { kind, text, trigger: true, origins })
    }

    /// All files of a context as an image: what it means to begin with one.
    fn of_base(origin: Origin, text: &'a Text) -> Option<Self> {
        static ALL: LazyLock<Option<Instruction>> =
            LazyLock::new(|| Containerfile::parse_trigger("COPY . /").ok());
        let kind = &ALL.as_ref()?.kind;
        Some(Self { kind, text, trigger: false, origins: vec![origin] })
    }
}

/// The number of the stage to build.
fn target(file: &Containerfile, wanted: Option<&str>) -> Result<usize, PlanError> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { return Ok(file.stages.len() - 1) };
    let number = wanted.parse().ok().filter(|&index: &usize| index < file.stages.len());
    let found = origin::by_name(file, wanted, file.stages.len()).or(number);
    found.ok_or_else(|| {
        let names: Vec<_> = file.stages.iter().filter_map(|stage| stage.from.name.as_deref()).collect();
        PlanError::new(
            None,
            PlanProblem::Target {
                name: wanted.to_owned(),
                nearest: nearest(wanted, names.iter().copied()).map(str::to_owned),
                known: names.into_iter().map(str::to_owned).collect(),
            },
        )
    })
}

fn plan_stage<'a>(
    file: &'a Containerfile,
    index: usize,
    globals: &Globals,
    request: &Request,
    warnings: &mut Vec<Warning>,
) -> Result<PlannedStage<'a>, PlanError> {
    let stage = &file.stages[index];
    let platform = platform(file, index, globals, request)?;
    let own = stage.from.name.as_deref().and_then(|name| request.contexts.origin(name));
    // A stage that the user has something else for does nothing.
    let (base, instructions) = match own {
        Some(origin) => (origin, &[][..]),
        None => (base(file, index, globals, &request.contexts)?, &stage.instructions[..]),
    };
    let mut steps = Vec::new();
    if let Some(parent) = base.stage() {
        for instruction in &file.stages[parent].instructions {
            if let Kind::Onbuild(onbuild) = &instruction.kind {
                steps.push((&*onbuild.trigger, &instruction.text, true));
            }
        }
    }
    steps.extend(instructions.iter().map(|instruction| (&instruction.kind, &instruction.text, false)));
    let steps = steps.into_iter().map(|(kind, text, trigger)| {
        let origins = origin::origins((file, &request.contexts), index, kind, text, warnings)?;
        Ok(Step { kind, text, trigger, origins })
    });
    let mut steps = steps.collect::<Result<Vec<_>, PlanError>>()?;
    let base = match base {
        Origin::Named(_) => {
            steps.splice(0..0, Step::of_base(base, &stage.text));
            Origin::Scratch
        }
        base => base,
    };
    let name = stage.from.name.as_deref().map(str::to_lowercase);
    Ok(PlannedStage { index, name, base, platform, text: &stage.text, steps })
}

/// What `FROM` names once its variables have values.
fn base(
    file: &Containerfile,
    index: usize,
    globals: &Globals,
    contexts: &Names,
) -> Result<Origin, PlanError> {
    let Stage { from, text, .. } = &file.stages[index];
    let (image, missing) = expand(file, &from.image, text, globals)?;
    if image.is_empty() {
        let expression = from.image.as_str().to_owned();
        let nearest = missing.as_deref().and_then(|name| globals.nearest(name));
        return Err(PlanError::new(Some(text.span.start), PlanProblem::EmptyBase { expression, nearest }));
    }
    Ok(Origin::base((file, contexts), &image, index))
}

/// The platform that `FROM` wants.
fn platform(
    file: &Containerfile,
    index: usize,
    globals: &Globals,
    request: &Request,
) -> Result<Platform, PlanError> {
    let Stage { from, text, .. } = &file.stages[index];
    let Some(word) = &from.platform else { return Ok(request.target_platform.clone()) };
    let (platform, missing) = expand(file, word, text, globals)?;
    platform.parse().map_err(|_| {
        let nearest = missing.as_deref().and_then(|name| globals.nearest(name));
        PlanError::new(Some(text.span.start), PlanProblem::Platform { platform, nearest })
    })
}

/// A word of `FROM` with its variables, and the first of these that has no value.
fn expand(
    file: &Containerfile,
    word: &Word,
    text: &Text,
    globals: &Globals,
) -> Result<(String, Option<String>), PlanError> {
    let expansion = word
        .expand(file.directives.escape, globals)
        .map_err(|error| PlanError::new(Some(text.span.start), error.into()))?;
    Ok((expansion.text, expansion.undefined.into_iter().next()))
}
