//! `lay tag`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::pull::reference;
use crate::container::note_event;
use crate::image;

/// Give an image another name
#[derive(Args, Debug)]
pub struct Tag {
    /// Name or id of an image
    source: String,
    /// The name that it gets
    target: String,
}

impl Tag {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let store = context.store()?;
        let target = reference(&self.target)?;
        if target.digest().is_some() {
            return Err(Failure::new(format!(
                "cannot tag {}: a name with a digest cannot be given",
                self.target
            )));
        }
        let tried = || format!("cannot tag {}", self.source);
        let image = image::find(&store, &self.source).tried(tried)?;
        store.tag(&target.familiar(), image.descriptor).tried(tried)?;
        note_event(store.root(), "image", "tag", &image.id.to_string(), &[("name", target.familiar())]);
        Ok(0)
    }
}
