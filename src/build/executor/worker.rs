//! The steps of a stage: looked up, or carried out in a process of its own.

use std::time::Instant;

use lay_store::Digest;

use super::keep::keep_all;
use super::{Event, How, Session};
use crate::build::cache::StepRecord;
use crate::build::containerfile::{Containerfile, Instruction, Text};
use crate::build::copy::Digests;
use crate::build::error::{StepError, report};
use crate::build::plan::{PlannedStage, Scope, Step};
use crate::build::state::State;
use crate::build::step::{Outcome, Stage};
use crate::container::Workplace;

/// A stage that has begun. Its first steps may be known already, and are looked up without a process and a place for it.
#[derive(Debug)]
pub struct Begun {
    /// The image so far.
    state: State,
    /// What identifies the steps so far.
    id: Digest,
    /// The base image's triggers.
    triggers: Vec<Instruction>,
    /// How many steps are done, triggers included.
    done: usize,
    records: Vec<StepRecord>,
    digests: Digests,
}

impl Begun {
    /// A stage that begins with `state`, which `id` identifies.
    ///
    /// # Errors
    /// With the failure to tell when a trigger of the base image makes no sense.
    pub fn new(
        session: &Session<'_>,
        planned: &PlannedStage<'_>,
        mut state: State,
        id: Digest,
    ) -> Result<Self, Event> {
        let triggers = match triggers(session, planned, &state) {
            Ok(triggers) => triggers,
            Err(error) => return Err(failed(session, planned.index, 0, planned.text, &error, &state)),
        };
        state.settings.remove("OnBuild");
        state.has_cmd = false;
        let digests = Digests::load(&session.digests_path());
        Ok(Self { state, id, triggers, done: 0, records: Vec::new(), digests })
    }

    /// Looks steps up, one after the other, up to the first that has to be carried out, or might have to be. If there is none,
    /// all is done, and this is the event that says so.
    pub fn look_up(
        mut self,
        session: &Session<'_>,
        planned: &PlannedStage<'_>,
        tell: &mut dyn FnMut(&Event),
    ) -> Result<Event, Box<Self>> {
        if !session.is_cached(planned.index) {
            return Err(Box::new(self));
        }
        let triggers = std::mem::take(&mut self.triggers);
        let all = steps(session, planned, &triggers);
        let mut done = self.done;
        let mut stage = self.stage(session, planned, None, tell);
        while let Some(step) = all.get(done) {
            let start = Instant::now();
            // Whatever is wrong with it shows again when it is carried out.
            let Ok(outcome) = stage.step(done + 1, step) else { break };
            done += 1;
            begin(&mut stage, (done, all.len()), step);
            end(&mut stage, done, outcome, start);
        }
        if done == all.len() {
            stage.digests.save();
            stage.state.scope = stage.scope.save();
            let Stage { index, state, records, .. } = stage;
            return Ok(Event::Finished {
                stage: index,
                made: Vec::new(),
                records,
                state: Some(Box::new(state)),
            });
        }
        Err(Box::new(Self::of(stage, triggers, done)))
    }

    /// Carries the rest out and tells `tell` of it. Tells whether all went well.
    pub fn run(
        mut self,
        session: &Session<'_>,
        planned: &PlannedStage<'_>,
        workplace: &mut Workplace,
        tell: &mut dyn FnMut(&Event),
    ) -> bool {
        let triggers = std::mem::take(&mut self.triggers);
        let all = steps(session, planned, &triggers);
        let done = self.done;
        let mut stage = self.stage(session, planned, Some(workplace), tell);
        let well = rest(&mut stage, planned, &all, (done, triggers.len()));
        stage.state.scope = stage.scope.save();
        keep_all(stage, well) && well
    }

