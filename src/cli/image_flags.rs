//! Flags of commands that make a container of an image: where it comes from.

use clap::{Args, ValueEnum};
use lay_store::Store;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::pull::{pull, reference, with_progress};
use crate::build;
use crate::image::{self, Image};
use crate::kernel::userns;

/// When to ask the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    /// Before each run
    Always,
    /// If the image is not here
    Missing,
    /// Not at all
    Never,
}

/// How to get the image.
#[derive(Args, Debug)]
pub struct ImageFlags {
    /// When to pull the image
    #[arg(long, value_enum, default_value = "missing", value_name = "WHEN")]
    pull: When,
    /// Platform to pull
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// Do not show how the pull goes on
    #[arg(short, long)]
    quiet: bool,
}

impl ImageFlags {
    /// The image, pulled if it has to be.
    pub fn image(&self, context: &Context, store: &Store, name: &str) -> Result<Image, Failure> {
        let tried = || format!("cannot run {name}");
        if self.pull != When::Always {
            let found = match image::find(store, name) {
                // Steps of builds have ids too.
                Err(image::Error::NotFound(_)) if build::is_step_id(name) => build::step_image(store, name)
                    .tried(tried)?
                    .ok_or_else(|| image::Error::NotFound(name.to_string())),
                found => found,
            };
            match found {
                Err(image::Error::NotFound(_)) if self.pull == When::Missing => {}
                found => return found.tried(tried),
            }
            if !self.quiet && !userns::keeps_ids() {
                eprintln!("Unable to find image '{name}' locally");
            }
        }
        if userns::keeps_ids() {
            return Err(not_here(name));
        }
        let reference = reference(name)?;
        let platform = self.platform.as_deref();
        match self.quiet {
            true => pull(context, store, &reference, platform, &())?,
            false => with_progress(context, store, &reference, platform)?,
        };
        image::find(store, name).tried(tried)
    }
}

/// What is pulled here would be unpacked with owners that are wrong for all other containers.
fn not_here(name: &str) -> Failure {
    let why = "where this user keeps its ids, the image has to be here already";
    Failure::new(format!("cannot run {name}: {why} (get it with 'lay pull {name}')"))
}
