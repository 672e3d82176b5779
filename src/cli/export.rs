//! `lay export`

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use crate::container;

/// Write a container's whole tree as a tar archive
#[derive(Args, Debug)]
pub struct Export {
    /// Name or id of a container
    container: String,
    /// File to write instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only what the container has changed, as a layer's archive
    #[arg(long, hide = true)]
    changes: bool,
}

impl Export {
    /// The container.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let mut out = output(self.output.as_deref())?;
        let exported = env.containers.find(&self.container).and_then(|c| match self.changes {
            true => container::archive_changes(&env, &c, &mut out),
            false => container::export(&env, &c, &mut out),
        });
        exported.tried(|| format!("cannot export {}", self.container))?;
        out.flush().tried(|| "cannot write the archive".to_string())?;
        Ok(0)
    }
}

/// The file, or stdout if it is no terminal.
pub fn output(path: Option<&std::path::Path>) -> Result<Box<dyn Write + Send>, Failure> {
    match path {
        Some(path) => {
            let file = File::create(path).tried(|| format!("cannot write {}", path.display()))?;
            Ok(Box::new(io::BufWriter::new(file)))
        }
        None if io::stdout().is_terminal() => {
            Err(Failure::new("an archive is nothing for a terminal: use --output, or redirect"))
        }
        None => Ok(Box::new(io::BufWriter::new(io::stdout()))),
    }
}
