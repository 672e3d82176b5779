//! `lay start`

use clap::Args;

use super::attach::{AttachFlags, leave};
use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use super::stop::for_each;
use crate::container::{self, Attached, Container, Environment, mend};

/// Start containers that were created, or have ended
#[derive(Args, Debug)]
pub struct Start {
    /// Be attached to the container until it ends
    #[arg(short, long, conflicts_with = "wanted")]
    attach: bool,
    /// Pass stdin on, too
    #[arg(short, long, conflicts_with = "wanted")]
    interactive: bool,
    #[command(flatten)]
    flags: AttachFlags,
    /// Start those that their restart policy wants to run, as after a reboot
    #[arg(long, conflicts_with = "containers")]
    wanted: bool,
    /// Names or ids of containers
    #[arg(required_unless_present = "wanted", value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Start {
    /// Names of the containers.
    pub fn containers(&self) -> &[String] {
        &self.containers
    }

    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        if self.wanted {
            return wanted(&context.environment()?);
        }
        if self.attach || self.interactive {
            return self.attached(context);
        }
        for_each(context, "start", &self.containers, |env, container| {
            mend(env, container)?;
            container::start(env, container, None)
        })
    }

    fn attached(&self, context: &Context) -> Result<u8, Failure> {
        let [name] = self.containers.as_slice() else {
            return Err(Failure::new("you cannot be attached to several containers at once"));
        };
        let tried = || format!("cannot start {name}");
        let env = context.environment()?;
        let container = env.containers.find(name).tried(tried)?;
        mend(&env, &container).tried(tried)?;
        let options = self.flags.options(self.interactive && container.record.options.interactive)?;
        let attended = || {
            if container.require_running().is_ok() {
                return Attached::to(&env, &container, options)?.attend();
            }
            let (ours, theirs) = container::connection()?;
            container::start(&env, &container, Some(theirs))?;
            Attached::by(&env, &container, ours, options)?.attend()
        };
        let parted = attended().map_err(|error| {
            let code = error.exit_code();
            Failure::of(&tried(), &error).with_code(code)
        })?;
        leave(&container, &parted)
    }
}

fn wanted(env: &Environment) -> Result<u8, Failure> {
    let started = container::start_wanted(env).tried(|| "cannot start the containers".to_string())?;
    let mut code = 0;
    let name = |container: &Container| container.record.name.clone();
    for (container, result) in &started {
        match result {
            Ok(()) => line(name(container))?,
            Err(error) => {
                code = 1;
                eprintln!(
                    "lay: {}",
                    Failure::of(&format!("cannot start {}", name(container)), error).message
                );
            }
        }
    }
    Ok(code)
}
