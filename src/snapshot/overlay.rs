//! The overlay itself.
//!
//! It is created by a thread of its own. overlayfs acts, for the container's whole life, with the credentials of who
//! created it, and over an id-mapped upper directory these must be ids that the user namespace maps: with
//! host root's own ids the overlay silently comes up read-only. Credentials belong to a thread, so the ones that the
//! overlay needs, and the mount namespace that older kernels need, end with the thread; nothing has to be restored.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sched::{CloneFlags, unshare};
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountPropagationFlags, MoveMountFlags};

use super::Error;
use super::stack::Stack;
use super::upper::Upper;
use crate::kernel::identity::take_ids;
use crate::kernel::mount::{self, Context};
use crate::kernel::userns;

/// Stacks `layers`, top to bottom, and puts `upper` on top.
pub(super) fn mount(
    layers: &mut Stack,
    upper: Option<&Upper>,
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Error> {
    if upper.is_none() && layers.dirs().len() < 2 {
        // overlayfs stacks no single directory; an empty one below changes nothing.
        layers.put_below(empty().map_err(Error::Overlay)?);
    }
    let layers = &*layers;
    let work = move || create(layers, upper, attributes);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("overlay".to_owned()).spawn_scoped(scope, work);
        let thread = thread.map_err(|source| Error::Identity { step: "start a thread", source })?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn create(layers: &Stack, upper: Option<&Upper>, attributes: MountAttrFlags) -> Result<OwnedFd, Error> {
    let attributes =
        if upper.is_none() { attributes | MountAttrFlags::MOUNT_ATTR_RDONLY } else { attributes };
    become_root_of(upper)?;
    let result = by_descriptor(layers, upper).and_then(|context| context.mount(attributes));
    match result {
        // Linux before 6.13 takes no descriptors, and before 6.15 no detached mounts.
        Err(e) if is_unknown(&e) => {}
        result => return result.map_err(Error::Overlay),
    }
    attach_privately(layers, upper)?;
    let by_path = by_path(layers, upper).and_then(|context| context.mount(attributes));
    match by_path {
        // Linux before 6.5 has no `lowerdir+`, and says so only now.
        Err(e) if is_unknown(&e) => {
            by_one_string(layers, upper).and_then(|context| context.mount(attributes))
        }
        result => result,
    }
    .map_err(Error::Overlay)
}

/// What older kernels say to an option, or to a type of its value, that they do not know.
fn is_unknown(error: &mount::Error) -> bool {
    matches!(error.errno(), Errno::INVAL | Errno::OPNOTSUPP)
}

fn by_descriptor(layers: &Stack, upper: Option<&Upper>) -> Result<Context, mount::Error> {
    let context = context(upper)?;
    for layer in layers.dirs() {
        context.fd("lowerdir+", layer)?;
    }
    if let Some(upper) = upper {
        context.fd("upperdir", &upper.upper)?;
        context.fd("workdir", &upper.work)?;
    }
    Ok(context)
}

fn by_path(layers: &Stack, upper: Option<&Upper>) -> Result<Context, mount::Error> {
    let context = context(upper)?;
    for layer in layers.dirs() {
        context.string("lowerdir+", &path_of(layer))?;
    }
    upper_by_path(&context, upper)?;
    Ok(context)
}

/// All options of this kind of context share one page, which is enough for 200 layers.
fn by_one_string(layers: &Stack, upper: Option<&Upper>) -> Result<Context, mount::Error> {
    let context = context(upper)?;
    let paths: Vec<String> = layers.dirs().iter().map(path_of).collect();
    context.string("lowerdir", &paths.join(":"))?;
    upper_by_path(&context, upper)?;
    Ok(context)
}

fn upper_by_path(context: &Context, upper: Option<&Upper>) -> Result<(), mount::Error> {
    if let Some(upper) = upper {
        context.string("upperdir", &path_of(&upper.upper))?;
        context.string("workdir", &path_of(&upper.work))?;
    }
    Ok(())
}

fn path_of(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// The options, said explicitly because distributions build kernels with other defaults.
fn context(upper: Option<&Upper>) -> Result<Context, mount::Error> {
    let context = Context::open("overlay")?;
    context.string("source", "overlay")?;
    // Without renaming by reference and without copies of metadata alone the upper directory is complete in itself,
    // so that a commit needs no layer below, and a layer can't point outside of its own tree.
    context.string("redirect_dir", "nofollow")?;
    context.string("metacopy", "off")?;
    // An index ties the upper directory to the very file systems of the layers, which come and go with each start.
    context.string("index", "off")?;
    // One device number for the whole root where inode numbers leave room for it.
    context.string("xino", "auto")?;
    if userns::nested() {
        context.flag("userxattr")?;
    }
    if upper.is_some_and(|upper| upper.volatile) {
        context.flag("volatile")?;
    }
    Ok(context)
}

/// Takes the ids of the user namespace's root, and keeps all capabilities.
fn become_root_of(upper: Option<&Upper>) -> Result<(), Error> {
    let Some((uid, gid)) = upper.and_then(|upper| upper.root) else { return Ok(()) };
    take_ids(uid, gid).map_err(|(step, e)| Error::Identity { step, source: e.into() })
}

/// Puts the mounts into a mount namespace that only this thread is in. They cover each other at the root, which does
/// not matter: `/proc/self/fd` leads to each.
fn attach_privately(layers: &Stack, upper: Option<&Upper>) -> Result<(), Error> {
    let step = |step| move |e: Errno| Error::Identity { step, source: io::Error::from(e) };
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|e| Error::Identity { step: "make a mount namespace", source: e.into() })?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(step("close the mount namespace"))?;
    let upper = upper.map(|upper| &upper.mount);
    for mount in layers.mounts().chain(upper) {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        rustix::mount::move_mount(mount, "", CWD, "/", flags).map_err(step("attach a layer"))?;
    }
    Ok(())
}

/// An empty directory.
fn empty() -> Result<OwnedFd, mount::Error> {
    let context = Context::open("tmpfs")?;
    context.string("mode", "0755")?;
    let mount = context.mount(MountAttrFlags::empty())?;
    Ok(mount)
}
