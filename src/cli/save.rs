//! `lay save`

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::context::Context;
use super::export::output;
use super::failure::{Failure, Tried};
use crate::image;

/// What images are saved as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One archive: an OCI layout that Docker reads as well
    DockerArchive,
    /// The same
    OciArchive,
    /// An OCI layout in a directory
    OciDir,
}

/// Write images as an archive that lay, Docker, Podman and skopeo read
#[derive(Args, Debug)]
pub struct Save {
    /// Names or ids of images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// File or directory to write instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Form of the archive
    #[arg(long, value_enum, default_value = "docker-archive")]
    format: Format,
}

impl Save {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let store = context.store()?;
        let mut images = Vec::new();
        for name in &self.images {
            images.push(image::find(&store, name).tried(|| format!("cannot save {name}"))?);
        }
        let tried = || "cannot save the images".to_string();
        if self.format == Format::OciDir {
            let Some(dir) = &self.output else {
                return Err(Failure::new("an OCI directory needs --output"));
            };
            image::save_layout(&store, &images, dir).tried(tried)?;
            return Ok(0);
        }
        let mut out = output(self.output.as_deref())?;
        image::save_archive(&store, &images, &mut out).tried(tried)?;
        out.flush().tried(tried)?;
        Ok(0)
    }
}
