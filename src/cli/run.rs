//! `lay run`

use clap::{Args, ValueEnum};
use lay_store::Store;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::flags::CreateFlags;
use super::output::line;
use super::pull::{pull, reference, with_progress};
use super::{USAGE, human};
use crate::build;
use crate::container::{self, Attach, Exit, Resources};
use crate::image::{self, Image};
use crate::kernel::userns;
use crate::runtime::cgroup::settle;

/// When to ask the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    /// Before each run
    Always,
    /// If the image is not here
    Missing,
    /// Not at all
    Never,
}

/// Create a container from an image and run a command in it
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub struct Run {
    #[command(flatten)]
    flags: CreateFlags,
    /// Run in the background and print the container's id
    #[arg(short, long, conflicts_with = "interactive")]
    detach: bool,
    /// When to pull the image
    #[arg(long, value_enum, default_value = "missing", value_name = "WHEN")]
    pull: When,
    /// Platform to pull
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// Do not show how the pull goes on
    #[arg(short, long)]
    quiet: bool,
    /// Image, then a command and its arguments
    #[arg(trailing_var_arg = true, required = true, value_names = ["IMAGE", "COMMAND"], num_args = 1..)]
    words: Vec<String>,
}

impl Run {
    /// Whether this user is to have its own ids in the container.
    pub fn keeps_ids(&self) -> bool {
        self.flags.keeps_ids()
    }

    /// Containers whose namespaces the new one shares.
    pub fn containers(&self) -> impl Iterator<Item = &str> {
        self.flags.containers()
    }

    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        self.start(context).map_err(|failure| match failure.code {
            1 => failure.with_code(USAGE),
            _ => failure,
        })
    }

    fn start(&self, context: &Context) -> Result<u8, Failure> {
        let (name, command) = match self.words.split_first() {
            Some((image, command)) => (image.as_str(), command),
            None => return Err(Failure::new("cannot run: no image was given")),
        };
        let options = self.flags.options(command)?;
        if !self.detach {
            settle();
        }
        let env = context.environment()?;
        if env.cgroup_parent.is_empty() && options.resources != Resources::default() {
            eprintln!(
                "lay: warning: limits are not applied: no control group was left to this user (see 'lay info')"
            );
        }
        let image = self.image(context, &env.store, name)?;
        let failed = |error: container::Error| {
            let code = error.exit_code();
            Failure::of(&format!("cannot run {name}"), &error).with_code(code)
        };
        let created = container::create(&env, &image, name, options).map_err(failed)?;
        let (id, memory) =
            (created.container.record.name.clone(), created.container.record.options.resources.memory);
        if self.detach {
            let container = container::detach(created).map_err(failed)?;
            return line(&container.record.id).map(|()| 0);
        }
        let attach = Attach { stdin: self.flags.interactive };
        let exit = container::run_attached(&env, created, attach).map_err(failed)?;
        tell_reason(&id, memory, &exit);
        // Codes of processes and 128+n fit.
        Ok(u8::try_from(exit.code).unwrap_or(u8::MAX))
    }

    /// The image, pulled if it has to be.
    fn image(&self, context: &Context, store: &Store, name: &str) -> Result<Image, Failure> {
        let tried = || format!("cannot run {name}");
        if self.pull != When::Always {
            let found = match image::find(store, name) {
                // Steps of builds have ids too.
                Err(image::Error::NotFound(_)) if build::is_step_id(name) => build::step_image(store, name)
                    .tried(tried)?
                    .ok_or_else(|| image::Error::NotFound(name.to_string())),
                found => found,
            };
            match found {
                Err(image::Error::NotFound(_)) if self.pull == When::Missing => {}
                found => return found.tried(tried),
            }
            if !self.quiet && !userns::keeps_ids() {
                eprintln!("Unable to find image '{name}' locally");
            }
        }
        if userns::keeps_ids() {
            return Err(not_here(name));
        }
        let reference = reference(name)?;
        let platform = self.platform.as_deref();
        match self.quiet {
            true => pull(context, store, &reference, platform, &())?,
            false => with_progress(context, store, &reference, platform)?,
        };
        image::find(store, name).tried(tried)
    }
}

/// What is pulled here would be unpacked with owners that are wrong for all other containers.
fn not_here(name: &str) -> Failure {
    let why = "where this user keeps its ids, the image has to be here already";
    Failure::new(format!("cannot run {name}: {why} (get it with 'lay pull {name}')"))
}

fn tell_reason(name: &str, memory: Option<i64>, exit: &Exit) {
    if exit.oom_killed {
        let limit =
            memory.and_then(|m| u64::try_from(m).ok()).map(|m| format!(" of {}", human::binary_size(m)));
        let limit = limit.unwrap_or_default();
        eprintln!("lay: container {name} ran out of memory: the kernel killed a process at its limit{limit}");
    }
}
