//! Flags of commands that make a container of an image: where it comes from.

use clap::{Args, ValueEnum};
use lay_store::Store;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::pull::{pull, reference, with_progress};
use crate::build;
use crate::image::{self, Image};
use crate::kernel::userns;
use crate::registry::Platform;

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
        let platform = self.platform.as_deref().map(platform).transpose()?;
        if self.pull != When::Always {
            let found = match find(store, name, platform.as_ref()) {
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
        let wanted = self.platform.as_deref();
        match self.quiet {
            true => pull(context, store, &reference, wanted, &())?,
            false => with_progress(context, store, &reference, wanted)?,
        };
        find(store, name, platform.as_ref()).tried(tried)
    }
}

/// An image that is here, for the platform that is wanted: one for another is not what was asked for.
fn find(store: &Store, name: &str, platform: Option<&Platform>) -> Result<Image, image::Error> {
    let Some(platform) = platform else { return image::find(store, name) };
    let image = image::find_for(store, name, platform)?;
    let config = &image.config;
    let made_for = Platform::new(
        &config.os().to_string(),
        &config.architecture().to_string(),
        config.variant().as_deref(),
    );
    match platform.fitness(&made_for) {
        Some(_) => Ok(image),
        None => Err(image::Error::NotFound(name.to_string())),
    }
}

fn platform(text: &str) -> Result<Platform, Failure> {
    text.parse().tried(|| "invalid value for --platform".to_string())
}

/// What is pulled here would be unpacked with owners that are wrong for all other containers.
fn not_here(name: &str) -> Failure {
    let why = "where this user keeps its ids, the image has to be here already";
    Failure::new(format!("cannot run {name}: {why} (get it with 'lay pull {name}')"))
}
