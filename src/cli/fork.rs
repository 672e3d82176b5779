//! `lay fork`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use crate::container::{self, ForkOptions};

/// Start a second container from the first one's files as they are now
///
/// Data is shared until one of them changes it, where the file system can (XFS, btrfs). Ports of the host are chosen anew;
/// named volumes are shared.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  lay fork --name try web sh -c 'nginx -t'")]
pub struct Fork {
    /// Name of the new container
    #[arg(long)]
    name: Option<String>,
    /// Remove it when it ends
    #[arg(long)]
    rm: bool,
    /// Name or id of a container; its processes stand still meanwhile
    container: String,
    /// Another command, and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Fork {
    /// The container that is copied.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let tried = || format!("cannot fork {}", self.container);
        let env = context.environment()?;
        let source = env.containers.find(&self.container).tried(tried)?;
        let options =
            ForkOptions { name: self.name.clone(), command: self.command.clone(), auto_remove: self.rm };
        let created = container::fork(&env, &source, options).tried(tried)?;
        let container = container::detach(created).tried(tried)?;
        line(&container.record.id)?;
        Ok(0)
    }
}
