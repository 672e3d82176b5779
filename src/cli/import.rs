//! `lay import`

use std::fs::File;
use std::io::{self, Read};

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use super::pull::reference;
use crate::container::note_event;
use crate::image::{self, Changes, Commit as Options};

/// Make an image of a tar archive of a whole tree
#[derive(Args, Debug)]
pub struct Import {
    /// The archive, which may be compressed; - is stdin
    file: String,
    /// Name of the image
    image: Option<String>,
    /// Why
    #[arg(short, long)]
    message: Option<String>,
    /// Set the configuration, such as 'CMD ["sh"]'
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
}

impl Import {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let tried = || format!("cannot import {}", self.file);
        let store = context.store()?;
        let name = self.image.as_deref().map(reference).transpose()?.map(|r| r.familiar());
        let options = Options {
            name: name.as_deref(),
            author: None,
            message: self.message.as_deref(),
            changes: Changes::parse(&self.change).tried(tried)?,
            form: context.layer_form()?.0.layer(),
        };
        let id = image::import(&store, input(&self.file)?, &options).tried(tried)?;
        let named = name.iter().map(|name| ("name", name.clone())).collect::<Vec<_>>();
        note_event(store.root(), "image", "import", &id.to_string(), &named);
        line(id.to_string())?;
        store.flush_index();
        Ok(0)
    }
}

/// A file, or stdin for `-`.
pub fn input(path: &str) -> Result<Box<dyn Read + Send>, Failure> {
    if path == "-" {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path).tried(|| format!("cannot read {path}"))?;
    Ok(Box::new(file))
}
