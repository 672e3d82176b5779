//! Files into a container and out of it, by Docker's rules.
//!
//! Whatever runs in the container may change every path while it is copied. So each lookup is made by the kernel inside of
//! the container's root (`RESOLVE_IN_ROOT` of openat2(2)), what was found is held by descriptor, and nothing below it is
//! reached through a symbolic link. No process of ours enters the container.

mod error;
mod names;
mod place;
mod read;
mod root;
mod write;

use std::io::{Read, Write};
use std::path::Path;

pub use error::Error;
use names::Name;
use place::{Target, destination, found};
use read::Reader;
use root::{Access, View, with_root};
use write::{Below, Writer};

use super::launch::Environment;
use super::record::Container;
use crate::layer::{self, Emitter};

/// How to copy.
#[derive(Clone, Copy, Debug, Default)]
pub struct CopyOptions {
    /// `-a`: files that come out keep the owners, and set-id bits, that they have in the container.
    pub archive: bool,
    /// `-L`: a symbolic link that is named as the source is followed.
    pub follow: bool,
}

/// The end that is not in the container.
pub enum Local<'a, S: ?Sized> {
    /// A path of this machine as the user gave it: a slash at its end says something.
    Path(&'a str),
    /// A tar archive.
    Stream(&'a mut S),
}

/// Copies out of a container, which may be running.
///
/// # Errors
/// When there is no such file, or it does not fit to what is at the destination.
pub fn copy_out(
    env: &Environment,
    container: &Container,
    source: &str,
    target: Local<'_, dyn Write + Send>,
    options: CopyOptions,
) -> Result<(), Error> {
    let source = Name::inside(source);
    with_root(env, container, Access::Read, move |root| {
        let view = root.view();
        let source_name = format!("{}:{}", container.record.name, source.shown());
        let file = found(&view, &source, options.follow, &source_name)?;
        match target {
            Local::Stream(out) => {
                let mut emitter = Emitter::new(out);
                let mut take = |entry: &_, data: &mut dyn std::io::BufRead| emitter.entry(entry, data);
                Reader::new(root.ids.as_ref(), &mut take).walk(file.fd, source.base())?;
                Ok(emitter.finish()?)
            }
            Local::Path(path) => {
                let local = View::host()?;
                let target = destination(&local, &Name::local(path)?, &source, file.directory, path)?;
                let mut writer = Writer::new(Below::Directory(target.directory), None);
                writer.owners = options.archive;
                writer.foreign = !options.archive;
                let mut take = |entry: &_, data: &mut dyn std::io::BufRead| writer.take(entry, data);
                Reader::new(root.ids.as_ref(), &mut take).walk(file.fd, &target.base)?;
                Ok(writer.end()?)
            }
        }
    })
}

/// Copies into a container, which may be running. Owners keep their numbers.
///
/// # Errors
/// As [`copy_out`].
pub fn copy_in(
    env: &Environment,
    container: &Container,
    source: Local<'_, dyn Read + Send>,
    target: &str,
    options: CopyOptions,
) -> Result<(), Error> {
    let name = Name::inside(target);
    let shown = format!("{}:{}", container.record.name, name.shown());
    with_root(env, container, Access::Write, move |root| {
        let view = root.view();
        match source {
            Local::Stream(archive) => {
                if !view.is_directory(&name.path)? {
                    return Err(Error::NoDirectory(shown));
                }
                // Its names may lead through links that are in the container.
                let below = Below::Root(root.fd.try_clone()?, name.path.clone());
                root.become_owner()?;
                let mut writer = Writer::new(below, root.ids.as_ref());
                let read = layer::read_entries(archive, u64::MAX, &mut writer);
                writer.failure.take().map_or(Ok(()), Err)?;
                read?;
                Ok(writer.end()?)
            }
            Local::Path(path) => {
                let local = View::host()?;
                let source = Name::local(path)?;
                let file = found(&local, &source, options.follow, path)?;
                let Target { directory, base } = destination(&view, &name, &source, file.directory, &shown)?;
                root.become_owner()?;
                let mut writer = Writer::new(Below::Directory(directory), root.ids.as_ref());
                let mut take = |entry: &_, data: &mut dyn std::io::BufRead| writer.take(entry, data);
                Reader::new(None, &mut take).walk(file.fd, &base)?;
                Ok(writer.end()?)
            }
        }
    })
}

/// The path as messages show it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
