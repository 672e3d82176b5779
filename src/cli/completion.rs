//! `lay completion`

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use clap_complete::env::Shells;

use super::context::Context;
use super::failure::{Failure, Tried};

/// Environment variable by which a shell's script asks for completions.
pub const VARIABLE: &str = "LAY_COMPLETE";

/// Shells that ask.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    /// GNU bash
    Bash,
    /// The Z shell
    Zsh,
    /// The friendly interactive shell
    Fish,
}

impl Shell {
    fn name(self) -> &'static str {
        match self {
            Shell::Bash => "bash",
            Shell::Zsh => "zsh",
            Shell::Fish => "fish",
        }
    }
}

/// Print a script that lets a shell complete commands, flags and names
#[derive(Args, Debug)]
pub struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    /// Runs the command.
    pub fn run(&self, _: &Context) -> Result<u8, Failure> {
        let tried = || format!("cannot print the script for {}", self.shell.name());
        let shells = Shells::builtins();
        let Some(shell) = shells.completer(self.shell.name()) else {
            return Err(Failure::new(format!("{}: it is not known", tried())));
        };
        let mut script = Vec::new();
        shell.write_registration(VARIABLE, "lay", "lay", "lay", &mut script).tried(tried)?;
        io::stdout().write_all(&script).tried(tried)?;
        Ok(0)
    }
}
