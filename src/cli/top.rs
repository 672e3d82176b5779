//! `lay top`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use crate::container;

/// Show the processes of a container
#[derive(Args, Debug)]
#[command(after_help = "Process ids are those of this machine, whose ps is used.

Examples:
  lay top web
  lay top web -o pid,user,%cpu,args")]
pub struct Top {
    /// Name or id of a container
    container: String,
    /// Options of ps(1) [default: -ef]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PS OPTION")]
    options: Vec<String>,
}

impl Top {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let shown =
            env.containers.find(&self.container).and_then(|found| container::top(&found, &self.options));
        let shown = shown.tried(|| format!("cannot show the processes of {}", self.container))?;
        shown.iter().try_for_each(line).map(|()| 0)
    }
}
