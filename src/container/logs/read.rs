//! Reading logs back, and following them.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::config::LogDriver;
use super::{Stream, chain, file, journal_read};
use crate::container::error::Error;
use crate::container::files::on;
use crate::container::record::{Container, Status};
use crate::kernel::watch::Watch;

/// How long a follower waits at most before it looks again: nothing tells it that a monitor was killed.
const PATIENCE: Duration = Duration::from_secs(1);

/// What `lay logs` is asked for.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// Go on until the container ends.
    pub follow: bool,
    /// Only the last so many entries.
    pub tail: Option<usize>,
    /// Put the time before each line.
    pub timestamps: bool,
    /// Nothing before this time.
    pub since: Option<Timestamp>,
    /// Nothing after this time.
    pub until: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    stream: Stream,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// Copies a container's log to two writers, and goes on while it runs when asked to.
///
/// # Errors
/// When the log cannot be read or a writer fails.
pub fn follow(
    container: &Container,
    options: &LogOptions,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<(), Error> {
    let mut out = Out { options, writers: [stdout, stderr], last: Stream::Stdout };
    match container.record.options.log.driver {
        LogDriver::JsonFile => Follower::new(container, options)?.run(container, &mut out),
        LogDriver::Journald => journal_read::follow(container, options, &mut out),
        LogDriver::None => Err(Error::NoLog(container.record.name.clone())),
    }
}

/// Whether more may be printed into the log. What was asked before reading is sure to be read.
pub fn goes_on(container: &Container) -> Result<bool, Error> {
    match container.status()? {
        Status::Exited(_) => {
            // Its process is gone; who watches over it may still carry its last words, and then records the end.
            let supervised =
                || container.dir.exists() && container.try_lock().is_ok_and(|lock| lock.is_none());
            Ok(container.exit()?.is_none() && supervised())
        }
        Status::Created => Ok(false),
        _ => Ok(true),
    }
}

/// Where entries are printed.
pub struct Out<'a> {
    pub options: &'a LogOptions,
    writers: [&'a mut dyn Write; 2],
    last: Stream,
}

impl Out<'_> {
    /// Prints an entry; false when it and all that follow are too young.
    pub fn entry(&mut self, stream: Stream, text: &str, time: &str) -> Result<bool, Error> {
        if self.options.since.is_some() || self.options.until.is_some() {
            let at: Option<Timestamp> = time.parse().ok();
            if at.zip(self.options.until).is_some_and(|(at, until)| at > until) {
                return Ok(false);
            }
            if at.zip(self.options.since).is_some_and(|(at, since)| at < since) {
                return Ok(true);
            }
        }
        if stream != self.last {
            // Where both go to one place, they stay in order.
            self.flush()?;
            self.last = stream;
        }
        let out = &mut self.writers[stream as usize];
        let result = match self.options.timestamps {
            true => write!(out, "{} {text}", fixed(time)),
            false => out.write_all(text.as_bytes()),
        };
        result.map_err(failed)?;
        Ok(true)
    }

    pub fn flush(&mut self) -> Result<(), Error> {
        self.writers.iter_mut().try_for_each(|writer| writer.flush()).map_err(failed)
    }
}

/// All nine digits of the fraction, as Docker prints times, so that columns stand below each other.
fn fixed(time: &str) -> String {
    time.parse::<Timestamp>().map_or_else(|_| time.to_string(), |at| format!("{at:.9}"))
}

fn failed(error: io::Error) -> Error {
    Error::System("write the log", error)
}

/// Files that are being read, one after the other.
struct Follower {
    path: PathBuf,
    current: Option<BufReader<File>>,
    following: VecDeque<BufReader<File>>,
    line: Vec<u8>,
}

impl Follower {
    fn new(container: &Container, options: &LogOptions) -> Result<Follower, Error> {
        let path = container.path(file::NAME);
        let files = chain::open_all(&path).map_err(on("open", &path))?;
        let mut following = VecDeque::new();
        let mut left = options.tail;
        for mut file in files.into_iter().rev() {
            if let Some(left) = &mut left {
                let (start, found) = chain::tail(&file, *left).map_err(on("read", &path))?;
                file.seek(SeekFrom::Start(start)).map_err(on("read", &path))?;
                *left -= found;
            }
            following.push_front(BufReader::with_capacity(64 * 1024, file));
            if left == Some(0) {
                break;
            }
        }
        Ok(Follower { path, current: following.pop_front(), following, line: Vec::new() })
    }

    fn run(&mut self, container: &Container, out: &mut Out<'_>) -> Result<(), Error> {
        let watch = match out.options.follow {
            true => Watch::directory(&container.dir).map_err(|e| Error::System("watch the log", e.into()))?,
            false => None,
        };
        loop {
            // Asked before reading, so that what was written before the end is still read.
            let goes_on = out.options.follow && goes_on(container)?;
            if !self.read(out)? {
                return out.flush();
            }
            out.flush()?;
            if !goes_on || out.options.until.is_some_and(|until| until < Timestamp::now()) {
                return Ok(());
            }
            match &watch {
                Some(watch) => watch.wait(PATIENCE).map_err(|e| Error::System("watch the log", e.into()))?,
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Prints all that there is; false when what follows is not wanted.
    fn read(&mut self, out: &mut Out<'_>) -> Result<bool, Error> {
        if self.current.is_none() {
            let files = chain::open_all(&self.path).map_err(on("open", &self.path))?;
            self.following = files.into_iter().map(BufReader::new).collect();
            self.current = self.following.pop_front();
        }
        while let Some(current) = &mut self.current {
            if !drain(current, &mut self.line, out).map_err(|e| e.at(&self.path))? {
                return Ok(false);
            }
            let next = match self.following.pop_front() {
                Some(next) => Some(next),
                None if !out.options.follow => None,
                None => chain::next(current.get_ref(), &self.path)
                    .map_err(on("open", &self.path))?
                    .map(BufReader::new),
            };
            let Some(next) = next else { break };
            // Written between the last reading and the rotation.
            if !drain(current, &mut self.line, out).map_err(|e| e.at(&self.path))? {
                return Ok(false);
            }
            self.line.clear();
            self.current = Some(next);
        }
        Ok(true)
    }
}

/// What stopped the printing: the log, or the place where it is printed.
enum Stop {
    Read(io::Error),
    Print(Error),
}

impl Stop {
    fn at(self, path: &std::path::Path) -> Error {
        match self {
            Stop::Read(error) => on("read", path)(error),
            Stop::Print(error) => error,
        }
    }
}

/// Prints a file's complete lines; an incomplete one stays in `line` until its rest is there.
fn drain(file: &mut BufReader<File>, line: &mut Vec<u8>, out: &mut Out<'_>) -> Result<bool, Stop> {
    loop {
        file.read_until(b'\n', line).map_err(Stop::Read)?;
        if line.last() != Some(&b'\n') {
            return Ok(true);
        }
        match serde_json::from_slice::<Entry<'_>>(line) {
            Ok(entry) if !out.entry(entry.stream, &entry.log, &entry.time).map_err(Stop::Print)? => {
                return Ok(false);
            }
            Ok(_) => {}
            // Half an entry, of a monitor that was killed.
            Err(error) => tracing::warn!(%error, "damaged entry left out"),
        }
        line.clear();
    }
}
