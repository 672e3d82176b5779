//! `lay pull`

use std::io::IsTerminal;

use clap::Args;
use lay_store::Store;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use super::progress::{Bars, Lines, PULL};
use crate::container::note_event;
use crate::registry::{self, Progress, PullOptions, Pulled, Reference};

/// Layers that travel at once.
const PARALLEL: usize = 4;

/// Get an image from a registry
#[derive(Args, Debug)]
pub struct Pull {
    /// Image, such as centos:7, quay.io/team/app:1.2 or centos@sha256:…
    image: String,
    /// Platform to choose from an image for several, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// Print the digest alone
    #[arg(short, long)]
    quiet: bool,
    /// Accepted for Docker's sake: what a digest names is always verified
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    disable_content_trust: Option<bool>,
}

impl Pull {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let store = context.store()?;
        let result = self.pull(context, &store);
        store.flush_index();
        result
    }

    fn pull(&self, context: &Context, store: &Store) -> Result<u8, Failure> {
        let reference = reference(&self.image)?;
        if self.quiet {
            let pulled = pull(context, store, &reference, self.platform.as_deref(), &())?;
            return line(pulled.pulled_digest.to_string()).map(|()| 0);
        }
        let tag = reference.tag().map(str::to_string);
        let what = tag.or(reference.digest().map(|d| d.to_string())).unwrap_or_default();
        line(format!("{what}: Pulling from {}", reference.repository()))?;
        let pulled = with_progress(context, store, &reference, self.platform.as_deref())?;
        line(format!("Digest: {}", pulled.pulled_digest))?;
        let status = match pulled.up_to_date {
            true => "Image is up to date",
            false => "Downloaded newer image",
        };
        line(format!("Status: {status} for {}", pulled.name))?;
        line(reference.canonical())?;
        Ok(0)
    }
}

/// Reads an image reference.
pub fn reference(text: &str) -> Result<Reference, Failure> {
    Reference::parse(text).map_err(|e| Failure::new(crate::error::chain(&e)))
}

/// Pulls, with bars on a terminal (stderr) and lines elsewhere.
pub fn with_progress(
    context: &Context,
    store: &Store,
    reference: &Reference,
    platform: Option<&str>,
) -> Result<Pulled, Failure> {
    if std::io::stderr().is_terminal() {
        let bars = Bars::new(PULL);
        let result = pull(context, store, reference, platform, &bars);
        bars.finish();
        return result;
    }
    pull(context, store, reference, platform, &Lines::new(PULL))
}

/// Pulls.
pub fn pull(
    context: &Context,
    store: &Store,
    reference: &Reference,
    platform: Option<&str>,
    progress: &dyn Progress,
) -> Result<Pulled, Failure> {
    let options = PullOptions {
        access: context.access(),
        platform: platform.map(str::to_string),
        parallel: PARALLEL,
        form: context.layer_form()?.0.layer(),
    };
    let pulled = registry::pull(store, reference, &options, progress)
        .tried(|| format!("cannot pull {}", reference.familiar()))?;
    note_event(store.root(), "image", "pull", &pulled.name, &[("name", pulled.name.clone())]);
    Ok(pulled)
}
