//! The end of a build: what is remembered of it, and the image.

use std::collections::{BTreeMap, BTreeSet};

use lay_store::{BuildKind, BuildRecord, Digest, Store, digest_of_value};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::os::fd::AsFd;

use super::Session;
use crate::build::cache::{Carried, Elsewhere, Last, Loading, Made, StepRecord, is_here};
use crate::build::error::{Error, StepError};
use crate::build::export::{self, Document};
use crate::build::plan::Origin;
use crate::build::state::{Part, State, chain};
use crate::image::{self, Image};
use crate::kernel::process::{Cloned, clone, exit_now};

/// A record that was used is marked as such at most so often, in seconds.
const TOUCH: u64 = 3600;

/// The image of the target.
#[derive(Debug)]
pub struct Finished {
    /// The image.
    pub image: Image,
    /// Its names.
    pub names: Vec<String>,
    /// What its steps made, if that is to be kept elsewhere.
    pub carried: Carried,
    /// Which of it is not here.
    pub elsewhere: Elsewhere,
}

/// What stages have told of their steps.
#[derive(Debug, Default)]
pub struct Remembered {
    /// What directories have become: archives and their sizes.
    made: BTreeMap<(usize, usize), (Digest, u64)>,
    records: BTreeMap<usize, Vec<StepRecord>>,
    /// What identifies stages that others are built upon.
    pub ids: BTreeMap<usize, Digest>,
}

/// The image after a step, as the cache keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    config: Value,
    layers: Vec<Value>,
}

impl Remembered {
    /// Takes in what a stage tells at its end.
    pub fn add(&mut self, stage: usize, made: Vec<(usize, Digest, u64)>, records: Vec<StepRecord>) {
        self.made.extend(made.into_iter().map(|(number, diff_id, size)| ((stage, number), (diff_id, size))));
        if let Some(last) = records.last() {
            self.ids.insert(stage, Digest::of(last.id.as_bytes()));
        }
        self.records.insert(stage, records);
    }

    /// Whether a stage has told its end.
    pub fn has(&self, stage: usize) -> bool {
        self.records.contains_key(&stage)
    }

    /// A part that is in the store now; none if it did not come there.
    fn settled(&self, part: &Part) -> Option<Part> {
        match part {
            Part::Stored { .. } => Some(part.clone()),
            Part::Fresh { diff_id, size, .. } => Some(Part::stored(*diff_id, *size)),
            Part::Kept { step, .. } => {
                let (diff_id, size) = self.made.get(step)?;
                Some(Part::stored(*diff_id, *size))
            }
        }
    }

    /// A state whose layers all are in the store.
    pub fn settle(&self, state: &State) -> Option<State> {
        let parts = state.parts.iter().map(|part| self.settled(part)).collect::<Option<_>>()?;
        Some(State { parts, ..state.clone() })
    }
}

/// What the index is to be told: all that it does not know yet.
pub fn remember(session: &Session<'_>, remembered: &Remembered) -> Result<(), Error> {
    let mut new = Vec::new();
    for (stage, records) in &remembered.records {
        for record in records {
            if let Some(state) = remembered.settle(&record.state) {
                step_records(session, record, &state, &mut new);
            }
        }
        let last = Last { steps: records.iter().map(|r| (r.number, r.inputs.clone())).collect() };
        let key = session.last_key(*stage);
        let value = json(&last);
        if !records.is_empty() && session.cache.text(BuildKind::Last, &key) != Some(&value) {
            new.push(BuildRecord::new(BuildKind::Last, key, value, None));
        }
    }
    let mut seen = BTreeSet::new();
    new.retain(|record| seen.insert((record.kind, record.key.clone())));
    Ok(session.env.store.add_build_records(&new)?)
}

/// The same by a process of its own: sled leaves threads behind, and this one is to start a container yet.
pub fn remember_aside(session: &Session<'_>, remembered: &Remembered) -> Result<(), Error> {
    let failed = |e| StepError::errno("start a process for", std::path::Path::new("the index"))(e);
    match clone(0).map_err(failed)? {
        Cloned::Child => {
            let kept = remember(session, remembered);
            exit_now(i32::from(kept.is_err()))
        }
        Cloned::Parent { pidfd, .. } => {
            // What is not remembered is done again, no more.
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            Ok(())
        }
    }
}

/// What a step is found by, and what it made.
fn result(record: &StepRecord, state: &State) -> Option<(Vec<Digest>, Made)> {
    let diff_ids = state.diff_ids()?;
    let below = match record.inputs.is_linked() {
        true => Digest::of(b""),
        false => chain(&diff_ids[..record.prefix.min(diff_ids.len())]),
    };
    let layer = state.parts.get(record.prefix).and_then(|part| match part {
        Part::Stored { diff_id, blob } => Some((*diff_id, blob["size"].as_u64()?)),
        _ => None,
    });
    let keys = [record.inputs.key(below)].into_iter().chain(record.inputs.alias_key(below));
    Some((keys.collect(), Made { layer }))
}

