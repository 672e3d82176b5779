//! What earlier builds have made: from all that a step's result depends on to its layer.
//!
//! The root below a step is identified by the digests of its layers, so that a result counts wherever the same files stand
//! below it, whatever Containerfile made them.

mod carried;
mod elsewhere;
mod explain;
mod inputs;
mod load;
mod place;

pub use carried::Carried;
pub use elsewhere::{Elsewhere, Wanted, is_here};
pub use explain::{Last, explain};
pub use inputs::Inputs;
pub use load::{Cache, Loading};
pub use place::{Place, PlaceError};

use lay_store::Digest;
use serde::{Deserialize, Serialize};

use super::state::State;

/// What a step made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Its layer's diff id and the size of its archive in bytes; none if it changed nothing.
    pub layer: Option<(Digest, u64)>,
}

/// What there is to remember of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its number in the stage.
    pub number: usize,
    /// How many layers were below it.
    pub prefix: usize,
    /// What it depends on.
    pub inputs: Inputs,
    /// What it can be run by.
    pub id: String,
    /// The image after it.
    pub state: State,
}
