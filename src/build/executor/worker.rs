//! A process that builds one stage.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use lay_store::{Digest, Lease, Store};

use super::{Event, How, Session};
use crate::build::containerfile::{Containerfile, Instruction, Text};
use crate::build::copy::Digests;
use crate::build::error::{StepError, report};
use crate::build::plan::{PlannedStage, Scope, Step};
use crate::build::state::{LAYER, Part, State};
use crate::build::step::Stage;
use crate::container::Workplace;
use crate::layer::archive::changes_until;
use crate::layer::pack;

/// Archives that are written at once.
const THREADS: usize = 4;

/// What a worker works on.
pub struct Work<'a> {
    /// The build.
    pub session: &'a Session<'a>,
    /// The stage.
    pub planned: &'a PlannedStage<'a>,
    /// What it begins with.
    pub base: State,
    /// What identifies that.
    pub id: Digest,
    /// Protects what it makes.
    pub lease: &'a Lease,
}

impl Work<'_> {
    /// Builds the stage and tells `tell` of it. Tells whether all went well.
    pub fn run(self, workplace: &mut Workplace, tell: &mut dyn FnMut(&Event)) -> bool {
        let Work { session, planned, base, id, lease } = self;
        let triggers = match triggers(&base) {
            Ok(triggers) => triggers,
            Err(error) => {
                tell(&failed(session, planned.index, 0, planned.text, &error, &base));
                return false;
            }
        };
        let mut scope = Scope::resume(&session.plan.globals, base.scope.clone());
        for (name, value) in base.environment() {
            scope.set_env(name, value);
        }
        let mut stage = Stage {
            session,
            index: planned.index,
            state: base,
            scope,
            workplace,
            packed: Vec::new(),
            records: Vec::new(),
            digests: Digests::load(&session.digests_path()),
            id,
            tell,
        };
        stage.state.settings.remove("OnBuild");
        stage.state.has_cmd = false;
        let well = steps(&mut stage, planned, &triggers);
        stage.state.scope = stage.scope.save();
        finish(stage, lease, well) && well
    }
}

/// The base image's triggers.
fn triggers(base: &State) -> Result<Vec<Instruction>, StepError> {
    let texts = base.list("OnBuild").unwrap_or_default();
    texts.iter().map(|text| Ok(Containerfile::parse_trigger(text)?)).collect()
}

fn steps(stage: &mut Stage<'_>, planned: &PlannedStage<'_>, triggers: &[Instruction]) -> bool {
    let session = stage.session;
    let of_image = planned.base.stage().is_none();
    let mut all = Vec::new();
    for trigger in triggers.iter().filter(|_| of_image) {
        match Step::of_trigger(session.file, planned.index, trigger) {
            Ok(step) => all.push(step),
            Err(error) => {
                let event = failed(session, planned.index, 0, planned.text, &error.into(), &stage.state);
                (stage.tell)(&event);
                return false;
            }
        }
    }
    all.extend(planned.steps.iter().cloned());
    let (name, total) = (session.stage_name(planned.index), all.len());
    for (index, step) in all.iter().enumerate() {
        let number = index + 1;
        let text = step.text.line.clone();
        (stage.tell)(&Event::Begin { stage: planned.index, name: name.clone(), number, total, text });
        let start = Instant::now();
        let outcome = match stage.step(number, step) {
            Ok(outcome) => outcome,
            Err(error) => {
                let text = if of_image && index < triggers.len() { planned.text } else { step.text };
                let event = failed(session, planned.index, number, text, &error, &stage.state);
                (stage.tell)(&event);
                return false;
            }
        };
        let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (how, why, id) = (outcome.how, outcome.why, outcome.id.filter(|_| outcome.how != How::Settled));
        (stage.tell)(&Event::End { stage: planned.index, number, how, why, id, millis });
    }
    true
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

/// An archive that is still to come into the store.
enum Pending {
    Packed(crate::layer::Packed, PathBuf),
    Kept(usize, PathBuf),
}

/// Brings all that the stage has made into the store.
fn finish(stage: Stage<'_>, lease: &Lease, well: bool) -> bool {
    let Stage { session, index, state, workplace, packed, records, digests, tell, .. } = stage;
    let packed = packed.into_iter().map(|(packed, blob)| Pending::Packed(packed, blob));
    let kept = state.parts.iter().filter_map(|part| match part {
        Part::Kept { step: (stage, number), path } if *stage == index => {
            Some(Pending::Kept(*number, path.clone()))
        }
        _ => None,
    });
    let pending: Vec<Mutex<Option<Pending>>> =
        packed.chain(kept).map(|pending| Mutex::new(Some(pending))).collect();
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Digest, u64)>, StepError> {
        let mut made = Vec::new();
        while let Some(slot) = pending.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(pending) = slot.lock().ok().and_then(|mut slot| slot.take()) else { continue };
            made.extend(keep(session, lease, workplace, state.epoch, pending)?);
        }
        Ok(made)
    };
    let threads = THREADS.min(pending.len());
    let result: Result<Vec<_>, StepError> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Vec<_>, StepError>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let lists = threads.into_iter().map(join).collect::<Result<Vec<_>, _>>()?;
        Ok(lists.concat())
    });
    digests.save();
    match result {
        Ok(made) => {
            let state = well.then(|| Box::new(state));
            tell(&Event::Finished { stage: index, made, records, state });
            true
        }
        Err(error) => {
            let report = format!("cannot keep the layers: {}", crate::error::chain(&error));
            tell(&Event::Failed { stage: index, number: 0, report, code: None, state: Box::new(state) });
            false
        }
    }
}

fn keep(
    session: &Session<'_>,
    lease: &Lease,
    workplace: &Workplace,
    epoch: i64,
    pending: Pending,
) -> Result<Option<(usize, Digest, u64)>, StepError> {
    let store: &Store = &session.env.store;
    let (packed, blob, number) = match pending {
        Pending::Packed(packed, blob) => (packed, blob, None),
        Pending::Kept(number, upper) => {
            let path = workplace.dir().join(format!("blob-{number}"));
            let blob = File::create(&path).map_err(StepError::file("create", &path))?;
            let packed =
                pack(store, session.form, &blob, |out: &mut dyn Write| changes_until(&upper, epoch, out))?;
            (packed, path, Some(number))
        }
    };
    let (diff_id, size) = (packed.diff_id, packed.size);
    lease.protect([diff_id])?;
    store.adopt_blob(&blob, &diff_id, size, LAYER)?;
    packed.commit()?;
    Ok(number.map(|number| (number, diff_id, size)))
}
