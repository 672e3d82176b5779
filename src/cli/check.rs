//! `lay check`

use std::collections::BTreeSet;

use clap::Args;
use lay_store::{PULLED_FROM, Problem, Report, Store};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use crate::image::{self, Repaired};

/// Check that all images are whole
#[derive(Args, Debug)]
pub struct Check {
    /// Only look whether everything is there, do not read it
    #[arg(long)]
    quick: bool,
    /// Take damaged blobs out, so that the next pull fetches them again, unpack layers whose mountable form is damaged, and
    /// rebuild names and index
    #[arg(long)]
    repair: bool,
}

impl Check {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let store = context.store()?;
        let tried = || "cannot check the store".to_string();
        let report = match self.repair {
            true => self.mend(context, &store)?,
            false => store.check(!self.quick).tried(tried)?,
        };
        for problem in &report.problems {
            line(problem.to_string())?;
        }
        if !self.repair && !report.problems.is_empty() {
            line("'lay check --repair' mends what can be mended here")?;
        }
        for next in next_steps(&store, &report)? {
            line(next)?;
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

    fn mend(&self, context: &Context, store: &Store) -> Result<Report, Failure> {
        let form = context.layer_form()?.0.layer();
        let Repaired { before, after } =
            image::repair(store, form).tried(|| "cannot repair the store".to_string())?;
        for problem in before.problems.iter().filter(|problem| !after.problems.contains(problem)) {
            let done = match problem {
                Problem::DamagedLayer(diff_id) | Problem::MissingLayer { diff_id, .. }
                    if store.layer(diff_id).is_some() =>
                {
                    "unpacked anew"
                }
                Problem::Names(_) => "made anew; images that have lost their names are listed without",
                Problem::Index(_) => "made anew",
                Problem::DamagedBlob(_) | Problem::DamagedLayer(_) | Problem::DamagedEntry { .. } => {
                    "taken out"
                }
                // They are told in other words below, or gone.
                _ => continue,
            };
            line(format!("{problem}: {done}"))?;
        }
        Ok(after)
    }
}

/// What can be done for each image that cannot be used as it is.
fn next_steps(store: &Store, report: &Report) -> Result<Vec<String>, Failure> {
    let repairable = |problem: &&Problem| matches!(problem, Problem::MissingLayer { .. });
    let lasting = report.problems.iter().filter(|problem| !repairable(problem));
    let names: BTreeSet<&str> = lasting.filter_map(Problem::image).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let images = store.images().tried(|| "cannot check the store".to_string())?;
    let step = |name: &str| {
        let is_it = |i: &&lay_store::Image| match &i.name {
            Some(own) => own == name,
            None => i.descriptor.digest().to_string() == name,
        };
        let image = images.iter().find(is_it)?;
        let annotations = image.descriptor.annotations().as_ref();
        let pull = annotations.and_then(|all| all.get(PULLED_FROM));
        let pull = pull.map(|from| format!("'lay pull {from}' fetches what {name} lacks, "));
        Some(format!("{}'lay rmi {name}' removes it", pull.unwrap_or_default()))
    };
    Ok(names.into_iter().filter_map(step).collect())
}
