//! `lay prune`

mod filter;

use std::io::{self, BufRead, IsTerminal};
use std::time::Duration;

use clap::Args;
use lay_store::{BuildPrune, PruneOptions, Pruned};

use self::filter::Filter;
use super::context::Context;
use super::failure::{Failure, Tried};
use super::human;
use super::output::line;
use crate::container::{
    self, Container, Environment, Network, Networks, Removed, Volume, Volumes, parse_bytes,
};
use crate::image;

/// Half-arrived blobs younger than this may still be asked for.
const INGEST_AGE: Duration = Duration::from_secs(24 * 3600);

/// Remove what nothing refers to
#[derive(Args, Debug)]
pub struct Prune {
    /// Also images that have a name but no container; with --containers and --networks, also results of builds
    #[arg(short, long)]
    all: bool,
    /// Also containers that are not running
    #[arg(long)]
    containers: bool,
    /// Containers that are not running, and nothing else
    #[arg(long, conflicts_with_all = ["all", "networks", "volumes", "blobs", "build_cache"])]
    only_containers: bool,
    /// Also networks that no running container is on
    #[arg(long)]
    networks: bool,
    /// Also volumes that nobody named and no container has
    #[arg(long)]
    volumes: bool,
    /// Also compressed layers of pulled images, which 'lay pull' can fetch again
    #[arg(long)]
    blobs: bool,
    /// Also results of builds: all, or what --keep-storage and --filter leave
    #[arg(long)]
    build_cache: bool,
    /// Of results of builds, keep those used last, up to this size, such as 10g
    #[arg(long, value_name = "BYTES", requires = "build_cache")]
    keep_storage: Option<String>,
    /// Only what fits: label=KEY[=VALUE], label!=KEY[=VALUE], until=TIME, such as 24h, for what was made before (of results of
    /// builds, what was not used since)
    #[arg(long, value_name = "KEY=VALUE")]
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

/// What was removed, or would be.
#[derive(Default)]
struct Found {
    containers: Vec<Removed>,
    networks: Vec<Network>,
    volumes: Vec<(Volume, u64)>,
    store: Pruned,
}

impl Found {
    fn bytes(&self) -> u64 {
        let containers = self.containers.iter().map(|container| container.size);
        self.store.bytes + containers.chain(self.volumes.iter().map(|(_, size)| *size)).sum::<u64>()
    }

    fn is_empty(&self) -> bool {
        let named = self.store.images.len() + self.networks.len() + self.volumes.len();
        self.containers.is_empty() && named == 0 && self.store.bytes == 0
    }

    fn tell(&self) -> Result<(), Failure> {
        let would = |kind: &str, name: &str, size: Option<u64>| {
            let size = size.map(|size| format!(" ({})", human::size(size, 3))).unwrap_or_default();
            line(format!("Would remove {kind} {name}{size}"))
        };
        for container in &self.containers {
            would("container", &container.name, Some(container.size))?;
        }
        for network in &self.networks {
            would("network", &network.name, None)?;
        }
        for (volume, size) in &self.volumes {
            would("volume", &volume.name, Some(*size))?;
        }
        for (name, digest) in &self.store.images {
            would("image", name.as_deref().unwrap_or(&digest.to_string()), None)?;
        }
        let store = &self.store;
        let sized =
            [("blob", &store.blobs), ("layer", &store.layers), ("interrupted download", &store.ingests)];
        for (kind, list) in sized {
            for (digest, size) in list {
                would(kind, &digest.to_string(), Some(*size))?;
            }
        }
        Ok(())
    }
}

impl Prune {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let filter = Filter::parse(&self.filter)?;
        let env = context.environment()?;
        container::sweep(&env).tried(|| "cannot look after the containers".to_string())?;
        let found = self.collect(&env, &filter, true)?;
        warn_withheld(&found.store);
        found.tell()?;
        if self.dry_run {
            line(format!("Would reclaim: {}", human::size(found.bytes(), 3)))?;
            return Ok(0);
        }
        if found.is_empty() {
            return line("Total reclaimed space: 0B").map(|()| 0);
        }
        if !self.force && io::stdin().is_terminal() && !agreed()? {
            return Ok(0);
        }
        let removed = self.collect(&env, &filter, false)?;
        for (name, digest) in &removed.store.images {
            let name = name.clone().unwrap_or_else(|| digest.to_string());
            container::note_event(env.store.root(), "image", "delete", &name, &[]);
        }
        line(format!("Total reclaimed space: {}", human::size(removed.bytes(), 3)))?;
        Ok(0)
    }

    /// Which results of builds go.
    fn build_cache(&self, filter: &Filter) -> Result<Option<BuildPrune>, Failure> {
        if filter.has_labels() {
            return match self.build_cache {
                true => Err(Failure::new(
                    "results of builds have no labels: --filter label does not go with --build-cache",
                )),
                false => Ok(None),
            };
        }
        if !(self.build_cache || self.all && self.containers && self.networks) {
            return Ok(None);
        }
        let keep = self.keep_storage.as_deref().map(|text| {
            let bytes = parse_bytes(text).ok().and_then(|bytes| u64::try_from(bytes).ok());
            bytes.ok_or_else(|| {
                Failure::new(format!("invalid value '{text}' for --keep-storage: it is a size, such as 10g"))
            })
        });
        Ok(Some(BuildPrune { unused_for: filter.age(), keep: keep.transpose()? }))
    }

    fn collect(&self, env: &Environment, filter: &Filter, dry_run: bool) -> Result<Found, Failure> {
        let mut found = Found::default();
        if self.containers || self.only_containers {
            let wanted = |c: &Container| filter.fits(&c.record.created, &c.record.labels);
            found.containers = container::prune_stopped(env, dry_run, wanted)
                .tried(|| "cannot remove the containers".to_string())?;
        }
        if self.only_containers {
            return Ok(found);
        }
        // What a dry run keeps would be gone, and what it uses with it.
        let gone: Vec<&str> = found.containers.iter().map(|c| c.id.as_str()).collect();
        if self.networks {
            let networks =
                Networks::new(env).prune(dry_run, |network| filter.fits(&network.created, &network.labels));
            found.networks = networks.tried(|| "cannot remove the networks".to_string())?;
        }
        if self.volumes {
            let wanted = |volume: &Volume| volume.anonymous && filter.fits(&volume.created, &volume.labels);
            let volumes = Volumes::new(env.store.root()).prune(&env.containers, &gone, dry_run, wanted);
            found.volumes = volumes.tried(|| "cannot remove the volumes".to_string())?;
        }
        found.store = self.collect_store(env, filter, &gone, dry_run)?;
        Ok(found)
    }

    fn collect_store(
        &self,
        env: &Environment,
        filter: &Filter,
        gone: &[&str],
        dry_run: bool,
    ) -> Result<Pruned, Failure> {
        let tried = || "cannot prune the store".to_string();
        let claims = env.containers.claims_without(gone).tried(tried)?;
        let images = image::unused(&env.store, &claims, self.all, |image| filter.fits_image(image));
        let options = PruneOptions {
            dry_run,
            images: &images.tried(tried)?,
            refetchable_blobs: self.blobs,
            build_cache: self.build_cache(filter)?,
            ingest_older_than: INGEST_AGE,
        };
        let pruned = env.store.prune(&options, || env.containers.roots_without(gone)).tried(tried)?;
        if !dry_run {
            container::sweep_layers(env).tried(tried)?;
        }
        Ok(pruned)
    }
}

fn agreed() -> Result<bool, Failure> {
    eprint!("Are you sure you want to continue? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).tried(|| "cannot read the answer".to_string())?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
