//! `lay prune`

use std::io::{self, BufRead, IsTerminal};
use std::time::Duration;

use clap::Args;
use lay_store::{PruneOptions, Pruned};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::human;
use super::output::line;
use crate::container::{self, Environment, Removed};

/// Half-arrived blobs younger than this may still be asked for.
const INGEST_AGE: Duration = Duration::from_secs(24 * 3600);

/// Remove what nothing refers to
#[derive(Args, Debug)]
pub struct Prune {
    /// Also containers that are not running
    #[arg(long)]
    containers: bool,
    /// Also compressed layers of pulled images, which 'lay pull' can fetch again
    #[arg(long)]
    blobs: bool,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Prune {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        container::sweep(&env).tried(|| "cannot look after the containers".to_string())?;
        let (removed, pruned) = self.collect(&env, true)?;
        tell("Would remove", &removed, &pruned)?;
        if self.dry_run {
            line(format!("Would reclaim: {}", human::size(bytes(&removed, &pruned), 3)))?;
            return Ok(0);
        }
        if removed.is_empty() && pruned.bytes == 0 && pruned.images.is_empty() {
            return line("Total reclaimed space: 0B").map(|()| 0);
        }
        if !self.force && io::stdin().is_terminal() && !agreed()? {
            return Ok(0);
        }
        let (removed, pruned) = self.collect(&env, false)?;
        line(format!("Total reclaimed space: {}", human::size(bytes(&removed, &pruned), 3)))?;
        Ok(0)
    }

    fn collect(&self, env: &Environment, dry_run: bool) -> Result<(Vec<Removed>, Pruned), Failure> {
        let removed = match self.containers {
            true => {
                container::prune_stopped(env, dry_run).tried(|| "cannot remove the containers".to_string())?
            }
            false => Vec::new(),
        };
        // What a dry run keeps would be gone, and what it uses with it.
        let roots = || {
            let gone: Vec<&str> = removed.iter().map(|r| r.id.as_str()).collect();
            env.containers.roots_without(&gone)
        };
        let options = PruneOptions {
            dry_run,
            untagged_images: true,
            refetchable_blobs: self.blobs,
            build_cache: None,
            ingest_older_than: INGEST_AGE,
        };
        let tried = || "cannot prune the store".to_string();
        let pruned = env.store.prune(&options, roots).tried(tried)?;
        if !dry_run {
            container::sweep_kept_layers(env).tried(tried)?;
        }
        Ok((removed, pruned))
    }
}

fn bytes(removed: &[Removed], pruned: &Pruned) -> u64 {
    pruned.bytes + removed.iter().map(|r| r.size).sum::<u64>()
}

fn tell(what: &str, removed: &[Removed], pruned: &Pruned) -> Result<(), Failure> {
    for container in removed {
        line(format!("{what} container {} ({})", container.name, human::size(container.size, 3)))?;
    }
    for image in &pruned.images {
        line(format!("{what} image {image}"))?;
    }
    let sized =
        [("blob", &pruned.blobs), ("layer", &pruned.layers), ("interrupted download", &pruned.ingests)];
    for (kind, list) in sized {
        for (digest, size) in list {
            line(format!("{what} {kind} {digest} ({})", human::size(*size, 3)))?;
        }
    }
    Ok(())
}

fn agreed() -> Result<bool, Failure> {
    eprint!("Are you sure you want to continue? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).tried(|| "cannot read the answer".to_string())?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
