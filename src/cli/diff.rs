//! `lay diff`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use lay_store::{Layer, Store};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::human;
use super::output::{Format, line, rows};
use super::tree::Tree;
use crate::container::{self, ChangeKind, Environment};
use crate::image::{self, Image};
use crate::snapshot::{Difference, Said, Snapshot, differences, layer_entries};

/// Show what a container has changed, how two images differ, or what each layer of an image does
#[derive(Args, Debug)]
pub struct Diff {
    /// Name or id of a container or an image
    name: String,
    /// Another image
    other: Option<String>,
    /// tree, json, or a template such as '{{.Kind}} {{.Path}}'
    #[arg(long)]
    format: Option<String>,
}

/// One changed path: layer if one is told, letter, path, sizes before and after if they are known.
struct Row {
    layer: Option<String>,
    kind: &'static str,
    path: PathBuf,
    sizes: Option<[u64; 2]>,
}

impl Diff {
    /// What may be a container.
    pub fn container(&self) -> &str {
        &self.name
    }

    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let list = match &self.other {
            Some(other) => self.images(&env, other)?,
            None => match env.containers.find(&self.name) {
                Ok(found) => {
                    container_rows(&env, &found).tried(|| format!("cannot compare {}", self.name))?
                }
                Err(container::Error::NotFound(_)) => self.layers(&env)?,
                Err(error) => return Err(Failure::of(&format!("cannot compare {}", self.name), &error)),
            },
        };
        self.print(&list)
    }

    fn images(&self, env: &Environment, other: &str) -> Result<Vec<Row>, Failure> {
        let tried = || format!("cannot compare {} and {other}", self.name);
        let snapshot = |name: &str| {
            let image = image::find(&env.store, name).tried(tried)?;
            Ok(Snapshot { layers: layers(&env.store, &image)?, via: env.via, ..Snapshot::default() })
        };
        let list = differences(&snapshot(&self.name)?, &snapshot(other)?).tried(tried)?;
        let row = |(path, kind, sizes)| {
            let kind = match kind {
                Difference::Added => "A",
                Difference::Changed => "C",
                Difference::Removed => "D",
            };
            Row { layer: None, kind, path: PathBuf::from("/").join(path), sizes: Some(sizes) }
        };
        Ok(list.into_iter().map(row).collect())
    }

    fn layers(&self, env: &Environment) -> Result<Vec<Row>, Failure> {
        let tried = || format!("cannot look into {}", self.name);
        let image = image::find(&env.store, &self.name).map_err(|error| match error {
            image::Error::NotFound(name) => {
                Failure::new(format!("cannot compare {name}: no such container or image"))
            }
            error => Failure::of(&tried(), &error),
        })?;
        let (mut list, mut below) = (Vec::new(), Below::default());
        for layer in layers(&env.store, &image)? {
            for (path, said) in layer_entries(&layer, env.via).tried(tried)? {
                let (kind, sizes) = below.apply(&path, said);
                let layer = Some(layer.diff_id.hex()[..12].to_string());
                list.push(Row { layer, kind, path: PathBuf::from("/").join(path), sizes: Some(sizes) });
            }
        }
        Ok(list)
    }

    fn print(&self, list: &[Row]) -> Result<u8, Failure> {
        if self.format.as_deref() == Some("tree") {
            return print_tree(list);
        }
        if self.format.is_none() {
            let print = |row: &Row| {
                let layer = row.layer.as_ref().map(|layer| format!("{layer} ")).unwrap_or_default();
                line(format!("{layer}{} {}", row.kind, row.path.display()))
            };
            return list.iter().try_for_each(print).map(|()| 0);
        }
        let object = |row: &Row| -> Value {
            json!({
                "Layer": row.layer, "Kind": row.kind, "Path": row.path,
                "SizeBefore": row.sizes.map(|s| s[0]), "Size": row.sizes.map(|s| s[1]),
            })
        };
        let objects: Vec<Value> = list.iter().map(object).collect();
        rows(&Format::parse(self.format.as_deref())?, &[("KIND", "Kind"), ("PATH", "Path")], &objects)?;
        Ok(0)
    }
}

/// What the layers below hold: paths and sizes.
#[derive(Default)]
struct Below(BTreeMap<PathBuf, u64>);

impl Below {
    /// Takes in what a layer says; the letter for it, and the sizes before and after.
    fn apply(&mut self, path: &Path, said: Said) -> (&'static str, [u64; 2]) {
        let before = self.0.get(path).copied();
        match said {
            Said::Present(size) => {
                self.0.insert(path.to_path_buf(), size);
                (if before.is_some() { "C" } else { "A" }, [before.unwrap_or(0), size])
            }
            Said::Deleted => ("D", [self.remove(path), 0]),
            Said::Opaque => {
                let hidden = self.remove(path);
                self.0.insert(path.to_path_buf(), 0);
                ("O", [hidden, 0])
            }
        }
    }

    /// Removes a path with all below it; its bytes.
    fn remove(&mut self, path: &Path) -> u64 {
        let from = self.0.range(path.to_path_buf()..);
        let gone: Vec<PathBuf> =
            from.map(|(other, _)| other.clone()).take_while(|other| other.starts_with(path)).collect();
        gone.iter().filter_map(|path| self.0.remove(path)).sum()
    }
}

/// A tree for each layer, or one where no layers are told.
fn print_tree(list: &[Row]) -> Result<u8, Failure> {
    for part in list.chunk_by(|a, b| a.layer == b.layer) {
        let mut tree = Tree::default();
        for row in part {
            let sizes = match row.sizes {
                Some([0, 0]) | None => String::new(),
                Some([0, size]) => format!(" ({})", human::size(size, 3)),
                Some([before, size]) => format!(" ({} to {})", human::size(before, 3), human::size(size, 3)),
            };
            tree.add(&row.path, format!("{}{sizes}", row.kind));
        }
        let top = part[0].layer.as_ref().map_or("/".to_string(), |layer| format!("layer {layer}"));
        tree.lines(&top).into_iter().try_for_each(line)?;
    }
    Ok(0)
}

fn container_rows(env: &Environment, found: &container::Container) -> Result<Vec<Row>, container::Error> {
    let row = |(path, kind)| {
        let kind = match kind {
            ChangeKind::Added => "A",
            ChangeKind::Changed => "C",
            ChangeKind::Deleted => "D",
        };
        Row { layer: None, kind, path, sizes: None }
    };
    Ok(container::changes(env, found)?.into_iter().map(row).collect())
}

/// The mountable layers of an image, bottom to top.
pub fn layers(store: &Store, image: &Image) -> Result<Vec<Layer>, Failure> {
    let layer = |diff_id| {
        store
            .layer(diff_id)
            .ok_or_else(|| Failure::of("cannot mount the image", &container::Error::MissingLayer(*diff_id)))
    };
    image.layers.iter().map(layer).collect()
}
