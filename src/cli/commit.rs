//! `lay commit`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use super::pull::reference;
use crate::container;
use crate::image::{self, Changes, Commit as Options};

/// Make an image of a container's changes
#[derive(Args, Debug)]
pub struct Commit {
    /// Name or id of a container; it stands still meanwhile
    container: String,
    /// Name of the image
    image: Option<String>,
    /// Who makes it
    #[arg(short, long)]
    author: Option<String>,
    /// Why
    #[arg(short, long)]
    message: Option<String>,
    /// Change the configuration, such as 'CMD ["httpd"]' or 'ENV A=b'
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
}

impl Commit {
    /// The container.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let tried = || format!("cannot commit {}", self.container);
        let env = context.environment()?;
        let name = self.image.as_deref().map(reference).transpose()?.map(|r| r.familiar());
        let options = Options {
            name: name.as_deref(),
            author: self.author.as_deref(),
            message: self.message.as_deref(),
            changes: Changes::parse(&self.change).tried(tried)?,
            form: context.layer_form()?.0.layer(),
        };
        let found = env.containers.find(&self.container).tried(tried)?;
        let base = image::of_manifest(&env.store, &found.record.manifest).tried(tried)?;
        let committed = container::frozen_upper(&found, |upper| {
            image::commit(&env.store, &base, upper, &options).map_err(container::Error::from)
        });
        let id = committed.tried(tried)?.to_string();
        container::note_container(&env, &found, "commit", &[("imageID", id.clone())]);
        line(id)?;
        env.store.flush_index();
        Ok(0)
    }
}