/// What the steps of a build made, for other machines.
fn carried(remembered: &Remembered) -> Carried {
    let mut carried = Carried::default();
    for record in remembered.records.values().flatten() {
        let Some(state) = remembered.settle(&record.state) else { continue };
        let Some((keys, made)) = result(record, &state) else { continue };
        carried.results.extend(keys.into_iter().map(|key| (key.hex(), made.clone())));
        carried.seen.insert(record.inputs.weak().hex());
    }
    carried
}

/// The records of one step.
fn step_records(session: &Session<'_>, record: &StepRecord, state: &State, new: &mut Vec<BuildRecord>) {
    let Some((keys, Made { layer })) = result(record, state) else { return };
    let made = json(&Made { layer });
    // What is not here is not kept here.
    let store = &session.env.store;
    let layer = layer.filter(|(diff_id, _)| is_here(store, diff_id));
    let now = BuildRecord::new(BuildKind::Result, String::new(), String::new(), None).used;
    let mut add = |kind, key: String, value: &str| {
        let stale = session.cache.used(kind, &key).is_none_or(|used| now.saturating_sub(used) > TOUCH);
        let layer = layer.filter(|_| kind != BuildKind::Seen);
        let moved = || session.cache.layer(kind, &key) != layer;
        let differs = || {
            let old = session.cache.text(kind, &key);
            old != Some(value) && (kind != BuildKind::Step || old != Some(&digest_of_value(value)))
        };
        if stale || differs() || moved() {
            new.push(BuildRecord::new(kind, key, value.to_owned(), layer));
        }
    };
    keys.into_iter().for_each(|key| add(BuildKind::Result, key.hex(), &made));
    add(BuildKind::Seen, record.inputs.weak().hex(), "true");
    let is_mountable = |part: &Part| part.diff_id().is_some_and(|diff_id| store.layer(&diff_id).is_some());
    if !state.parts.iter().all(is_mountable) {
        return;
    }
    let Document { config, layers, .. } = export::document(state, &BTreeMap::new());
    add(BuildKind::Step, record.id.clone(), &json(&Kept { config, layers }));
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Makes the image of the target and gives it its names.
pub fn finish(session: &mut Session<'_>, remembered: &Remembered) -> Result<Finished, Error> {
    let lease = session.lease;
    let lost = || Error::Lost(" (a layer did not come into the store)".to_owned());
    let target = session.plan.target().ok_or_else(lost)?;
    let state = session.stage(target.index)?;
    let mut state = remembered.settle(&state).ok_or_else(lost)?;
    if session.options.squash {
        state = export::squash(session.env, session.form, lease, &state, below(session))?;
    }
    let annotations = session.options.annotations.clone();
    let document = Document { annotations, ..export::document(&state, &session.options.labels) };
    let store = &session.env.store;
    let (_, descriptor) = export::keep(store, lease, &document)?;
    let names = match session.options.nameless {
        true => Vec::new(),
        false => session.options.tags.clone(),
    };
    for name in &names {
        store.tag(name, descriptor.clone()).map_err(Error::from)?;
    }
    if names.is_empty() && !session.options.nameless {
        store.tag_nameless(descriptor.clone()).map_err(Error::from)?;
    }
    store.flush_index();
    let image = image::load(store, names.first().cloned(), descriptor)?;
    let carried = match session.options.cache_to.is_empty() {
        true => Carried::default(),
        false => carried(remembered),
    };
    Ok(Finished { image, names, carried, elsewhere: std::mem::take(&mut session.elsewhere) })
}

/// How many layers and entries of the history the target has of what its `FROM` names.
fn below(session: &Session<'_>) -> (usize, usize) {
    let Some(target) = session.plan.target() else { return (0, 0) };
    match &target.base {
        Origin::Stage(index) => {
            session.done.get(index).map_or((0, 0), |state| (state.parts.len(), state.history.len()))
        }
        Origin::Image(name) => {
            let image = session.images.get(&super::bases::key(name, &target.platform));
            let known = |image: &Image| image.config.history().as_ref().map_or(0, Vec::len);
            image.map_or((0, 0), |image| (image.layers.len(), known(image)))
        }
        _ => (0, 0),
    }
}

/// The image after a step, by the step's id.
pub fn step_image(store: &Store, id: &str) -> Result<Option<Image>, Error> {
    let cache = Loading::begin_whole(store)?.end();
    let Some(kept) = cache.get::<Kept>(BuildKind::Step, id) else { return Ok(None) };
    let lease = store.lease()?;
    let document = Document { config: kept.config, layers: kept.layers, ..Document::default() };
    let (_, descriptor) = export::keep(store, &lease, &document)?;
    Ok(Some(image::load(store, None, descriptor)?))
}
