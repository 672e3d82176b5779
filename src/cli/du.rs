//! `lay du`

use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::human;
use super::output::{Format, rows};
use crate::image;
use crate::snapshot::usage;

/// Show what the store takes on disk, or what each layer of an image costs, and what of it later layers hide
#[derive(Args, Debug)]
pub struct Du {
    /// Name or id of an image; without, all images, containers, volumes and results of builds are counted
    image: Option<String>,
    /// table, json, or a template such as '{{.Layer}} {{.Wasted}}'
    #[arg(long)]
    format: Option<String>,
}

impl Du {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let Some(image) = &self.image else { return super::usage::show(context, self.format.as_deref()) };
        let format = Format::parse(self.format.as_deref())?;
        let tried = || format!("cannot measure {image}");
        let store = context.store()?;
        let image = image::find(&store, image).tried(tried)?;
        let layers = super::diff::layers(&store, &image)?;
        let used = usage(&layers, context.via()?).tried(tried)?;
        let others: Vec<image::Image> = image::list(&store)
            .tried(tried)?
            .into_iter()
            .flatten()
            .map(|l| l.image)
            .filter(|i| i.id != image.id)
            .collect();
        let row = |(index, (layer, used)): (usize, (&lay_store::Layer, &crate::snapshot::Usage))| -> Value {
            let shared = others.iter().filter(|other| other.layers.contains(&layer.diff_id)).count();
            let travels = image.blobs.get(index).map_or(0, |b| b.size());
            json!({
                "Layer": layer.diff_id.hex()[..12],
                "DiffID": layer.diff_id,
                "Files": used.files,
                "Bytes": used.bytes,
                "Size": human::size(used.bytes, 3),
                "WastedBytes": used.wasted,
                "Wasted": human::size(used.wasted, 3),
                "Compressed": human::size(travels, 3),
                "SharedWith": shared,
            })
        };
        let objects: Vec<Value> = layers.iter().zip(&used).enumerate().map(row).collect();
        let columns = [
            ("LAYER", "Layer"),
            ("FILES", "Files"),
            ("SIZE", "Size"),
            ("WASTED", "Wasted"),
            ("COMPRESSED", "Compressed"),
            ("SHARED WITH", "SharedWith"),
        ];
        rows(&format, &columns, &objects)?;
        Ok(0)
    }
}
