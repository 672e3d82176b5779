//! `lay attach`

use std::io::IsTerminal;

use clap::{ArgAction, Args};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::run::tell_reason;
use crate::container::{AttachOptions, Attached, Container, DetachKeys, Parted, mend};

/// How to be attached.
#[derive(Args, Debug)]
pub struct AttachFlags {
    /// Keys that leave the container and let it go on
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: String,
    /// Pass signals on to the container
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true, num_args = 0..=1,
        default_missing_value = "true", require_equals = true)]
    sig_proxy: bool,
}

impl AttachFlags {
    /// What the flags say.
    pub fn options(&self, stdin: bool) -> Result<AttachOptions, Failure> {
        let keys = DetachKeys::parse(&self.detach_keys).tried(|| "invalid flag".to_string())?;
        Ok(AttachOptions { stdin, keys, forward_signals: self.sig_proxy })
    }
}

/// A terminal in the container is typed at from one: else nobody would know where the input ends.
///
/// # Errors
/// When stdin is none.
pub fn need_terminal(tty: bool) -> Result<(), Failure> {
    match tty && !std::io::stdin().is_terminal() {
        true => Err(Failure::new("the input device is not a terminal: leave out -t, or -i")),
        false => Ok(()),
    }
}

/// Connect this terminal to a running container
#[derive(Args, Debug)]
pub struct Attach {
    #[command(flatten)]
    flags: AttachFlags,
    /// Type nothing
    #[arg(long)]
    no_stdin: bool,
    /// Name or id of a container
    container: String,
}

impl Attach {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let tried = || format!("cannot attach to {}", self.container);
        let env = context.environment()?;
        let container = env.containers.find(&self.container).tried(tried)?;
        mend(&env, &container).tried(tried)?;
        let stdin = !self.no_stdin && container.record.options.interactive;
        let attached = Attached::to(&env, &container, self.flags.options(stdin)?);
        let parted = attached.and_then(Attached::attend).tried(tried)?;
        leave(&container, &parted)
    }
}

/// The exit code of a command that was attached, with what there is to say.
pub fn leave(container: &Container, parted: &Parted) -> Result<u8, Failure> {
    Ok(match parted {
        Parted::Ended(exit) => {
            tell_reason(&container.record.name, container.record.options.resources.memory, exit);
            u8::try_from(exit.code).unwrap_or(u8::MAX)
        }
        Parted::Detached => 0,
        Parted::Signalled(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
    })
}
