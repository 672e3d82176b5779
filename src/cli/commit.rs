//! `lay commit`

use std::io::{self, Write};
use std::process::Child;

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
    /// Accepted for Docker's sake: what is committed always stands still
    #[arg(short, long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pause: Option<bool>,
}

impl Commit {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let tried = || format!("cannot commit {}", self.container);
        let beside = super::rootless::prepare_commit(context, &self.container)?;
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
        let write = |out: &mut dyn Write| match beside {
            Some(beside) => take_over(beside, out),
            None => container::archive_changes(&env, &found, out),
        };
        let id = image::commit(&env.store, &base, write, &options).tried(tried)?.to_string();
        container::note_container(&env, &found, "commit", &[("imageID", id.clone())]);
        line(id)?;
        env.store.flush_index();
        Ok(0)
    }
}

/// Copies the archive that another process writes, all of it or none.
fn take_over(mut beside: Child, out: &mut dyn Write) -> Result<(), container::Error> {
    let failed = |e| container::Error::System("read the archive of the changes", e);
    let copied = beside.stdout.take().map_or(Ok(0), |mut archive| io::copy(&mut archive, out));
    let ended = beside.wait_with_output().map_err(failed)?;
    if ended.status.success() {
        return copied.map(drop).map_err(failed);
    }
    let words = String::from_utf8_lossy(&ended.stderr);
    let words = words.trim().trim_start_matches("lay: ");
    Err(container::Error::Changes(if words.is_empty() {
        ended.status.to_string()
    } else {
        words.to_string()
    }))
}
