//! Builds: from a Containerfile and a context to an image.
//!
//! The front end (`containerfile`, `expand`, `ignore`, `plan`, `check`) reads no file, asks no network and runs nothing: text
//! and values go in, typed values come out. `context` opens what is built from, `executor` carries a plan out, `step` does
//! what one instruction says, with `copy` for those that add files, `cache` remembers, and `export` makes the result.

pub mod cache;
pub mod check;
pub mod containerfile;
pub mod context;
pub mod copy;
mod error;
pub mod executor;
pub mod expand;
pub mod export;
pub mod ignore;
mod lint;
pub mod options;
pub mod plan;
pub mod state;
pub mod step;

pub use error::{Error, StepError};
pub use executor::{Built, Event, Failure, How, Progress, Scene, build, check_file, is_step_id, step_image};
pub use options::{Caching, Options, SecretSource};
