//! The process that answers a container's questions for names, as long as the container runs.
//!
//! It is apart from the supervisor, and started by whoever finds that there is none: the start of a container, a change of its
//! networks, or any command that looks after containers. A lock that it holds says that there is one.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::live::refresh_hosts;
use super::lookup::Lookup;
use super::{links::open_netns, names};
use crate::container::error::Error;
use crate::container::files::on;
use crate::container::launch::Environment;
use crate::container::record::{Container, Running};
use crate::container::sys::adopt;
use crate::network::dns::{Sockets, Tasks, serve};

/// Those that this process started: a monitor's container may start many times, and each that ended is to be waited for.
static STARTED: Mutex<Vec<Child>> = Mutex::new(Vec::new());
/// Locked by the process.
const LOCK: &str = "names.lock";

/// Has a process answer the container's questions, where it is on a network with names and nobody does.
///
/// # Errors
/// When the sockets cannot be had or the process cannot be started.
pub fn ensure(env: &Environment, container: &Container, running: &Running) -> Result<(), Error> {
    if !running.networks.iter().any(|link| link.named) {
        return Ok(());
    }
    let path = container.path(LOCK);
    let lock = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = lock.map_err(on("open", &path))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(()),
        result => result.map_err(|e| on("lock", &path)(e.into()))?,
    }
    let netns = open_netns(running.process.pid)?;
    let [udp, tcp] = Sockets::open(netns.as_fd())?.into_fds();
    spawn(env.store.root(), &container.dir, [lock.into(), udp, tcp])
}

fn spawn(root: &Path, dir: &Path, fds: [OwnedFd; 3]) -> Result<(), Error> {
    let exe = Path::new("/proc/self/exe");
    let mut command = Command::new(exe);
    command.arg0("lay").arg("--root").arg(root).arg("names").arg(dir);
    for fd in &fds {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())
            .map_err(|e| Error::System("hand a descriptor on", e.into()))?;
        command.arg(fd.as_raw_fd().to_string());
    }
    // What is typed at a container in the foreground is not for it.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0);
    let child = command.spawn().map_err(on("run", exe))?;
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    started.retain_mut(|earlier| matches!(earlier.try_wait(), Ok(None)));
    started.push(child);
    Ok(())
}

/// That process. The descriptors are those of the lock and the sockets.
///
/// # Errors
/// When the container's records or the sockets cannot be used.
pub fn names_main(env: &Environment, dir: &Path, fds: [i32; 3]) -> Result<(), Error> {
    let [lock, udp, tcp] = fds.map(adopt);
    let (_lock, sockets) = (lock?, Sockets::from_fds(udp?, tcp?));
    let failed = |what| move |e: rustix::io::Errno| Error::System(what, e.into());
    let gone = || Error::NotFound(dir.display().to_string());
    let container = Container::load(dir)?.ok_or_else(gone)?;
    let running = container.last_run()?.ok_or_else(gone)?;
    let pid = Pid::from_raw(running.process.pid).ok_or_else(gone)?;
    let first = pidfd_open(pid, PidfdFlags::empty()).map_err(failed("watch the container"))?;
    if !running.process.is_alive() {
        return Ok(());
    }
    let lookup = Lookup { env, container: &container };
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(failed("watch files"))?;
    let mut files = Files { lookup: &lookup, first, watch };
    files.act();
    serve(&sockets, &lookup, &mut files).map_err(|e| Error::System("answer questions", e))
}

/// Keeps `/etc/hosts` as the networks are.
struct Files<'a> {
    lookup: &'a Lookup<'a>,
    first: OwnedFd,
    watch: OwnedFd,
}

impl Tasks for Files<'_> {
    fn end(&self) -> BorrowedFd<'_> {
        self.first.as_fd()
    }

    fn watch(&self) -> Option<BorrowedFd<'_>> {
        Some(self.watch.as_fd())
    }

    fn act(&mut self) {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.watch, &mut buffer);
        while events.next().is_ok() {}
        let Lookup { env, container } = self.lookup;
        let Ok(Some(running)) = container.last_run() else { return };
        // A directory that is watched already stays so; one that is gone is not watched any more.
        let changes = WatchFlags::MOVED_TO | WatchFlags::DELETE;
        let networks = running.networks.iter().filter(|link| link.named).map(|link| names::dir(env, link));
        for dir in networks.chain([container.dir.clone()]) {
            if let Err(error) = inotify::add_watch(&self.watch, &dir, changes) {
                tracing::warn!(%error, dir = %dir.display(), "not watched");
            }
        }
        // Read after the watch was there, so that nothing is missed.
        if let Err(error) = refresh_hosts(env, container, &running) {
            tracing::warn!(%error, "the hosts file stays as it is");
        }
    }
}
