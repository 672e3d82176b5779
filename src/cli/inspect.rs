//! `lay inspect`

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::container_view;
use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use super::template::Template;
use crate::container::{self, Environment};
use crate::image::{self, Image};

/// What a name is looked up as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A container
    Container,
    /// An image
    Image,
}

/// Show all about containers or images, as JSON
#[derive(Args, Debug)]
pub struct Inspect {
    /// Names or ids
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// A template such as '{{.State.Status}}'
    #[arg(short, long)]
    format: Option<String>,
    /// Look only for containers, or only for images
    #[arg(long = "type", value_enum)]
    kind: Option<Kind>,
}

impl Inspect {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let mut found = Vec::new();
        let mut code = 0;
        for name in &self.names {
            match self.find(&env, name) {
                Ok(value) => found.push(value),
                Err(failure) => {
                    eprintln!("lay: {}", failure.message);
                    code = failure.code;
                }
            }
        }
        match &self.format {
            None => {
                let text = serde_json::to_string_pretty(&found).tried(|| "cannot print".to_string())?;
                line(text)?;
            }
            Some(format) => {
                let template = Template::parse(format).map_err(Failure::new)?;
                for value in &found {
                    line(template.render(value).map_err(Failure::new)?)?;
                }
            }
        }
        Ok(code)
    }

    fn find(&self, env: &Environment, name: &str) -> Result<Value, Failure> {
        let tried = || format!("cannot inspect {name}");
        if self.kind != Some(Kind::Image) {
            match env.containers.find(name) {
                Ok(found) => return container_view::container(env, &found).tried(tried),
                Err(container::Error::NotFound(_)) if self.kind.is_none() => {}
                Err(error) => return Err(Failure::of(&tried(), &error)),
            }
        }
        match image::find(&env.store, name) {
            Ok(image) => image_value(env, &image).tried(tried),
            Err(image::Error::NotFound(_)) if self.kind.is_none() => Err(Failure::new(format!(
                "cannot inspect {name}: no such container or image (see 'lay ps -a' and 'lay images')"
            ))),
            Err(error) => Err(Failure::of(&tried(), &error)),
        }
    }
}

fn image_value(env: &Environment, image: &Image) -> Result<Value, image::Error> {
    let digest = image.descriptor.digest().to_string();
    let entries = env.store.images()?.into_iter().filter(|e| e.descriptor.digest().to_string() == digest);
    let names: Vec<String> = entries.filter_map(|e| e.name).collect();
    let config: Value = serde_json::from_slice(&image.raw_config).unwrap_or_default();
    let repository = |name: &str| {
        let reference = crate::registry::Reference::parse(name).ok()?;
        let bare = reference.familiar();
        let tag = reference.tag().map(|t| format!(":{t}")).unwrap_or_default();
        Some(bare.split('@').next()?.trim_end_matches(&tag).to_string())
    };
    let digests: Vec<String> = names
        .iter()
        .filter_map(|name| {
            Some(format!("{}@{}", repository(name)?, image.pulled_digest().unwrap_or(&digest)))
        })
        .collect();
    let sizes = env.store.layer_sizes();
    Ok(json!({
        "Id": image.id,
        "RepoTags": names,
        "RepoDigests": digests,
        "Manifest": image.manifest,
        "Created": config["created"],
        "Author": config["author"].as_str().unwrap_or_default(),
        "Architecture": config["architecture"],
        "Os": config["os"],
        "Variant": config["variant"],
        "Size": image.layers.iter().filter_map(|d| sizes.get(d)).sum::<u64>(),
        "CompressedSize": image.compressed_size(),
        "Config": config["config"],
        "RootFS": {"Type": "layers", "Layers": image.layers},
        "History": config["history"],
    }))
}
