//! Steps: what an instruction does to the image under construction.

mod agent;
mod bind;
mod config;
mod copy;
mod fetch;
mod mounts;
mod points;
mod run;
mod secret;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lay_store::Digest;

use super::cache::{Inputs, Made, StepRecord, is_here};
use super::containerfile::{Kind, Word};
use super::copy::{Digests, Root, Tree};
use super::error::StepError;
use super::executor::{Event, How, STEP_ID, Session};
use super::plan::{Origin, Scope, Step};
use super::state::{Part, State};
use crate::container::Workplace;
use crate::layer::Packed;
use crate::snapshot::Files;

/// A stage that is being built.
pub struct Stage<'a> {
    /// What all stages share.
    pub session: &'a Session<'a>,
    /// Its number.
    pub index: usize,
    /// The image so far.
    pub state: State,
    /// The variables so far.
    pub scope: Scope<'a>,
    /// Where its commands run; none while steps are only looked up.
    pub workplace: Option<&'a mut Workplace>,
    /// Archives that are not in the store yet, with their files.
    pub packed: Vec<(Packed, PathBuf)>,
    /// What there is to remember of its steps.
    pub records: Vec<StepRecord>,
    /// Digests of the context's files.
    pub digests: Digests,
    /// What identifies the steps so far.
    pub id: Digest,
    /// Where progress is told.
    pub tell: &'a mut dyn FnMut(&Event),
}

/// How a step went.
pub struct Outcome {
    /// Whether it was carried out.
    pub how: How,
    /// Why.
    pub why: Option<String>,
    /// What it is called from now on, if it can be run.
    pub id: Option<String>,
}

impl Outcome {
    fn settled() -> Self {
        Self { how: How::Settled, why: None, id: None }
    }
}

impl<'a> Stage<'a> {
    /// Carries an instruction out.
    ///
    /// # Errors
    /// Whatever keeps it from being carried out.
    pub fn step(&mut self, number: usize, step: &Step<'_>) -> Result<Outcome, StepError> {
        match step.kind {
            Kind::Run(run) => self.run(number, run, step),
            Kind::Copy(copy) => self.copy(number, copy, step),
            Kind::Add(add) => self.add(number, add, step),
            Kind::Workdir(word) => self.workdir(number, word),
            kind => self.configure(kind, step.text).map(|()| Outcome::settled()),
        }
    }

    /// Where a step's files go that are not kept.
    ///
    /// # Errors
    /// [`StepError::NoPlace`] while steps are only looked up.
    pub fn dir(&self) -> Result<&Path, StepError> {
        self.workplace.as_deref().map(Workplace::dir).ok_or(StepError::NoPlace)
    }

    /// Says that what follows takes time and leaves traces: it is for a process of its own.
    fn in_earnest(&self) -> Result<(), StepError> {
        self.dir().map(drop)
    }

    /// Reads and hashes the files of a tree that are not known.
    fn learn(&mut self, tree: &Tree<'_>) -> Result<(), StepError> {
        if self.digests.know(tree) {
            return Ok(());
        }
        self.in_earnest()?;
        self.digests.learn(tree)
    }

    fn escape(&self) -> char {
        self.session.file.directives.escape
    }

    fn expand(&self, word: &Word) -> Result<String, StepError> {
        Ok(word.expand(self.escape(), &self.scope)?.text)
    }

    /// The image's files as they are now; none without any layer.
    fn files(&self) -> Result<Option<Files>, StepError> {
        self.session.files(&self.state)
    }

    /// The same for copying.
    fn root(&self) -> Result<Option<Root>, StepError> {
        let files = self.files()?;
        files.map(|files| Root::of_files(&files, "the image".to_owned())).transpose()
    }

    /// The tree that an origin stands for.
    fn origin(&self, origin: &Origin) -> Result<Option<Arc<Root>>, StepError> {
        match origin {
            Origin::Context => return self.session.context_root().map(Some),
            Origin::Named(name) => return self.session.named_root(name).map(Some),
            Origin::Scratch | Origin::None => return Ok(None),
            _ => self.in_earnest()?,
        }
        let (state, name) = match origin {
            Origin::Stage(index) => {
                (self.session.stage(*index)?, format!("stage {}", self.session.stage_name(*index)))
            }
            Origin::Image(name) => (self.session.image_state(name)?, format!("image {name}")),
            Origin::Context | Origin::Named(_) | Origin::Scratch | Origin::None => return Ok(None),
        };
        let files = self.session.files(&state)?;
        files.map(|files| Root::of_files(&files, name).map(Arc::new)).transpose()
    }

    /// What an origin's content depends on, if that is known without looking at it.
    fn origin_key(&self, origin: &Origin) -> Option<Digest> {
        let state = match origin {
            Origin::Stage(index) => self.session.stage(*index).ok()?,
            Origin::Image(name) => self.session.image_state(name).ok()?,
            Origin::Context | Origin::Named(_) => return None,
            Origin::Scratch | Origin::None => return Some(Digest::of(b"")),
        };
        state.diff_ids().map(|diff_ids| super::state::chain(&diff_ids))
    }

    /// Looks a result up; none while what is below is not settled, or if the user wants no cache.
    fn cached(&self, inputs: &Inputs) -> Option<Made> {
        if !self.session.is_cached(self.index) {
            return None;
        }
        let chain = self.chain(inputs)?;
        self.session.cache.find(&inputs.key(chain)).find(|made| self.may_be_had(made))
    }

    /// A layer that is not here is looked for only when a build needs what is in it. One that was looked for in vain makes a
    /// record worthless.
    fn may_be_had(&self, made: &Made) -> bool {
        let (elsewhere, store) = (&self.session.elsewhere, &self.session.env.store);
        made.layer.is_none_or(|(diff_id, _)| !elsewhere.is_lost(&diff_id) || is_here(store, &diff_id))
    }

    fn chain(&self, inputs: &Inputs) -> Option<Digest> {
        if inputs.is_linked() {
            return Some(Digest::of(b""));
        }
        self.state.diff_ids().map(|diff_ids| super::state::chain(&diff_ids))
    }

    /// Takes a result over that an earlier build has made.
    fn reuse(&mut self, number: usize, inputs: Inputs, made: Made, by: &str) -> Outcome {
        let prefix = self.state.parts.len();
        if let Some((diff_id, size)) = made.layer {
            self.state.parts.push(Part::stored(diff_id, size));
        }
        let outcome = self.remember(number, prefix, inputs, by);
        Outcome { how: How::Cached, ..outcome }
    }

    /// Takes in what the step has just made: a part, or nothing if it changed nothing.
    fn adopt(&mut self, number: usize, inputs: Inputs, part: Option<Part>, by: &str) -> Outcome {
        let prefix = self.state.parts.len();
        let why = self.session.why(self.index, number, &inputs, self.chain(&inputs).is_some());
        self.state.parts.extend(part);
        let outcome = self.remember(number, prefix, inputs, by);
        Outcome { why: Some(why), ..outcome }
    }

    fn remember(&mut self, number: usize, prefix: usize, inputs: Inputs, by: &str) -> Outcome {
        self.state.note(by, self.state.parts.len() == prefix);
        self.id = inputs.key(self.id);
        let id: String = self.id.hex().chars().take(STEP_ID).collect();
        self.records.push(StepRecord { number, prefix, inputs, id: id.clone(), state: self.state.clone() });
        Outcome { how: How::Ran, why: None, id: Some(id) }
    }
}
