//! `lay push`

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use lay_store::Store;
use oci_spec::image::Descriptor;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use super::progress::{Bars, Lines, PUSH};
use super::pull::reference;
use crate::container::note_event;
use crate::image;
use crate::layer::compress::{Method, Settings};
use crate::registry::{self, Progress, PushOptions, Pushed, Reference};

/// Layers that travel at once.
const PARALLEL: usize = 4;

/// How layers that are stored uncompressed are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// As every engine can read it
    Gzip,
    /// Smaller and faster; engines of before 2022 cannot read it
    Zstd,
    /// As they are
    None,
}

/// How to push.
#[derive(Args, Debug)]
pub struct How {
    /// Compression of layers that are stored uncompressed; others go as they came
    #[arg(long, value_enum, default_value = "gzip", value_name = "gzip|zstd|none")]
    compression: Kind,
    /// Level of that compression: 1 to 9 for gzip (6), 1 to 19 for zstd (3)
    #[arg(long, value_name = "N")]
    compression_level: Option<u32>,
    /// Print the name alone
    #[arg(short, long)]
    quiet: bool,
}

/// Upload an image to a registry
#[derive(Args, Debug)]
pub struct Push {
    /// Name or id of an image; with --all-tags, a repository
    image: String,
    /// Where to, if not to where the image's name says, such as registry.example.com/team/app:1.2
    destination: Option<String>,
    /// All tags of the repository
    #[arg(short, long, conflicts_with = "destination")]
    all_tags: bool,
    /// Of an image for several platforms, this one alone, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    #[command(flatten)]
    how: How,
    /// Accepted for Docker's sake: what a digest names is always verified
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    disable_content_trust: Option<bool>,
}

impl Push {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let store = context.store()?;
        let result = self.push(context, &store);
        store.flush_index();
        result.map(|()| 0)
    }

    fn push(&self, context: &Context, store: &Store) -> Result<(), Failure> {
        if self.all_tags {
            return self.every_tag(context, store);
        }
        let tried = || format!("cannot push {}", self.image);
        let (descriptor, name) = named(store, &self.image).tried(tried)?;
        let destination = match (&self.destination, name) {
            (Some(text), _) => reference(text.strip_prefix("docker://").unwrap_or(text))?,
            (None, Some(name)) => reference(&name)?,
            (None, None) => {
                return Err(Failure::new(format!("{}: it has no name; say where to push it", tried())));
            }
        };
        self.how.announce(&destination)?;
        self.how.push(context, store, &descriptor, &destination, self.platform.as_deref()).map(drop)
    }

    fn every_tag(&self, context: &Context, store: &Store) -> Result<(), Failure> {
        let tried = || format!("cannot push {}", self.image);
        let wanted = reference(&self.image)?;
        let repository = |r: &Reference| (r.registry().to_string(), r.repository().to_string());
        let mut found = Vec::new();
        for entry in store.images().tried(tried)? {
            let name = entry.name.and_then(|name| Reference::parse(&name).ok());
            let Some(name) = name.filter(|name| repository(name) == repository(&wanted)) else { continue };
            if name.digest().is_none() {
                found.push((name, entry.descriptor));
            }
        }
        found.sort_by_key(|(name, _)| name.familiar());
        if found.is_empty() {
            return Err(Failure::new(format!(
                "{}: no tag of it is in the store (see 'lay images')",
                tried()
            )));
        }
        self.how.announce(&wanted)?;
        for (name, descriptor) in found {
            self.how.push(context, store, &descriptor, &name, self.platform.as_deref())?;
        }
        Ok(())
    }
}

/// What a name or an id means: an index as it is, not the image in it that runs here.
pub fn named(store: &Store, name: &str) -> Result<(Descriptor, Option<String>), image::Error> {
    let reference = Reference::parse(name).ok().map(|reference| reference.familiar());
    if let Some(reference) = reference
        && let Some(descriptor) = store.find(&reference)?
    {
        return Ok((descriptor, Some(reference)));
    }
    image::find(store, name).map(|image| (image.descriptor, image.name))
}

impl How {
    /// As without flags.
    pub fn usual(quiet: bool) -> How {
        How { compression: Kind::Gzip, compression_level: None, quiet }
    }

    /// Says where to, as Docker does.
    pub fn announce(&self, destination: &Reference) -> Result<(), Failure> {
        if self.quiet {
            return Ok(());
        }
        let (registry, repository) = (destination.registry(), destination.repository());
        line(format!("The push refers to repository [{registry}/{repository}]"))
    }

    /// Pushes, and tells the digest.
    pub fn push(
        &self,
        context: &Context,
        store: &Store,
        source: &Descriptor,
        destination: &Reference,
        platform: Option<&str>,
    ) -> Result<Pushed, Failure> {
        let pushed = self.send(context, store, source, destination, platform)?;
        match self.quiet {
            true => line(destination.canonical())?,
            false => {
                let tag = destination.tag().unwrap_or_default();
                line(format!("{tag}: digest: {} size: {}", pushed.digest, pushed.size))?;
            }
        }
        Ok(pushed)
    }

    /// Pushes; nothing comes to standard output.
    pub fn send(
        &self,
        context: &Context,
        store: &Store,
        source: &Descriptor,
        destination: &Reference,
        platform: Option<&str>,
    ) -> Result<Pushed, Failure> {
        let tried = || format!("cannot push {}", destination.familiar());
        let options = PushOptions {
            access: context.access(),
            parallel: PARALLEL,
            compression: self.settings()?,
            platform: platform.map(str::to_string),
            form: context.layer_form()?.0.layer(),
        };
        let push = |progress: &dyn Progress| {
            let pushed = registry::push(store, source, destination, &options, progress).tried(tried)?;
            let name = destination.familiar();
            note_event(store.root(), "image", "push", &name, &[("name", name.clone())]);
            Ok::<Pushed, Failure>(pushed)
        };
        if self.quiet {
            return push(&());
        }
        if !std::io::stderr().is_terminal() {
            return push(&Lines::new(PUSH));
        }
        let bars = Bars::new(PUSH);
        let result = push(&bars);
        bars.finish();
        result
    }

    fn settings(&self) -> Result<Option<Settings>, Failure> {
        let method = match self.compression {
            Kind::Gzip => Method::Gzip,
            Kind::Zstd => Method::Zstd,
            Kind::None => return Ok(None),
        };
        let settings = Settings::new(method, self.compression_level);
        settings.map(Some).tried(|| "invalid --compression-level".to_string())
    }
}
