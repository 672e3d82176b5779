//! `lay diff`

use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::{Format, line, rows};
use crate::container::{self, ChangeKind};

/// Show what a container has changed of its image's files
#[derive(Args, Debug)]
pub struct Diff {
    /// Name or id of a container
    container: String,
    /// json, or a template such as '{{.Kind}} {{.Path}}'
    #[arg(long)]
    format: Option<String>,
}

impl Diff {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let list = env.containers.find(&self.container).and_then(|c| container::changes(&env, &c));
        let list = list.tried(|| format!("cannot compare {}", self.container))?;
        let letter = |kind| match kind {
            ChangeKind::Added => "A",
            ChangeKind::Changed => "C",
            ChangeKind::Deleted => "D",
        };
        if self.format.is_none() {
            let print = |(path, kind): &(std::path::PathBuf, ChangeKind)| {
                line(format!("{} {}", letter(*kind), path.display()))
            };
            return list.iter().try_for_each(print).map(|()| 0);
        }
        let row =
            |(path, kind): &(std::path::PathBuf, ChangeKind)| json!({"Kind": letter(*kind), "Path": path});
        let objects: Vec<Value> = list.iter().map(row).collect();
        rows(&Format::parse(self.format.as_deref())?, &[("KIND", "Kind"), ("PATH", "Path")], &objects)?;
        Ok(0)
    }
}
