//! `lay rm`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::stop::for_each;
use crate::container;

/// Remove containers
#[derive(Args, Debug)]
pub struct Rm {
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Kill them first if they are running; those that do not exist are no error
    #[arg(short, long)]
    force: bool,
    /// Also their volumes that nobody named
    #[arg(short, long)]
    volumes: bool,
}

impl Rm {
    /// With `--force`, ends those that run.
    pub fn kill(&self, context: &Context) -> Result<(), Failure> {
        let env = context.environment()?;
        for container in self.containers.iter().filter_map(|name| env.containers.find(name).ok()) {
            if self.force {
                let stopped = container::stop(&env, &container, Some(9), std::time::Duration::ZERO);
                stopped.tried(|| format!("cannot remove {}", container.record.name))?;
            }
        }
        Ok(())
    }

    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let gone = |name: &&String| matches!(env.containers.find(name), Err(container::Error::NotFound(_)));
        let names: Vec<String> =
            self.containers.iter().filter(|name| !(self.force && gone(name))).cloned().collect();
        for_each(context, "remove", &names, |env, container| {
            container::remove(env, container, self.force, self.volumes).map(drop)
        })
    }
}
