//! `lay restart`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::stop::{for_each, grace};
use crate::container::{self, parse_signal};

/// Stop containers if they run, and start them
#[derive(Args, Debug)]
pub struct Restart {
    /// Seconds to wait before they are killed, -1 for ever [default: what they were told, or 10]
    #[arg(short = 't', long, alias = "timeout", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Signal to send instead of the image's
    #[arg(short, long)]
    signal: Option<String>,
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Restart {
    /// Names of the containers.
    pub fn containers(&self) -> &[String] {
        &self.containers
    }

    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let signal =
            self.signal.as_deref().map(parse_signal).transpose().tried(|| "invalid flag".to_string())?;
        for_each(context, "restart", &self.containers, |env, container| {
            container::mend(env, container)?;
            let grace = grace(self.time.or(container.record.options.stop_timeout));
            container::restart(env, container, signal, grace)
        })
    }
}
