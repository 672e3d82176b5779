//! `lay healthcheck`

use clap::{Args, Subcommand};

use super::context::Context;
use super::failure::{Failure, Tried};
use crate::container;

/// Ask containers how they are
#[derive(Args, Debug)]
pub struct Healthcheck {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run a container's health check now; the exit code is 0 if it went well
    Run {
        /// Name or id of a container
        container: String,
    },
}

impl Healthcheck {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let Action::Run { container: name } = &self.action;
        let env = context.environment()?;
        let checked = env.containers.find(name).and_then(|found| container::check_health(&env, &found));
        let result = checked.tried(|| format!("cannot ask {name}"))?;
        if result.exit_code != 0 {
            eprintln!("lay: {name} is not well: {}", result.output.trim_end());
        }
        Ok(u8::from(result.exit_code != 0))
    }
}
