//! `lay logs`

use std::io;

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use crate::container::{self, LogOptions};

/// Show what a container printed
#[derive(Args, Debug)]
pub struct Logs {
    /// Name or id of a container
    container: String,
    /// Go on until it ends
    #[arg(short, long)]
    follow: bool,
    /// Only the last N lines
    #[arg(short = 'n', long, value_name = "N", default_value = "all")]
    tail: String,
    /// Put the time before each line
    #[arg(short, long)]
    timestamps: bool,
}

impl Logs {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let tried = || format!("cannot show the log of {}", self.container);
        let tail = match self.tail.as_str() {
            "all" => None,
            text => {
                Some(text.parse().map_err(|_| Failure::new(format!("invalid value '{text}' for --tail")))?)
            }
        };
        let env = context.environment()?;
        let container = env.containers.find(&self.container).tried(tried)?;
        let options = LogOptions { follow: self.follow, tail, timestamps: self.timestamps };
        let (mut stdout, mut stderr) = (io::stdout().lock(), io::stderr().lock());
        match container::follow(&container, &options, &mut stdout, &mut stderr) {
            Err(container::Error::System(_, e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(0),
            result => result.map(|()| 0).tried(tried),
        }
    }
}
