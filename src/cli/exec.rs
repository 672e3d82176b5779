//! `lay exec`

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::USAGE;
use super::attach::need_terminal;
use super::context::Context;
use super::failure::Failure;
use super::flags::environment;
use crate::container::{self, ExecOptions};

/// Run a command in a running container
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub struct Exec {
    /// Run in the background
    #[arg(short, long)]
    detach: bool,
    /// Pass stdin on
    #[arg(short, long)]
    interactive: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    tty: bool,
    /// Set an environment variable
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Working directory in the container
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// User, by name or number, and group
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Give the command all capabilities of the container's user namespace
    #[arg(long)]
    privileged: bool,
    /// Accepted for Docker's sake: no keys leave a command
    #[arg(long, hide = true, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Show this help
    #[arg(short, long, action = ArgAction::Help)]
    help: Option<bool>,
    /// Name or id of a container, then a command and its arguments
    #[arg(trailing_var_arg = true, required = true, value_names = ["CONTAINER", "COMMAND"], num_args = 2..)]
    words: Vec<String>,
}

impl Exec {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        if self.interactive && !self.detach {
            need_terminal(self.tty)?;
        }
        let env = context.environment()?;
        let Some((container, command)) = self.words.split_first() else {
            return Err(Failure::new("cannot execute: no container was given"));
        };
        let options = ExecOptions {
            args: command.to_vec(),
            env: environment(&self.env_file, &self.env)?,
            workdir: self.workdir.clone(),
            user: self.user.clone(),
            tty: self.tty,
            stdin: self.interactive,
            privileged: self.privileged,
        };
        let run = || {
            let found = env.containers.find(container)?;
            container::mend(&env, &found)?;
            match self.detach {
                true => container::exec_detached(&env, &found, &options).map(|()| 0),
                false => container::exec(&env, &found, &options),
            }
        };
        let code = run().map_err(|error| {
            let code = match &error {
                container::Error::NotFound(_)
                | container::Error::NotRunning(_)
                | container::Error::Paused(_) => 1,
                error => error.exit_code(),
            };
            Failure::of(&format!("cannot execute in {container}"), &error).with_code(code)
        })?;
        Ok(u8::try_from(code).unwrap_or(USAGE))
    }
}