    fn stage<'a>(
        self,
        session: &'a Session<'a>,
        planned: &PlannedStage<'_>,
        workplace: Option<&'a mut Workplace>,
        tell: &'a mut dyn FnMut(&Event),
    ) -> Stage<'a> {
        let Self { state, id, records, digests, .. } = self;
        let mut scope = Scope::resume(&session.plan.globals, state.scope.clone());
        for (name, value) in state.environment() {
            scope.set_env(name, value);
        }
        let (index, packed) = (planned.index, Vec::new());
        Stage { session, index, state, scope, workplace, packed, records, digests, id, tell }
    }

    fn of(stage: Stage<'_>, triggers: Vec<Instruction>, done: usize) -> Self {
        let Stage { mut state, scope, records, digests, id, .. } = stage;
        state.scope = scope.save();
        Self { state, id, triggers, done, records, digests }
    }
}

/// The triggers of the image that a stage begins with.
fn triggers(
    session: &Session<'_>,
    planned: &PlannedStage<'_>,
    base: &State,
) -> Result<Vec<Instruction>, StepError> {
    if planned.base.stage().is_some() {
        return Ok(Vec::new());
    }
    let texts = base.list("OnBuild").unwrap_or_default();
    let trigger = |text: &String| -> Result<Instruction, StepError> {
        let trigger = Containerfile::parse_trigger(text)?;
        Step::of_trigger(session.file, &session.options.request.contexts, planned.index, &trigger)?;
        Ok(trigger)
    };
    texts.iter().map(trigger).collect()
}

/// All steps of a stage.
fn steps<'a>(
    session: &Session<'_>,
    planned: &'a PlannedStage<'a>,
    triggers: &'a [Instruction],
) -> Vec<Step<'a>> {
    let triggers = triggers.iter().filter_map(|trigger| {
        // They were asked before.
        Step::of_trigger(session.file, &session.options.request.contexts, planned.index, trigger).ok()
    });
    triggers.chain(planned.steps.iter().cloned()).collect()
}

/// Carries steps out after the first `done`.
fn rest(
    stage: &mut Stage<'_>,
    planned: &PlannedStage<'_>,
    all: &[Step<'_>],
    (done, triggers): (usize, usize),
) -> bool {
    let session = stage.session;
    for (index, step) in all.iter().enumerate().skip(done) {
        begin(stage, (index + 1, all.len()), step);
        let start = Instant::now();
        let outcome = match stage.step(index + 1, step) {
            Ok(outcome) => outcome,
            Err(StepError::Lost(layers)) => {
                (stage.tell)(&Event::Lost { stage: stage.index, layers });
                return false;
            }
            Err(error) => {
                let text = if index < triggers { planned.text } else { step.text };
                let event = failed(session, planned.index, index + 1, text, &error, &stage.state);
                (stage.tell)(&event);
                return false;
            }
        };
        end(stage, index + 1, outcome, start);
    }
    true
}

fn begin(stage: &mut Stage<'_>, (number, total): (usize, usize), step: &Step<'_>) {
    let (name, text) = (stage.session.stage_name(stage.index), step.text.line.clone());
    (stage.tell)(&Event::Begin { stage: stage.index, name, number, total, text });
}

fn end(stage: &mut Stage<'_>, number: usize, outcome: Outcome, start: Instant) {
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let Outcome { how, why, id } = outcome;
    let id = id.filter(|_| how != How::Settled);
    (stage.tell)(&Event::End { stage: stage.index, number, how, why, id, millis });
}

fn failed(
    session: &Session<'_>,
    stage: usize,
    number: usize,
    text: &Text,
    error: &StepError,
    state: &State,
) -> Event {
    let code = match error {
        StepError::Command { code, .. } => Some(*code),
        StepError::Container(error) => Some(i32::from(error.exit_code())).filter(|code| *code != 125),
        _ => None,
    };
    let message = crate::error::chain(error);
    let report = report(&session.context.name, &session.context.content, text.span.start, &message);
    Event::Failed { stage, number, report, code, state: Box::new(state.clone()) }
}
