//! `--metadata-file`: what was built, for programs.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::publish::Sent;
use crate::build::export::Output;
use crate::cli::failure::{Failure, Tried};
use crate::image::Image;
use crate::registry::Reference;

/// Writes the fields that Docker's builder writes of an image. Of files alone there is nothing to say.
pub fn write(
    path: &Path,
    image: &Image,
    names: &[String],
    outputs: &[Output],
    pushed: &[Sent],
) -> Result<(), Failure> {
    let only_files = !outputs.is_empty() && outputs.iter().all(Output::is_files);
    let fields = if only_files { Map::new() } else { fields(image, names, pushed) };
    let text = format!("{:#}\n", Value::Object(fields));
    fs::write(path, text).tried(|| format!("cannot write {}", path.display()))
}

fn fields(image: &Image, names: &[String], pushed: &[Sent]) -> Map<String, Value> {
    // Who asks for the digest of what was pushed wants to pull by it.
    let mut descriptor = match pushed.first() {
        Some(Sent { what, .. }) => {
            json!({"mediaType": what.media_type, "digest": what.digest, "size": what.size})
        }
        None => json!(image.manifest_descriptor),
    };
    let digest = descriptor["digest"].clone();
    let created = image.config.created().clone().unwrap_or_default();
    descriptor["annotations"] =
        json!({"config.digest": image.id, "org.opencontainers.image.created": created});
    let mut fields = Map::new();
    fields.insert("containerimage.config.digest".into(), json!(image.id));
    fields.insert("containerimage.descriptor".into(), descriptor);
    fields.insert("containerimage.digest".into(), digest);
    if !names.is_empty() {
        let whole = |name: &String| Reference::parse(name).map_or_else(|_| name.clone(), |r| r.canonical());
        let names: Vec<String> = names.iter().map(whole).collect();
        fields.insert("image.name".into(), json!(names.join(",")));
    }
    fields
}
