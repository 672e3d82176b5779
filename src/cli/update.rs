//! `lay update`

use clap::{ArgAction, Args};

use super::context::Context;
use super::failure::Failure;
use super::limits::LimitFlags;
use super::stop::for_each;
use crate::container::{self, Resources, RestartPolicy};

/// Change limits and restart policies of containers
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub struct Update {
    #[command(flatten)]
    limits: LimitFlags,
    /// When to start it again after its end: no, on-failure[:N], always or unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<RestartPolicy>,
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Show this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl Update {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let limits = self.limits.resources()?;
        if limits == Resources::default() && self.restart.is_none() {
            return Err(Failure::new("nothing to update: give at least one limit, or a restart policy"));
        }
        for_each(context, "update", &self.containers, |_, container| {
            container::update(&mut container.clone(), &limits, self.restart)
        })
    }
}
