//! `lay create`

use clap::Args;

use super::USAGE;
use super::context::Context;
use super::failure::{Failure, Tried};
use super::flags::CreateFlags;
use super::image_flags::ImageFlags;
use super::output::line;
use super::run::warn_of_limits;
use crate::container;

/// Create a container that 'lay start' starts
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub struct Create {
    #[command(flatten)]
    flags: CreateFlags,
    #[command(flatten)]
    image: ImageFlags,
    /// Accepted for Docker's sake: 'lay start' says what is connected
    #[arg(short, long, hide = true)]
    attach: Vec<String>,
    /// Image, then a command and its arguments
    #[arg(trailing_var_arg = true, required = true, value_names = ["IMAGE", "COMMAND"], num_args = 1..)]
    words: Vec<String>,
}

impl Create {
    /// Containers whose namespaces the new one shares.
    pub fn containers(&self) -> impl Iterator<Item = &str> {
        self.flags.containers()
    }

    /// Whether this user is to have its own ids in the container.
    pub fn keeps_ids(&self) -> bool {
        self.flags.keeps_ids()
    }

    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let (name, command) = match self.words.split_first() {
            Some((image, command)) => (image.as_str(), command),
            None => return Err(Failure::new("cannot create: no image was given").with_code(USAGE)),
        };
        let mut options = self.flags.options(command)?;
        options.stdin_once = options.interactive;
        let env = context.environment()?;
        warn_of_limits(&env, &options);
        let image = self.image.image(context, &env.store, name)?;
        let created = container::create(&env, &image, name, options).and_then(container::leave_idle);
        line(created.tried(|| format!("cannot create a container of {name}"))?.record.id).map(|()| 0)
    }
}
