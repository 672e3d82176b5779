//! `lay logout`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use crate::registry;

/// Log out of a registry
#[derive(Args, Debug)]
pub struct Logout {
    /// Registry, with its port
    #[arg(default_value = "docker.io")]
    registry: String,
}

impl Logout {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let found = registry::logout(&context.access(), &self.registry)
            .tried(|| format!("cannot log out of {}", self.registry))?;
        line(match found {
            true => format!("Removed the login for {}", self.registry),
            false => format!("Not logged in to {}", self.registry),
        })?;
        Ok(0)
    }
}
