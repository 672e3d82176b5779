//! `lay kill`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::stop::for_each;
use crate::container::{self, parse_signal};

/// Send a signal to running containers
#[derive(Args, Debug)]
pub struct Kill {
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Signal, by name or number
    #[arg(short, long, default_value = "KILL")]
    signal: String,
}

impl Kill {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let signal = parse_signal(&self.signal).tried(|| "invalid flag".to_string())?;
        for_each(context, "kill", &self.containers, |env, container| container::kill(env, container, signal))
    }
}
