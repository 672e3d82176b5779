//! `lay names`: what answers a container's questions for names.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use crate::container;

/// Answer a container's questions for names
#[derive(Args, Debug)]
pub struct Names {
    /// The container's directory
    dir: PathBuf,
    /// Descriptor of the lock that says so
    lock: i32,
    /// Descriptor of the socket for datagrams
    udp: i32,
    /// Descriptor of the socket for streams
    tcp: i32,
}

impl Names {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let served = container::names_main(&env, &self.dir, [self.lock, self.udp, self.tcp]);
        served.tried(|| "cannot answer questions for names".to_string())?;
        Ok(0)
    }
}
