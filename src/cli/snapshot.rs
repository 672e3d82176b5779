//! `lay snapshot`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::human;
use super::listing::ListFlags;
use super::output::line;
use crate::container::{Checkpoint, Checkpoints};

/// Keep states of a container's writable layer, and go back to them
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lay snapshot create db before-upgrade\n  lay stop db; lay snapshot rollback db before-upgrade"
)]
pub struct Snapshot {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Keep the writable layer as it is now
    Create {
        /// Name or id of a container; its processes stand still meanwhile
        container: String,
        /// Name of the snapshot; the time without
        name: Option<String>,
    },
    /// List a container's snapshots
    Ls {
        container: String,
        #[command(flatten)]
        flags: ListFlags,
    },
    /// Make the writable layer of a container that does not run what it was
    Rollback { container: String, name: String },
    /// Forget snapshots
    Rm {
        container: String,
        #[arg(required = true)]
        names: Vec<String>,
    },
}

const COLUMNS: [super::output::Column; 3] =
    [("SNAPSHOT", "Name"), ("CREATED", "CreatedSince"), ("SIZE", "Size")];

impl Snapshot {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let name = match &self.action {
            Action::Create { container, .. }
            | Action::Ls { container, .. }
            | Action::Rollback { container, .. }
            | Action::Rm { container, .. } => container,
        };
        let of = |what: &str| format!("cannot {what} {name}");
        let container = env.containers.find(name).tried(|| of("find"))?;
        let all = Checkpoints::of(&container);
        match &self.action {
            Action::Create { name, .. } => {
                line(all.create(name.as_deref()).tried(|| of("keep the state of"))?.name)?;
            }
            Action::Ls { flags, .. } => {
                let list = all.list().tried(|| of("list the snapshots of"))?;
                flags.print(&COLUMNS, list.iter().map(value).collect())?;
            }
            Action::Rollback { name, .. } => {
                all.rollback(name).tried(|| of("roll back"))?;
                line(name)?;
            }
            Action::Rm { names, .. } => {
                for name in names {
                    all.remove(name).tried(|| format!("cannot remove snapshot {name}"))?;
                    line(name)?;
                }
            }
        }
        Ok(0)
    }
}

fn value(checkpoint: &Checkpoint) -> Value {
    json!({
        "Name": checkpoint.name,
        "CreatedAt": checkpoint.created,
        "CreatedSince": human::since(&checkpoint.created),
        "Size": human::size(checkpoint.size, 3),
        "Bytes": checkpoint.size,
    })
}
