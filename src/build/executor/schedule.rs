//! Which stage is built when.

use std::collections::{BTreeMap, BTreeSet};

use lay_store::Digest;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::child::{Child, spawn};
use super::finish::{Finished, Remembered, finish, remember, remember_aside};
use super::worker::Begun;
use super::{Event, Failure, How, Progress, Session, bases};
use crate::build::error::{Error, StepError};
use crate::build::plan::{Origin, PlannedStage};
use crate::build::state::State;
use crate::container::{Environment, Step, Workplace};

/// Stages that are built at once.
const MOST: usize = 4;

/// Where a build failed: the files as the step has left them.
#[derive(Debug)]
pub struct Scene {
    workplace: Workplace,
    state: Box<State>,
}

impl Scene {
    /// Opens a shell there, with this process's terminal; its exit code.
    ///
    /// # Errors
    /// When the image has no shell.
    pub fn shell(mut self, env: &Environment) -> Result<i32, Error> {
        let mut layers = self.state.snapshot(&env.store, env.via)?;
        let points = self.workplace.dir().join("points");
        if points.is_dir() {
            layers.layers.push(lay_store::Layer {
                diff_id: Digest::of(b""),
                form: lay_store::LayerForm::Directory,
                path: points,
            });
        }
        let config = oci_spec::image::ConfigBuilder::default()
            .env(self.state.list("Env").unwrap_or_default())
            .user(self.state.setting("User"))
            .working_dir(self.state.setting("WorkingDir"))
            .build()
            .map_err(crate::container::Error::from)?;
        let options = crate::container::Options {
            tty: rustix::termios::isatty(std::io::stdin()),
            interactive: true,
            ..crate::container::Options::default()
        };
        let shell = self.state.shell().into_iter().next().unwrap_or_else(|| "/bin/sh".to_owned());
        let step = Step { layers, files: None, args: vec![shell], config, options, given: &|_, _| Ok(None) };
        let end = self.workplace.run_attached(env, step);
        self.workplace.remove(env)?;
        Ok(end?.code)
    }

    /// Removes what is left.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(self, env: &Environment) -> Result<(), Error> {
        Ok(self.workplace.remove(env)?)
    }
}

/// Carries all stages out, and makes the image.
pub fn run(session: Session<'_>, progress: &mut dyn Progress) -> Result<Finished, Failure> {
    let signals = receive_signals()?;
    let plan = session.plan;
    let mut build = Build {
        session,
        children: Vec::new(),
        workplaces: BTreeMap::new(),
        started: BTreeSet::new(),
        remembered: Remembered::default(),
        anew: BTreeSet::new(),
        failure: None,
        failed: None,
    };
    let result = build.all(&plan.stages, &signals, progress);
    // Here, because the index leaves threads behind.
    let scene = build.leave();
    // What was carried out before a failure counts for the next build.
    let kept = match build.failed.is_some() && build.session.options.keep_failed {
        true => remember_aside(&build.session, &build.remembered),
        false => remember(&build.session, &build.remembered),
    };
    let result = match (result, build.failure.take()) {
        (Err(error), _) | (Ok(()), Some(error)) => Err(error),
        (Ok(()), None) => kept.and_then(|()| finish(&mut build.session, &build.remembered)),
    };
    match (result, scene) {
        (Ok(finished), Ok(_)) => Ok(finished),
        (Ok(_), Err(error)) => Err(error.into()),
        (Err(error), scene) => Err(Failure { error, scene: scene.ok().flatten() }),
    }
}

/// Signals that end a build come as a descriptor, so that nothing is left half made.
fn receive_signals() -> Result<SignalFd, Error> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        set.add(signal);
    }
    let failed =
        |e: nix::Error| StepError::file("receive", std::path::Path::new("signals"))(std::io::Error::from(e));
    set.thread_block().map_err(failed)?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map_err(failed)?)
}

struct Build<'a> {
    session: Session<'a>,
    children: Vec<Child>,
    workplaces: BTreeMap<usize, Workplace>,
    started: BTreeSet<usize>,
    remembered: Remembered,
    /// Stages that begin anew once their processes have ended.
    anew: BTreeSet<usize>,
    failure: Option<Error>,
    /// The stage that failed, and the image before the step that did.
    failed: Option<(usize, Box<State>)>,
}

