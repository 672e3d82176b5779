//! Containers for the steps of a build: no image stands behind them, and what each leaves behind is kept.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use jiff::Timestamp;
use lay_store::Digest;
use oci_spec::image::Config;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::attached::{console_of, raw_terminal};
use super::create::{Created, create_recorded};
use super::error::Error;
use super::files::on;
use super::id::new_id;
use super::launch::{Environment, LaunchOptions, Launched, Source, launch_from};
use super::options::Options;
use super::pump::{Outside, Pump, receive_signals};
use super::record::{Container, Record};
use super::streams::Streams;
use super::teardown::{forget_behind, teardown, teardown_and_remove};
use super::user;
use crate::runtime::Rootfs;
use crate::snapshot::{Files, Snapshot, create_upper};

/// Bytes of output taken at a time.
const CHUNK: usize = 64 * 1024;

/// A container's directory in which one step after the other runs. It is removed as one that was run with `--rm`: by
/// [`Workplace::remove`], or by whoever comes by once its maker is gone.
#[derive(Debug)]
pub struct Workplace {
    container: Container,
    _lock: OwnedFd,
}

/// One step.
pub struct Step<'a> {
    /// The layers that it sees.
    pub layers: Snapshot,
    /// Their files, where they have been opened already: users are looked up there.
    pub files: Option<Files>,
    /// What it is to run.
    pub args: Vec<String>,
    /// Environment, user and working directory.
    pub config: Config,
    /// Network, mounts and limits.
    pub options: Options,
    /// Mounts of [`super::MountKind::Given`], by name.
    pub given: &'a dyn Fn(&str, Option<std::os::fd::BorrowedFd<'_>>) -> Given,
}

/// A mount that a step is given.
pub type Given = Result<Option<OwnedFd>, Box<dyn std::error::Error + Send + Sync>>;

/// How a step ended.
#[derive(Clone, Copy, Debug)]
pub struct StepEnd {
    /// Its exit code, or 128 and the signal's number.
    pub code: i32,
    /// The memory limit killed something in it.
    pub oom_killed: bool,
}

impl Workplace {
    /// Makes one; it is listed as a container of `image`. As long as it is there, `layers` stay in the store. The control groups
    /// of its steps are below `cgroup_parent`.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn new(
        env: &Environment,
        image: &str,
        layers: Vec<Digest>,
        cgroup_parent: Option<String>,
    ) -> Result<Workplace, Error> {
        let record = Record {
            id: new_id()?,
            name: String::new(),
            created: Timestamp::now().to_string(),
            image: image.to_string(),
            manifest: Digest::of(b""),
            image_id: Digest::of(b""),
            layers,
            args: vec!["build".to_string()],
            stop_signal: libc::SIGTERM,
            labels: std::collections::BTreeMap::new(),
            options: Options { auto_remove: true, cgroup_parent, ..Options::default() },
        };
        let Created { container, lock } = create_recorded(env, record)?;
        Ok(Workplace { container, _lock: lock })
    }

    /// Its directory, for files that go away with it.
    pub fn dir(&self) -> &std::path::Path {
        &self.container.dir
    }

    /// Runs a step; `output` takes what it prints, and whether that is an error. What the step changes stays in the
    /// directory `upper` of [`Workplace::take`] until another step runs.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(
        &mut self,
        env: &Environment,
        step: Step<'_>,
        output: &mut dyn FnMut(bool, &[u8]),
    ) -> Result<StepEnd, Error> {
        let launched = self.start(env, step, false)?;
        let streamed = stream(&launched.streams, output);
        let code = launched.process.wait().map_err(|e| Error::System("wait for the step", e));
        let down = teardown(env, &self.container)?;
        streamed?;
        Ok(StepEnd { code: code?, oom_killed: down.oom_killed })
    }

    /// Runs a step with this process's own streams, and its terminal if it has one.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run_attached(&mut self, env: &Environment, step: Step<'_>) -> Result<StepEnd, Error> {
        let signals = receive_signals()?;
        let Launched { process, streams, connection, .. } = self.start(env, step, true)?;
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let outside = Outside {
            stdin: Some(stdin.as_fd()),
            stdout: Some(stdout.as_fd()),
            stderr: Some(stderr.as_fd()),
        };
        let console = console_of(&streams)?;
        let raw = raw_terminal(console.is_some(), outside.stdin)?;
        let pump = Pump::new(streams, outside, None, Some(&signals), console.as_ref().map(AsFd::as_fd))?;
        let code = pump.run(&process);
        drop((raw, connection));
        let down = teardown(env, &self.container)?;
        Ok(StepEnd { code: code?, oom_killed: down.oom_killed })
    }

    fn start(&mut self, env: &Environment, step: Step<'_>, stdin: bool) -> Result<Launched, Error> {
        let Step { mut layers, files, args, config, options, given } = step;
        let dir = self.container.path("rw");
        if !dir.is_dir() {
            create_upper(&dir, &layers)?;
        }
        (layers.upper, layers.ephemeral, layers.via) = (Some(dir), true, env.via);
        self.container.record.args = args;
        self.container.record.options = Options { auto_remove: true, ..options };
        let rootfs = StepRoot { snapshot: &layers, given };
        let source = Source { snapshot: &layers, rootfs: &rootfs, config, files };
        launch_from(
            env,
            &self.container,
            LaunchOptions { stdin, die_with_parent: true, restarts: 0, size: None },
            Some(source),
        )
    }

    /// Takes away what the last step has changed, so that the next one starts anew: the directory that is an overlay's
    /// upper one, in a directory `name` of the workplace. None if no step ran.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn take(&mut self, name: &str) -> Result<Option<PathBuf>, Error> {
        let (from, to) = (self.container.path("rw"), self.container.path(name));
        if !from.is_dir() {
            return Ok(None);
        }
        fs::rename(&from, &to).map_err(on("move", &from))?;
        Ok(Some(to.join("upper")))
    }

    /// Puts back what [`Workplace::take`] took, so that a step can look at it.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn put_back(&mut self, name: &str) -> Result<(), Error> {
        let (from, to) = (self.container.path(name), self.container.path("rw"));
        fs::rename(&from, &to).map_err(on("move", &from))
    }

    /// Removes it with all that is in it.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn remove(self, env: &Environment) -> Result<(), Error> {
        teardown_and_remove(env, &self.container)
    }

    /// The same, but its files are removed by a process that nobody waits for. The caller must be single-threaded.
    ///
    /// # Errors
    /// As [`Workplace::remove`].
    pub fn remove_behind(self, env: &Environment) -> Result<(), Error> {
        teardown(env, &self.container)?;
        forget_behind(env, &self.container)
    }
}

