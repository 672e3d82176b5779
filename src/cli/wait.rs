//! `lay wait`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use crate::container;

/// Wait until containers end, and print their exit codes
#[derive(Args, Debug)]
pub struct Wait {
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Wait {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        for name in &self.containers {
            let waited = env.containers.find(name).and_then(|container| {
                container::mend(&env, &container)?;
                container::wait(&env, &container)
            });
            let exit = waited.tried(|| format!("cannot wait for {name}"))?;
            line(exit.code.to_string())?;
        }
        Ok(0)
    }
}
