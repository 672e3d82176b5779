//! `lay wait`

use clap::{Args, ValueEnum};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use crate::container::{self, Condition};

/// What is waited for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Until {
    /// It does not run
    NotRunning,
    /// It ends the next time, though it may not run yet
    NextExit,
    /// It was removed
    Removed,
}

/// Wait until containers end, and print their exit codes
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  lay wait job                        prints 0 when all went well
  lay wait --condition removed job")]
pub struct Wait {
    /// What to wait for
    #[arg(long, value_enum, default_value = "not-running")]
    condition: Until,
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Wait {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let condition = match self.condition {
            Until::NotRunning => Condition::NotRunning,
            Until::NextExit => Condition::NextExit,
            Until::Removed => Condition::Removed,
        };
        for name in &self.containers {
            let wait = |container: container::Container| {
                container::mend(&env, &container)?;
                container::wait_for(&env, &container, condition)
            };
            let exit =
                env.containers.find(name).and_then(wait).tried(|| format!("cannot wait for {name}"))?;
            line(exit.code.to_string())?;
        }
        Ok(0)
    }
}
