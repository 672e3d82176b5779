//! `lay rename`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use crate::container;

/// Give a container another name
#[derive(Args, Debug)]
pub struct Rename {
    /// Name or id of a container
    container: String,
    /// Its new name
    name: String,
}

impl Rename {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let renamed = env.containers.find(&self.container);
        let renamed = renamed.and_then(|container| container::rename(&env, &container, &self.name));
        renamed.map(|()| 0).tried(|| format!("cannot rename {}", self.container))
    }
}
