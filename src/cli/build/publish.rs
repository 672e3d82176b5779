//! `--push`: the image goes to the registry of each of its names.

use lay_store::Store;

use crate::build::Built;
use crate::build::export::Output;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::pull::reference;
use crate::cli::push::How;
use crate::registry::{Pushed, Reference};

/// An image in a registry.
#[derive(Debug)]
pub struct Sent {
    /// Its name.
    pub to: Reference,
    /// What the name stands for.
    pub what: Pushed,
}

/// Where to push; nowhere unless an output wants that. What cannot be pushed is not built either.
pub fn destinations(names: &[String], outputs: &[Output]) -> Result<Vec<Reference>, Failure> {
    if !outputs.iter().any(Output::is_pushed) {
        return Ok(Vec::new());
    }
    if names.is_empty() {
        return Err(Failure::new(
            "an image needs a name to be pushed: say -t REGISTRY/NAME:TAG, such as registry.example.com/app:1",
        ));
    }
    let destination = |name: &String| {
        let destination = reference(name)?;
        match destination.digest() {
            None => Ok(destination),
            Some(_) => {
                Err(Failure::new(format!("cannot push {name}: an image is pushed to a tag, not to a digest")))
            }
        }
    };
    names.iter().map(destination).collect()
}

/// Pushes, to one place after the other.
pub fn push(
    context: &Context,
    store: &Store,
    built: &Built,
    destinations: &[Reference],
    quiet: bool,
) -> Result<Vec<Sent>, Failure> {
    let how = How::usual(quiet);
    let mut sent = Vec::new();
    for to in destinations {
        let what = how.send(context, store, &built.image.descriptor, to, None)?;
        sent.push(Sent { to: to.clone(), what });
    }
    if !sent.is_empty() {
        store.flush_index();
    }
    Ok(sent)
}
