//! `lay stop`

use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use crate::container::{self, Container, Environment, State, parse_signal};

/// Stop running containers
#[derive(Args, Debug)]
pub struct Stop {
    /// Names or ids of containers
    #[arg(required_unless_present = "all", value_name = "CONTAINER")]
    containers: Vec<String>,
    /// All that run
    #[arg(short, long, conflicts_with = "containers")]
    all: bool,
    /// The machine goes down: 'lay start --wanted' starts again what its restart policy wants to run
    #[arg(long, conflicts_with = "signal")]
    shutdown: bool,
    /// Seconds to wait before they are killed, -1 for ever [default: what they were told, or 10]
    #[arg(short = 't', long, alias = "timeout", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Signal to send instead of the image's
    #[arg(short, long)]
    signal: Option<String>,
}

impl Stop {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let signal =
            self.signal.as_deref().map(parse_signal).transpose().tried(|| "invalid flag".to_string())?;
        let names = if self.all { running(context)? } else { self.containers.clone() };
        for_each(context, "stop", &names, |env, container| {
            container::mend(env, container)?;
            let grace = grace(self.time.or(container.record.options.stop_timeout));
            match self.shutdown {
                true => container::stop_for_shutdown(env, container, grace).map(drop),
                false => container::stop(env, container, signal, grace).map(drop),
            }
        })
    }
}

/// Names of all containers that run, or are about to run again.
fn running(context: &Context) -> Result<Vec<String>, Failure> {
    let tried = || "cannot list the containers".to_string();
    let mut names = Vec::new();
    for container in context.environment()?.containers.list().tried(tried)? {
        if !matches!(container.state().tried(tried)?, State::Created | State::Exited) {
            names.push(container.record.name);
        }
    }
    Ok(names)
}

/// How long a container may take to end.
pub fn grace(seconds: Option<i64>) -> Duration {
    const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    let seconds = seconds.map_or(Some(10), |seconds| u64::try_from(seconds).ok());
    seconds.map_or(FOR_EVER, |seconds| Duration::from_secs(seconds).min(FOR_EVER))
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
