//! `lay prune`

use std::io::{self, BufRead, IsTerminal};
use std::time::Duration;

use clap::Args;
use lay_store::{BuildPrune, PruneOptions, Pruned};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::human;
use super::output::line;
use crate::build::containerfile::duration;
use crate::container::{self, Environment, Removed, parse_bytes};

/// Half-arrived blobs younger than this may still be asked for.
const INGEST_AGE: Duration = Duration::from_secs(24 * 3600);

/// Remove what nothing refers to
#[derive(Args, Debug)]
pub struct Prune {
    /// Also containers that are not running
    #[arg(long)]
    containers: bool,
    /// Containers that are not running, and nothing else
    #[arg(long, conflicts_with_all = ["blobs", "build_cache"])]
    only_containers: bool,
    /// Also compressed layers of pulled images, which 'lay pull' can fetch again
    #[arg(long)]
    blobs: bool,
    /// Also results of builds: all, or what --keep-storage and --filter leave
    #[arg(long)]
    build_cache: bool,
    /// Of results of builds, keep those used last, up to this size, such as 10g
    #[arg(long, value_name = "BYTES", requires = "build_cache")]
    keep_storage: Option<String>,
    /// until=DURATION, such as 24h: of results of builds, only those not used for so long
    #[arg(long, value_name = "until=DURATION", requires = "build_cache")]
    filter: Vec<String>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

/// Says that blobs and layers stayed which may be an image's.
pub fn warn_withheld(pruned: &Pruned) {
    if pruned.withheld {
        eprintln!(
            "lay: blobs and layers are kept, since a damaged entry of index.json may mean any of them ('lay check --repair' takes it out)"
        );
    }
}

impl Prune {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        container::sweep(&env).tried(|| "cannot look after the containers".to_string())?;
        let (removed, pruned) = self.collect(&env, true)?;
        warn_withheld(&pruned);
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

    /// Which results of builds go.
    fn build_cache(&self) -> Result<Option<BuildPrune>, Failure> {
        if !self.build_cache {
            return Ok(None);
        }
        let keep = self.keep_storage.as_deref().map(|text| {
            let bytes = parse_bytes(text).ok().and_then(|bytes| u64::try_from(bytes).ok());
            bytes.ok_or_else(|| {
                Failure::new(format!("invalid value '{text}' for --keep-storage: it is a size, such as 10g"))
            })
        });
        let mut unused_for = None;
        for text in &self.filter {
            let known = text.split_once('=').filter(|(key, _)| matches!(*key, "until" | "unused-for"));
            let duration = known.and_then(|(_, value)| duration(value));
            unused_for = Some(duration.ok_or_else(|| {
                Failure::new(format!(
                    "invalid filter '{text}': expected until=DURATION, such as until=24h or until=30m"
                ))
            })?);
        }
        Ok(Some(BuildPrune { unused_for, keep: keep.transpose()? }))
    }

    fn collect(&self, env: &Environment, dry_run: bool) -> Result<(Vec<Removed>, Pruned), Failure> {
        let removed = match self.containers || self.only_containers {
            true => {
                container::prune_stopped(env, dry_run).tried(|| "cannot remove the containers".to_string())?
            }
            false => Vec::new(),
        };
        if self.only_containers {
            return Ok((removed, Pruned::default()));
        }
        // What a dry run keeps would be gone, and what it uses with it.
        let roots = || {
            let gone: Vec<&str> = removed.iter().map(|r| r.id.as_str()).collect();
            env.containers.roots_without(&gone)
        };
        let options = PruneOptions {
            dry_run,
            untagged_images: true,
            refetchable_blobs: self.blobs,
            build_cache: self.build_cache()?,
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
