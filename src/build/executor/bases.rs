//! The images that a build begins with or takes files from.

use std::collections::BTreeMap;

use lay_store::{LayerForm, Lease};
use oci_spec::image::Os;

use super::{Event, Progress};
use crate::build::containerfile::{Stage, nearest};
use crate::build::context::named::Layout;
use crate::build::error::{Error, report};
use crate::build::options::Options;
use crate::build::plan::{Origin, Plan};
use crate::container::Environment;
use crate::image::{self, Image};
use crate::registry::{self, Platform, PullOptions, Reference};

/// Layers that travel at once.
const PARALLEL: usize = 4;

/// A key of [`super::Session::images`].
pub fn key(name: &str, platform: &Platform) -> String {
    format!("{name} {platform}")
}

/// Where an image is needed first.
struct Need<'a> {
    name: &'a str,
    platform: &'a Platform,
    text: &'a crate::build::containerfile::Text,
}

/// Finds all images that a plan needs, and pulls those that are not here.
///
/// # Errors
/// When one cannot be had; the message names the line that needs it.
pub fn find(
    env: &Environment,
    form: LayerForm,
    (file, content): (&str, &[u8]),
    (plan, stages): (&Plan<'_>, &[Stage]),
    options: &Options,
    lease: &Lease,
    progress: &mut dyn Progress,
) -> Result<BTreeMap<String, Image>, Error> {
    let mut images = BTreeMap::new();
    for need in needs(plan, options) {
        let key = key(need.name, need.platform);
        if images.contains_key(&key) {
            continue;
        }
        let image = find_one(env, form, &need, options, lease, progress).map_err(|reason| {
            // What is no image may have been meant as a stage.
            let names = stages.iter().filter_map(|stage| stage.from.name.as_deref());
            let hint = nearest(need.name, names).map(|name| format!(" (did you mean the stage {name}?)"));
            let reason = reason + &hint.unwrap_or_default();
            Error::Step { report: report(file, content, need.text.span.start, &reason), code: None }
        })?;
        lease.protect(image.layers.iter().copied().chain([image.manifest, image.id]))?;
        images.insert(key, image);
    }
    Ok(images)
}

fn needs<'a>(plan: &'a Plan<'a>, options: &'a Options) -> Vec<Need<'a>> {
    let mut needs = Vec::new();
    for stage in &plan.stages {
        if let Origin::Image(name) = &stage.base {
            needs.push(Need { name, platform: &stage.platform, text: stage.text });
        }
        for step in &stage.steps {
            for origin in &step.origins {
                if let Origin::Image(name) = origin {
                    needs.push(Need { name, platform: options.platform(), text: step.text });
                }
            }
        }
    }
    needs
}

fn find_one(
    env: &Environment,
    form: LayerForm,
    need: &Need<'_>,
    options: &Options,
    lease: &Lease,
    progress: &mut dyn Progress,
) -> Result<Image, String> {
    let Need { name, platform, .. } = *need;
    if let Some(Layout { dir, wanted }) = Layout::parse(name) {
        let image = image::load_from_layout(&env.store, lease, &dir, form, wanted.as_deref())
            .map_err(|e| format!("cannot use {name}: {}", crate::error::chain(&e)))?;
        return match fits(&image, platform) {
            true => Ok(image),
            false => Err(format!("cannot use {name}: the image is not for {platform}")),
        };
    }
    if !options.pull {
        match image::find_for(&env.store, name, platform) {
            Ok(image) if fits(&image, platform) => return Ok(image),
            Ok(_) | Err(image::Error::NotFound(_)) => {}
            Err(error) => return Err(crate::error::chain(&error)),
        }
    }
    let reference = Reference::parse(name).map_err(|e| crate::error::chain(&e))?;
    progress.event(&Event::Note(format!("pulling {}", reference.familiar())));
    let pull = PullOptions {
        access: options.access.clone(),
        platform: Some(platform.to_string()),
        parallel: PARALLEL,
        form,
    };
    registry::pull(&env.store, &reference, &pull, &())
        .map_err(|e| format!("cannot pull {}: {}", reference.familiar(), crate::error::chain(&e)))?;
    image::find_for(&env.store, name, platform).map_err(|e| crate::error::chain(&e))
}

/// Whether an image can serve for a platform.
fn fits(image: &Image, platform: &Platform) -> bool {
    let Os::Other(_) = image.config.os() else {
        let architecture = image.config.architecture().to_string();
        let own =
            Platform::new(&image.config.os().to_string(), &architecture, image.config.variant().as_deref());
        return platform.fitness(&own).is_some();
    };
    false
}
