//! `lay man`: manual pages, for who installs or packages `lay`.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};

/// Write a manual page for each command
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  lay man /usr/local/share/man/man1")]
pub struct Man {
    /// Directory of the pages
    dir: PathBuf,
}

impl Man {
    /// Runs the command.
    pub fn run(&self, _: &Context) -> Result<u8, Failure> {
        let tried = || format!("cannot write manual pages to {}", self.dir.display());
        std::fs::create_dir_all(&self.dir).tried(tried)?;
        // A page about help on help says nothing.
        let command = super::command().disable_help_subcommand(true);
        clap_mangen::generate_to(command, &self.dir).tried(tried)?;
        Ok(0)
    }
}
