//! `lay rmi`

use std::time::Duration;

use clap::Args;
use lay_store::PruneOptions;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use crate::container::{Environment, note_event, sweep_layers};
use crate::image::{self, Removal};

/// Remove images
#[derive(Args, Debug)]
pub struct Rmi {
    /// Names or ids of images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Also if it has several names, or a stopped container was made from it
    #[arg(short, long)]
    force: bool,
    /// Leave blobs and layers to a later prune
    #[arg(long)]
    no_prune: bool,
}

impl Rmi {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let mut code = 0;
        for name in &self.images {
            if let Err(failure) = self.remove(&env, name) {
                eprintln!("lay: {}", failure.message);
                code = failure.code;
            }
        }
        if !self.no_prune {
            collect(&env)?;
        }
        Ok(code)
    }

    fn remove(&self, env: &Environment, name: &str) -> Result<(), Failure> {
        let tried = || format!("cannot remove {name}");
        let claims = env.containers.claims().tried(tried)?;
        let removal = Removal { name, force: self.force, claims: &claims };
        let removed = image::remove(&env.store, &removal).tried(tried)?;
        for name in removed.untagged {
            note_event(env.store.root(), "image", "untag", &name, &[("name", name.clone())]);
            line(format!("Untagged: {name}"))?;
        }
        if let Some(id) = removed.deleted {
            note_event(env.store.root(), "image", "delete", &id.to_string(), &[]);
            line(format!("Deleted: {id}"))?;
        }
        Ok(())
    }
}

/// Frees what no image and no container refers to any more; half-arrived blobs and nameless images stay.
fn collect(env: &Environment) -> Result<(), Failure> {
    let options = PruneOptions {
        dry_run: false,
        images: &[],
        refetchable_blobs: false,
        build_cache: None,
        ingest_older_than: Duration::MAX,
    };
    let roots = || env.containers.roots();
    let tried = || "cannot free the image's layers".to_string();
    let pruned = env.store.prune(&options, roots).tried(tried)?;
    super::prune::warn_withheld(&pruned);
    sweep_layers(env).tried(tried)
}
