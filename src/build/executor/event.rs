//! What a build tells while it runs.

use lay_store::Digest;
use serde::{Deserialize, Serialize};

use crate::build::cache::StepRecord;
use crate::build::state::State;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// It was carried out.
    Ran,
    /// An earlier build had carried it out.
    Cached,
    /// It changes the configuration alone.
    Settled,
}

/// Something that happened. Steps are numbered within their stage, from 1; 0 is `FROM`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A step begins.
    Begin {
        /// The stage's number in the file.
        stage: usize,
        /// The stage's name, or its number.
        name: String,
        /// The step.
        number: usize,
        /// The last step of the stage.
        total: usize,
        /// The instruction as written.
        text: String,
    },
    /// A command printed something.
    Output {
        /// The stage.
        stage: usize,
        /// The step.
        number: usize,
        /// It stands on standard error.
        error: bool,
        /// What.
        text: String,
    },
    /// A step ended well.
    End {
        /// The stage.
        stage: usize,
        /// The step.
        number: usize,
        /// How.
        how: How,
        /// Why it was carried out.
        why: Option<String>,
        /// What it can be run by.
        id: Option<String>,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// A step failed.
    Failed {
        /// The stage.
        stage: usize,
        /// The step.
        number: usize,
        /// What to tell the user.
        report: String,
        /// Exit code of its command, if that is what failed.
        code: Option<i32>,
        /// The image before it.
        state: Box<State>,
    },
    /// A stage has to begin anew, because layers that were thought to be had cannot be had: their diff ids, and why.
    Lost {
        /// The stage.
        stage: usize,
        /// The layers.
        layers: Vec<(Digest, String)>,
    },
    /// Nothing more comes of a stage, and all that it made is in the store.
    Finished {
        /// The stage.
        stage: usize,
        /// What became of directories: number of the step, diff id and size of the archive.
        made: Vec<(usize, Digest, u64)>,
        /// What there is to remember.
        records: Vec<StepRecord>,
        /// The image, if all its steps were carried out.
        state: Option<Box<State>>,
    },
    /// Something besides the steps: what is done, or what the user should know.
    Note(String),
}

/// Receives events.
pub trait Progress {
    /// Something happened.
    fn event(&mut self, event: &Event);

    /// How often to be told that nothing happened; never without.
    fn interval(&self) -> Option<std::time::Duration> {
        None
    }

    /// Nothing happened for a while.
    fn tick(&mut self) {}
}
