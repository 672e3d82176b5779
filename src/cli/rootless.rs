//! Commands as an ordinary user: which of them need that user's ranges of ids.

use super::Command;
use super::context::Context;
use super::failure::{Failure, Tried};
use crate::rootless::{Entered, enter};

/// A file of the store: the user was told that there is but one id.
const TOLD: &str = "single-id";

/// Enters a user namespace for a command that makes, reads or removes files of images and containers, unless it is root
/// that runs it.
///
/// # Errors
/// When the namespace cannot be had.
pub fn prepare(command: &Command, context: &Context) -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() || !needs_ids(command) {
        return Ok(());
    }
    if let Command::Rm(rm) = command {
        // Processes of other ids can be ended from outside of a namespace only.
        rm.kill(context)?;
    }
    match enter().tried(|| "cannot work without root".to_string())? {
        Entered::Ranges => Ok(()),
        Entered::Single(reason) => tell(context, &reason),
    }
}

fn needs_ids(command: &Command) -> bool {
    matches!(
        command,
        Command::Run(_)
            | Command::Rm(_)
            | Command::Pull(_)
            | Command::Rmi(_)
            | Command::Du(_)
            | Command::Diff(_)
            | Command::Commit(_)
            | Command::Export(_)
            | Command::Import(_)
            | Command::Save(_)
            | Command::Load(_)
            | Command::Prune(_)
            | Command::Volume(_)
            | Command::Fork(_)
            | Command::Snapshot(_)
            | Command::Check(_)
    )
}

/// Tells once a store.
fn tell(context: &Context, reason: &str) -> Result<(), Failure> {
    let store = context.store()?;
    let mark = store.root().join(TOLD);
    if !mark.exists() {
        eprintln!("lay: warning: all files of images and containers will belong to one user: {reason}");
        std::fs::write(&mark, reason).tried(|| format!("cannot write {}", mark.display()))?;
    }
    Ok(())
}
