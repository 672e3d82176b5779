//! `--output`: where the result of a build goes.

use std::io::IsTerminal;
use std::path::Path;

use crate::build::export::{Output, write_local, write_tar};
use crate::cli::export::output as open;
use crate::cli::failure::{Failure, Tried};
use crate::container::Environment;
use crate::image::{self, Image};

/// Reads the flags, and says what would fail in the end. `push` and `load` are `--push` and `--load`: the image is wanted
/// besides what else is.
pub fn parse(texts: &[String], push: bool, load: bool) -> Result<Vec<Output>, Failure> {
    let mut outputs = Vec::new();
    for text in texts {
        let bad = |reason: &str| Failure::new(format!("invalid value '{text}' for --output: {reason}"));
        let output: Output = text.parse().map_err(|e| bad(&crate::error::chain(&e)))?;
        if output.is_stdout() && std::io::stdout().is_terminal() {
            return Err(bad("an archive is nothing for a terminal: redirect it, or say dest=PATH"));
        }
        if let Some(dir) = path(&output).and_then(Path::parent).filter(|dir| !dir.as_os_str().is_empty())
            && !matches!(output, Output::Local(_) | Output::Layout(_))
            && !dir.is_dir()
        {
            return Err(bad(&format!("there is no directory {}", dir.display())));
        }
        outputs.push(output);
    }
    if outputs.iter().filter(|output| output.is_stdout()).count() > 1 {
        return Err(Failure::new("only one --output can go to stdout"));
    }
    if (push || load) && !outputs.iter().any(Output::is_image) {
        outputs.push(Output::Image { names: Vec::new(), push });
    }
    for output in &mut outputs {
        if let Output::Image { push: pushed, .. } = output {
            *pushed |= push;
        }
    }
    Ok(outputs)
}

/// Names for an image that `-t` gives none.
pub fn names(outputs: &[Output]) -> Vec<String> {
    let names = |output: &Output| match output {
        Output::Image { names, .. } => names.clone(),
        _ => Vec::new(),
    };
    outputs.iter().flat_map(names).collect()
}

/// Whether the image itself is not wanted.
pub fn is_elsewhere(outputs: &[Output]) -> bool {
    !outputs.is_empty() && !outputs.iter().any(Output::is_image)
}

/// Writes the result wherever it is wanted.
pub fn write(env: &Environment, image: &Image, names: &[String], outputs: &[Output]) -> Result<(), Failure> {
    for output in outputs {
        let tried = || format!("cannot write {}", place(output).unwrap_or_else(|| "to stdout".into()));
        // An archive knows the image by each of its names.
        let mut named: Vec<Image> =
            names.iter().map(|name| Image { name: Some(name.clone()), ..image.clone() }).collect();
        if named.is_empty() {
            named.push(image.clone());
        }
        match output {
            Output::Image { .. } => {}
            Output::Local(dir) => write_local(env, image, dir).tried(tried)?,
            Output::Tar(path) => write_tar(env, image, &mut open(path.as_deref())?).tried(tried)?,
            Output::Archive(path) => {
                image::save_archive(&env.store, &named, &mut open(path.as_deref())?).tried(tried)?;
            }
            Output::Layout(dir) => image::save_layout(&env.store, &named, dir).tried(tried)?,
        }
    }
    Ok(())
}

/// What to call the place of a result outside of the store.
pub fn place(output: &Output) -> Option<String> {
    path(output).map(|path| path.display().to_string())
}

fn path(output: &Output) -> Option<&Path> {
    match output {
        Output::Local(path) | Output::Layout(path) => Some(path),
        Output::Tar(path) | Output::Archive(path) => path.as_deref(),
        Output::Image { .. } => None,
    }
}
