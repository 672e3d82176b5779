//! `lay pause` and `lay unpause`

use clap::Args;

use super::context::Context;
use super::failure::Failure;
use super::stop::for_each;
use crate::container;

/// Stop all processes of containers where they are
#[derive(Args, Debug)]
pub struct Pause {
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Pause {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        for_each(context, "pause", &self.containers, container::pause)
    }
}

/// Let paused containers go on
#[derive(Args, Debug)]
pub struct Unpause {
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Unpause {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        for_each(context, "unpause", &self.containers, container::unpause)
    }
}
