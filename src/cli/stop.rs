//! `lay stop`

use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use crate::container::{self, Container, Environment, parse_signal};

/// Stop running containers
#[derive(Args, Debug)]
pub struct Stop {
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Seconds to wait before they are killed
    #[arg(short = 't', long, default_value_t = 10)]
    time: u64,
    /// Signal to send instead of the image's
    #[arg(short, long)]
    signal: Option<String>,
}

impl Stop {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let signal =
            self.signal.as_deref().map(parse_signal).transpose().tried(|| "invalid flag".to_string())?;
        let grace = Duration::from_secs(self.time);
        for_each(context, "stop", &self.containers, |env, container| {
            container::stop(env, container, signal, grace).map(drop)
        })
    }
}

/// Does something to each container and prints the names with which it went well; the others' errors do not keep it
/// from going on.
pub fn for_each(
    context: &Context,
    verb: &str,
    names: &[String],
    act: impl Fn(&Environment, &Container) -> Result<(), container::Error>,
) -> Result<u8, Failure> {
    let env = context.environment()?;
    let mut code = 0;
    for name in names {
        match env.containers.find(name).and_then(|container| act(&env, &container)) {
            Ok(()) => line(name)?,
            Err(error) => {
                code = 1;
                eprintln!("lay: {}", Failure::of(&format!("cannot {verb} {name}"), &error).message);
            }
        }
    }
    Ok(code)
}
