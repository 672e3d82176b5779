//! `lay cp`

use std::io;

use clap::Args;

use super::context::Context;
use super::export::output;
use super::failure::{Failure, Tried};
use crate::container::{self, CopyOptions, Local};

/// Copy files between a container, running or not, and this machine
#[derive(Args, Debug)]
#[command(
    after_help = "A directory is copied into a directory that is there, and to a new one else; DIR/. copies what is in it.
Files that come out belong to you and lose set-id bits, unless you give -a; those that go in keep the numbers of their
owners. Symbolic links never lead out of the container.

Examples:
  lay cp web:/var/log/app.log .           a file, out
  lay cp site/. web:/srv/www              what is in a directory, in
  lay cp web:/etc - | tar -t              a tar archive instead
  tar -c conf | lay cp - web:/etc"
)]
pub struct Cp {
    /// Keep owners and set-id bits of files that come out
    #[arg(short, long)]
    archive: bool,
    /// Follow a symbolic link that is named as the source
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Accepted for Docker's sake: nothing is printed anyway
    #[arg(short, long, hide = true)]
    quiet: bool,
    /// CONTAINER:PATH, a path of this machine, or - for a tar archive from stdin
    source: String,
    /// The same; - for a tar archive to stdout
    target: String,
}

impl Cp {
    /// The container, if one is named.
    pub fn container(&self) -> Option<&str> {
        split(&self.source).or_else(|| split(&self.target)).map(|(name, _)| name)
    }

    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let options = CopyOptions { archive: self.archive, follow: self.follow_link };
        let tried = || format!("cannot copy {} to {}", self.source, self.target);
        match (split(&self.source), split(&self.target)) {
            (Some((name, path)), None) => {
                let container = env.containers.find(name).tried(tried)?;
                if self.target == "-" {
                    let mut out = output(None)?;
                    container::copy_out(&env, &container, path, Local::Stream(&mut *out), options)
                        .tried(tried)?;
                    io::Write::flush(&mut out).tried(tried)?;
                } else {
                    let target = Local::Path(&self.target);
                    container::copy_out(&env, &container, path, target, options).tried(tried)?;
                }
            }
            (None, Some((name, path))) => {
                let container = env.containers.find(name).tried(tried)?;
                let mut stdin = io::stdin();
                let source: Local<'_, dyn io::Read + Send> =
                    if self.source == "-" { Local::Stream(&mut stdin) } else { Local::Path(&self.source) };
                container::copy_in(&env, &container, source, path, options).tried(tried)?;
            }
            (Some(_), Some(_)) => {
                return Err(Failure::new(
                    "copying between containers is not supported; use 'lay cp A:PATH - | lay cp - B:PATH'",
                ));
            }
            (None, None) => {
                return Err(Failure::new("one of the two must be in a container: CONTAINER:PATH"));
            }
        }
        Ok(0)
    }
}

/// Docker's rule: what begins with a dot or a slash is a path, else a colon parts container and path.
fn split(text: &str) -> Option<(&str, &str)> {
    text.split_once(':')
        .filter(|(name, _)| !name.is_empty() && !name.starts_with(['.', '/']) && !name.contains('/'))
}