/// Ids of `user[:group]` by the names that an image knows.
///
/// # Errors
/// When a name is unknown or a number out of range.
pub fn resolve_owner(spec: &str, files: &Files) -> Result<(u32, u32), Error> {
    user::resolve(spec, files).map(|identity| (identity.uid, identity.gid))
}

struct StepRoot<'a> {
    snapshot: &'a Snapshot,
    given: &'a dyn Fn(&str, Option<std::os::fd::BorrowedFd<'_>>) -> Given,
}

impl Rootfs for StepRoot<'_> {
    fn mount(
        &self,
        userns: Option<std::os::fd::BorrowedFd<'_>>,
    ) -> Result<OwnedFd, Box<dyn std::error::Error + Send + Sync>> {
        Rootfs::mount(self.snapshot, userns)
    }

    fn bind(&self, source: &std::path::Path, userns: Option<std::os::fd::BorrowedFd<'_>>) -> Given {
        source.to_str().map_or(Ok(None), |name| (self.given)(name, userns))
    }
}

/// Reads both streams to their end, which is there when the step's last process is gone.
fn stream(streams: &Streams, output: &mut dyn FnMut(bool, &[u8])) -> Result<(), Error> {
    let Streams::Pipes { stdout, stderr, .. } = streams else { return Ok(()) };
    let failed = |e: Errno| Error::System("read what the step prints", e.into());
    let mut open = vec![(false, stdout), (true, stderr)];
    let mut buffer = vec![0; CHUNK];
    while !open.is_empty() {
        let mut polled: Vec<PollFd<'_>> = open.iter().map(|(_, fd)| PollFd::new(fd, PollFlags::IN)).collect();
        match poll(&mut polled, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(failed(e)),
        }
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut still = Vec::new();
        for (entry, ready) in open.into_iter().zip(ready) {
            let read = match ready.then(|| rustix::io::read(entry.1, &mut buffer)) {
                Some(Ok(read)) => read,
                Some(Err(Errno::INTR | Errno::AGAIN)) | None => {
                    still.push(entry);
                    continue;
                }
                Some(Err(e)) => return Err(failed(e)),
            };
            if read > 0 {
                output(entry.0, &buffer[..read]);
                still.push(entry);
            }
        }
        open = still;
    }
    Ok(())
}
