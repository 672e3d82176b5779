//! Where files come from.

use super::{Names, PlanError, PlanProblem, Warning};
use crate::build::containerfile::{Containerfile, Kind, MountKind, MountRequest, Run, Text};

/// The image without files.
pub(super) const SCRATCH: &str = "scratch";

/// A place that files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The build context.
    Context,
    /// Nothing: an empty root.
    Scratch,
    /// An earlier stage, by its number in the file.
    Stage(usize),
    /// An image, as written.
    Image(String),
    /// A context that has this name (`--build-context`).
    Named(String),
    /// Nowhere: a cache, memory, a secret or a socket.
    None,
}

impl Origin {
    /// The number of the stage, if it is one.
    pub fn stage(&self) -> Option<usize> {
        match self {
            Self::Stage(index) => Some(*index),
            _ => None,
        }
    }

    /// What `FROM image` means in the stage with the number `before`: what the user has for the name, an earlier stage by name,
    /// nothing, or an image.
    pub fn base((file, names): (&Containerfile, &Names), image: &str, before: usize) -> Self {
        if let Some(origin) = names.origin(image) {
            return origin;
        }
        match by_name(file, image, before) {
            Some(stage) => Self::Stage(stage),
            None if image == SCRATCH => Self::Scratch,
            None => Self::Image(image.to_owned()),
        }
    }

    /// What `--from=name` means in the stage with the number `before`: an earlier stage by name or number, else an
    /// image.
    ///
    /// # Errors
    /// If there is no earlier stage with the number.
    pub fn resolve(
        (file, names): (&Containerfile, &Names),
        name: &str,
        before: usize,
    ) -> Result<Self, PlanProblem> {
        if let Ok(number) = name.parse::<usize>() {
            let known = file.stages.get(number).filter(|_| number < before);
            let stage = known.ok_or(PlanProblem::StageNumber { number, before })?;
            let replaced = stage.from.name.as_deref().and_then(|name| names.origin(name));
            return Ok(replaced.unwrap_or(Self::Stage(number)));
        }
        Ok(Self::base((file, names), name, before))
    }
}

/// The stage of a name among the first `before` ones. The last one counts if there are several.
pub(super) fn by_name(file: &Containerfile, name: &str, before: usize) -> Option<usize> {
    let named = |stage: &crate::build::containerfile::Stage| {
        stage.from.name.as_ref().is_some_and(|other| other.eq_ignore_ascii_case(name))
    };
    file.stages.iter().take(before).rposition(named)
}

/// The origins of an instruction in the stage `index`.
pub(super) fn origins(
    (file, names): (&Containerfile, &Names),
    index: usize,
    kind: &Kind,
    text: &Text,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Origin>, PlanError> {
    let mut resolve = |name: &str| {
        let origin = Origin::resolve((file, names), name, index);
        if let Ok(Origin::Image(_)) = origin
            && names.origin(name).is_none()
            && by_name(file, name, file.stages.len()).is_some()
        {
            let warning = Warning::LaterStage { name: name.to_owned(), position: text.span.start };
            warnings.push(warning);
        }
        origin.map_err(|problem| PlanError::new(Some(text.span.start), problem))
    };
    match kind {
        Kind::Copy(copy) => Ok(vec![copy.from.as_deref().map_or(Ok(Origin::Context), &mut resolve)?]),
        Kind::Add(_) => Ok(vec![Origin::Context]),
        Kind::Run(Run { mounts, .. }) => mounts
            .iter()
            .map(|mount| match mount.from() {
                Some(name) => resolve(name),
                None => Ok(default_origin(mount)),
            })
            .collect(),
        _ => Ok(Vec::new()),
    }
}

/// A bind without `from` is of the context.
fn default_origin(mount: &MountRequest) -> Origin {
    match mount.kind() {
        Some(MountKind::Bind) => Origin::Context,
        _ => Origin::None,
    }
}