impl Build<'_> {
    /// Removes the places where stages were built, but for one that the user wants to look at.
    fn leave(&mut self) -> Result<Option<Box<Scene>>, Error> {
        self.kill_all();
        let failed = self.failed.as_ref().map(|(stage, _)| *stage);
        let mut scene = None;
        for (stage, workplace) in std::mem::take(&mut self.workplaces) {
            if failed == Some(stage) && self.session.options.keep_failed {
                scene = self.failed.clone().map(|(_, state)| Box::new(Scene { workplace, state }));
            } else {
                workplace.remove_behind(self.session.env)?;
            }
        }
        Ok(scene)
    }

    /// Builds stages until all of the target is here: its layers were not needed before.
    fn all(
        &mut self,
        stages: &[PlannedStage<'_>],
        signals: &SignalFd,
        progress: &mut dyn Progress,
    ) -> Result<(), Error> {
        loop {
            self.stages(stages, signals, progress)?;
            let target = self.session.plan.target().and_then(|target| self.session.done.get(&target.index));
            let Some(target) = target.filter(|_| self.failure.is_none()) else { return Ok(()) };
            match self.session.bring(target) {
                Err(StepError::Lost(layers)) => self.lose(&layers, progress),
                brought => return Ok(brought?),
            }
        }
    }

    /// Goes on without layers that cannot be had: the steps that made them are carried out.
    fn lose(&mut self, layers: &[(Digest, String)], progress: &mut dyn Progress) {
        for (diff_id, why) in layers {
            if self.session.elsewhere.lose(*diff_id) {
                let text =
                    format!("warning: the layer {diff_id} cannot be had, its step is carried out: {why}");
                progress.event(&Event::Note(text));
            }
        }
        let has = |state: &State| {
            let diff_ids = || state.parts.iter().filter_map(crate::build::state::Part::diff_id);
            layers.iter().any(|(lost, _)| diff_ids().any(|diff_id| diff_id == *lost))
        };
        let done = &mut self.session.done;
        let again: Vec<usize> =
            done.iter().filter(|(_, state)| has(state)).map(|(stage, _)| *stage).collect();
        for stage in again {
            done.remove(&stage);
            self.started.remove(&stage);
        }
    }

    fn stages(
        &mut self,
        stages: &[PlannedStage<'_>],
        signals: &SignalFd,
        progress: &mut dyn Progress,
    ) -> Result<(), Error> {
        let wait = progress.interval().and_then(|interval| Timespec::try_from(interval).ok());
        loop {
            if self.failure.is_none() {
                self.start_ready(stages, progress)?;
            }
            if self.children.is_empty() {
                return Ok(());
            }
            let mut fds = vec![PollFd::new(signals, PollFlags::IN)];
            let children: Vec<_> = self.children.iter().map(Child::as_fd).collect();
            fds.extend(children.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
            match poll(&mut fds, wait.as_ref()) {
                Ok(0) => progress.tick(),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => {
                    return Err(StepError::errno("wait for", std::path::Path::new("the stages"))(e).into());
                }
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            if ready[0] && signals.read_signal().ok().flatten().is_some() {
                self.kill_all();
                return Err(Error::Interrupted);
            }
            for index in (0..self.children.len()).rev().filter(|index| ready[index + 1]) {
                match self.children[index].receive() {
                    Some(events) => events.into_iter().for_each(|event| self.take(event, progress)),
                    None => {
                        let child = self.children.remove(index);
                        self.ended(&child);
                    }
                }
            }
        }
    }

    /// Starts all stages whose needs are met.
    fn start_ready(&mut self, stages: &[PlannedStage<'_>], progress: &mut dyn Progress) -> Result<(), Error> {
        for planned in stages {
            if self.started.contains(&planned.index) || self.children.len() >= MOST || self.failure.is_some()
            {
                continue;
            }
            let origins = planned.steps.iter().flat_map(|step| &step.origins).chain([&planned.base]);
            let mut needs = origins.filter_map(Origin::stage);
            if needs.all(|stage| self.session.done.contains_key(&stage)) {
                self.start(planned, progress)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, planned: &PlannedStage<'_>, progress: &mut dyn Progress) -> Result<(), Error> {
        self.started.insert(planned.index);
        let (base, id) = self.base(planned)?;
        let (stage, name) = (planned.index, self.session.stage_name(planned.index));
        progress.event(&Event::Begin {
            stage,
            name,
            number: 0,
            total: planned.steps.len(),
            text: planned.text.line.clone(),
        });
        let (how, why, id_text) = (How::Settled, None, None);
        progress.event(&Event::End { stage, number: 0, how, why, id: id_text, millis: 0 });
        let layers = base.parts.iter().filter_map(crate::build::state::Part::diff_id).collect();
        let session = &self.session;
        let known = Begun::new(session, planned, base, id)
            .map(|begun| begun.look_up(session, planned, &mut |event| progress.event(event)));
        match known {
            Err(event) | Ok(Ok(event)) => self.take(event, progress),
            Ok(Err(begun)) => {
                let parent = session.options.cgroup_parent.clone();
                let mut workplace = Workplace::new(session.env, "build", layers, parent)?;
                let child = spawn(stage, |tell| begun.run(session, planned, &mut workplace, tell));
                let old = self.workplaces.insert(stage, workplace);
                self.children.push(child?);
                // The stage begins anew.
                old.map_or(Ok(()), |old| old.remove(self.session.env))?;
            }
        }
        Ok(())
    }

    /// What a stage begins with, and what identifies that.
    fn base(&self, planned: &PlannedStage<'_>) -> Result<(State, Digest), Error> {
        match &planned.base {
            Origin::Stage(index) => {
                let state = self.session.stage(*index)?;
                let id = self.remembered.ids.get(index).copied().unwrap_or_else(|| Digest::of(b"scratch"));
                Ok((state, id))
            }
            Origin::Image(name) => {
                let key = bases::key(name, &planned.platform);
                let image = self.session.images.get(&key);
                let image = image.ok_or_else(|| crate::image::Error::NotFound(name.clone()))?;
                Ok((State::of_image(image, self.session.options.epoch)?, image.id))
            }
            _ => {
                let epoch = self.session.options.epoch.unwrap_or_else(|| self.newest(planned));
                Ok((State::scratch(&planned.platform, epoch), Digest::of(b"scratch")))
            }
        }
    }

    /// The time of the newest image or stage that a stage takes files from.
    fn newest(&self, planned: &PlannedStage<'_>) -> i64 {
        let origins = planned.steps.iter().flat_map(|step| &step.origins);
        let epoch = |origin: &Origin| match origin {
            Origin::Stage(index) => self.session.done.get(index).map(|state| state.epoch),
            Origin::Image(name) => self.session.image_state(name).ok().map(|state| state.epoch),
            _ => None,
        };
        origins.filter_map(epoch).max().unwrap_or(0)
    }

    fn take(&mut self, event: Event, progress: &mut dyn Progress) {
        match event {
            Event::Lost { stage, layers } => {
                self.anew.insert(stage);
                self.lose(&layers, progress);
            }
            Event::Finished { stage, made, records, state } => {
                self.remembered.add(stage, made, records);
                // Only now, when its layers have come to rest in the store, can others be built upon it; and they can
                // be looked up, because it is known what they stand on.
                if let Some(state) = state.and_then(|state| self.remembered.settle(&state)) {
                    self.session.done.insert(stage, state);
                }
            }
            Event::Failed { stage, number, report, code, state } => {
                let event =
                    Event::Failed { stage, number, report: report.clone(), code, state: state.clone() };
                progress.event(&event);
                if self.failure.is_none() {
                    self.failure = Some(Error::Step { report, code });
                    self.failed = Some((stage, state));
                    // The others' work is in vain.
                    self.children.iter().filter(|child| child.stage != stage).for_each(Child::kill);
                }
            }
            event => progress.event(&event),
        }
    }

    fn ended(&mut self, child: &Child) {
        let how = child.wait();
        if how.is_none() && self.anew.remove(&child.stage) && self.failure.is_none() {
            self.started.remove(&child.stage);
            return;
        }
        if self.failure.is_none() && (how.is_some() || !self.remembered.has(child.stage)) {
            self.failure = Some(Error::Lost(how.unwrap_or_default()));
        }
    }

    fn kill_all(&mut self) {
        self.children.iter().for_each(Child::kill);
        for child in self.children.drain(..) {
            child.wait();
        }
    }
}

impl Drop for Build<'_> {
    fn drop(&mut self) {
        self.kill_all();
    }
}
