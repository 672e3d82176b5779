//! `lay monitor`: what `lay run -d` leaves behind.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use crate::container::{self, Inherited};

/// Watch over a detached container
#[derive(Args, Debug)]
pub struct Monitor {
    /// The container's directory
    dir: PathBuf,
    /// Descriptor of its lock
    lock: i32,
    /// Descriptor on which to say how the start went; without, the container runs already
    report: Option<i32>,
    /// Descriptor of the socket of somebody who is attached
    client: Option<i32>,
}

impl Monitor {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let watched = container::monitor_main(
            &env,
            &self.dir,
            Inherited { lock: self.lock, report: self.report, client: self.client },
        );
        watched.tried(|| "cannot watch over the container".to_string())?;
        Ok(0)
    }
}
