//! `lay inspect`

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::container_view;
use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use super::template::Template;
use crate::container::{self, Container, Environment, Networks, Volumes};
use crate::image::{self, Image};

/// What a name is looked up as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A container
    Container,
    /// An image
    Image,
    /// A network
    Network,
    /// A volume
    Volume,
}

/// Show all about containers, images, networks or volumes, as JSON
#[derive(Args, Debug)]
pub struct Inspect {
    /// Names or ids
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// A template such as '{{.State.Status}}'
    #[arg(short, long)]
    format: Option<String>,
    /// Look only for this
    #[arg(long = "type", value_enum)]
    kind: Option<Kind>,
    /// Also how many bytes containers have written to their own files
    #[arg(short, long)]
    size: bool,
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
        let wants = |kind| self.kind.is_none_or(|wanted| wanted == kind);
        if wants(Kind::Container) {
            match env.containers.find(name) {
                Ok(found) => return self.container(env, &found).tried(tried),
                Err(container::Error::NotFound(_)) if self.kind.is_none() => {}
                Err(error) => return Err(Failure::of(&tried(), &error)),
            }
        }
        if wants(Kind::Image) {
            match image::find(&env.store, name) {
                Ok(image) => return image_value(env, &image).tried(tried),
                Err(image::Error::NotFound(_)) if self.kind.is_none() => {}
                Err(error) => return Err(Failure::of(&tried(), &error)),
            }
        }
        if wants(Kind::Network) {
            let networks = Networks::new(env);
            match networks.find(name) {
                Ok(network) => {
                    let users = networks.users(&network).tried(tried)?;
                    return Ok(super::network_view::network(&network, Some(&users)));
                }
                Err(container::Error::NoNetwork(_)) if self.kind.is_none() => {}
                Err(error) => return Err(Failure::of(&tried(), &error)),
            }
        }
        let volumes = Volumes::new(env.store.root());
        match volumes.find(name) {
            Ok(volume) => Ok(super::volume::value(&volumes, &volume)),
            Err(_) if self.kind.is_none() => Err(Failure::new(format!(
                "cannot inspect {name}: no such container or image (see 'lay ps -a' and 'lay images'), network or volume"
            ))),
            Err(error) => Err(Failure::of(&tried(), &error)),
        }
    }

    fn container(&self, env: &Environment, found: &Container) -> Result<Value, container::Error> {
        let mut value = container_view::container(env, found)?;
        if self.size {
            value["SizeRw"] = found.written().into();
        }
        Ok(value)
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
