//! `lay run`

use clap::{Args, ValueEnum};

use super::attach::{AttachFlags, leave, need_terminal};
use super::context::Context;
use super::failure::Failure;
use super::flags::CreateFlags;
use super::image_flags::ImageFlags;
use super::output::line;
use super::{USAGE, human};
use crate::container::{self, Attach, Attached, Created, Environment, Exit, Resources, RestartPolicy};

/// Create a container from an image and run a command in it
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub struct Run {
    #[command(flatten)]
    flags: CreateFlags,
    /// Run in the background and print the container's id
    #[arg(short, long)]
    detach: bool,
    /// Stream to connect, all without: stdin (with -i), stdout or stderr
    #[arg(short, long = "attach", value_name = "STREAM", conflicts_with = "detach", ignore_case = true)]
    attach_to: Vec<Stream>,
    #[command(flatten)]
    attach: AttachFlags,
    #[command(flatten)]
    image: ImageFlags,
    /// Image, then a command and its arguments
    #[arg(trailing_var_arg = true, required = true, value_names = ["IMAGE", "COMMAND"], num_args = 1..)]
    words: Vec<String>,
}

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stream {
    Stdin,
    Stdout,
    Stderr,
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
        let mut options = self.flags.options(command)?;
        options.stdin_once = self.attaches(Stream::Stdin) && options.interactive && !self.detach;
        if options.stdin_once {
            need_terminal(options.tty)?;
        }
        let env = context.environment()?;
        warn_of_limits(&env, &options);
        let image = self.image.image(context, &env.store, name)?;
        let failed = |error: container::Error| {
            let code = error.exit_code();
            Failure::of(&format!("cannot run {name}"), &error).with_code(code)
        };
        let created = container::create(&env, &image, name, options).map_err(failed)?;
        if self.detach {
            let container = container::detach(created).map_err(failed)?;
            return line(&container.record.id).map(|()| 0);
        }
        let record = &created.container.record;
        let (name, memory) = (record.name.clone(), record.options.resources.memory);
        if outlives(&created) {
            return self.through_monitor(&env, created).map_err(failed)?;
        }
        let attach = Attach {
            stdin: self.flags.interactive && self.attaches(Stream::Stdin),
            stdout: self.attaches(Stream::Stdout),
            stderr: self.attaches(Stream::Stderr),
        };
        let exit = container::run_attached(&env, created, attach).map_err(failed)?;
        tell_reason(&name, memory, &exit);
        // Codes of processes and 128+n fit.
        Ok(u8::try_from(exit.code).unwrap_or(u8::MAX))
    }

    fn attaches(&self, stream: Stream) -> bool {
        self.attach_to.is_empty() || self.attach_to.contains(&stream)
    }

    /// A container with a monitor of its own, to which this command is attached from the beginning.
    fn through_monitor(
        &self,
        env: &Environment,
        created: Created,
    ) -> Result<Result<u8, Failure>, container::Error> {
        let options = match self.attach.options(self.flags.interactive) {
            Ok(options) => options,
            Err(failure) => return Ok(Err(failure)),
        };
        let (ours, theirs) = container::connection()?;
        let container = container::detach_with(created, Some(theirs))?;
        let parted = Attached::by(env, &container, ours, options)?.attend()?;
        Ok(leave(&container, &parted))
    }
}

/// Whether a container may go on after this command: its user can go away, or it is started again.
fn outlives(created: &Created) -> bool {
    let options = &created.container.record.options;
    (options.tty && options.interactive) || options.restart != RestartPolicy::No || options.health.is_some()
}

/// Limits that nobody can set are better known of.
pub fn warn_of_limits(env: &Environment, options: &container::Options) {
    if env.cgroup_parent.is_empty() && options.resources != Resources::default() {
        eprintln!(
            "lay: warning: limits are not applied: no control group was left to this user (see 'lay info')"
        );
    }
}

/// Says why a container ended, where its code does not.
pub fn tell_reason(name: &str, memory: Option<i64>, exit: &Exit) {
    if exit.oom_killed {
        let limit =
            memory.and_then(|m| u64::try_from(m).ok()).map(|m| format!(" of {}", human::binary_size(m)));
        let limit = limit.unwrap_or_default();
        eprintln!("lay: container {name} ran out of memory: the kernel killed a process at its limit{limit}");
    }
}
