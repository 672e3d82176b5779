//! `lay check`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;

/// Check that all images are whole
#[derive(Args, Debug)]
pub struct Check {
    /// Only look whether everything is there, do not read it
    #[arg(long)]
    quick: bool,
    /// Take damaged blobs out, so that the next pull fetches them again, and rebuild the index
    #[arg(long)]
    repair: bool,
}

impl Check {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let store = context.store()?;
        let result = if self.repair { store.repair() } else { store.check(!self.quick) };
        let report = result.tried(|| "cannot check the store".to_string())?;
        for problem in &report.problems {
            line(problem.to_string())?;
        }
        if report.dropped > 0 {
            line(format!(
                "{} compressed layers are not kept; 'lay pull' fetches them again",
                report.dropped
            ))?;
        }
        let problems = match report.problems.len() {
            0 => "no problems".to_string(),
            1 => "1 problem".to_string(),
            count => format!("{count} problems"),
        };
        line(format!(
            "{} images, {} blobs, {} layers: {problems}",
            report.images, report.blobs, report.layers
        ))?;
        Ok(u8::from(!report.problems.is_empty()))
    }
}
