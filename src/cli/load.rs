//! `lay load`

use std::path::Path;

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::import::input;
use super::output::line;
use crate::container::note_event;
use crate::image::{Source, load_archive};

/// Read images from an archive or an OCI directory
#[derive(Args, Debug)]
pub struct Load {
    /// Archive or directory; stdin without
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    input: String,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
}

impl Load {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let store = context.store()?;
        let form = context.layer_form()?.0.layer();
        let path = Path::new(&self.input);
        let loaded = match path.is_dir() {
            true => load_archive(&store, Source::Directory(path), form),
            false => load_archive(&store, Source::Stream(&mut input(&self.input)?), form),
        };
        let names = loaded.tried(|| format!("cannot load {}", self.input))?;
        store.flush_index();
        for name in &names {
            note_event(store.root(), "image", "load", name, &[("name", name.clone())]);
        }
        if !self.quiet {
            names.iter().try_for_each(|name| line(format!("Loaded image: {name}")))?;
        }
        Ok(0)
    }
}
