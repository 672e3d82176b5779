//! Health checks: what is executed, and what came of it (`health.json`).

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::events::note_container;
use super::exec::{ExecOptions, spawn};
use super::files::{read_json, write_json};
use super::launch::Environment;
use super::record::Container;

/// As many results are kept.
const KEPT: usize = 5;
/// Of each, so many bytes of output.
const OUTPUT: usize = 4096;
/// Docker's exit code for a check that took too long.
const TIMED_OUT: i32 = -1;

/// When and how a container is asked how it is (`HEALTHCHECK` of an image, `--health-…`). The names are those of Docker's image
/// configuration; times are in nanoseconds, 0 stands for the default.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthCheck {
    /// `["NONE"]`, or `CMD` and words, or `CMD-SHELL` and a line.
    pub test: Vec<String>,
    /// Between the end of one check and the next, 30 s by default.
    pub interval: u64,
    /// How long one may take, 30 s by default.
    pub timeout: u64,
    /// How long failures do not count after the start, none by default.
    pub start_period: u64,
    /// The interval during that time, 5 s by default.
    pub start_interval: u64,
    /// As many failures in a row make it unhealthy, 3 by default.
    pub retries: u32,
}

impl HealthCheck {
    /// What the flags say where they say something, else what the image says; none where nothing is to be asked.
    pub fn merged(image: Option<HealthCheck>, flags: Option<HealthCheck>) -> Option<HealthCheck> {
        let Some(mut check) = flags else { return image.filter(HealthCheck::is_some) };
        let image = image.unwrap_or_default();
        let number = |own: u64, other: u64| if own == 0 { other } else { own };
        if check.test.is_empty() {
            check.test = image.test;
        }
        check.interval = number(check.interval, image.interval);
        check.timeout = number(check.timeout, image.timeout);
        check.start_period = number(check.start_period, image.start_period);
        check.start_interval = number(check.start_interval, image.start_interval);
        check.retries = if check.retries == 0 { image.retries } else { check.retries };
        Some(check).filter(HealthCheck::is_some)
    }

    fn is_some(&self) -> bool {
        self.test.first().is_some_and(|kind| kind != "NONE")
    }

    /// The words to execute.
    fn command(&self) -> Vec<String> {
        match self.test.split_first() {
            Some((kind, rest)) if kind == "CMD-SHELL" => {
                ["/bin/sh".to_string(), "-c".to_string()].into_iter().chain(rest.iter().cloned()).collect()
            }
            Some((kind, rest)) if kind == "CMD" => rest.to_vec(),
            _ => self.test.clone(),
        }
    }

    fn timeout(&self) -> Duration {
        nanos_or(self.timeout, 30)
    }

    /// How long to wait for the next check of a container that has been up for `up`.
    fn pause(&self, up: Duration, status: HealthStatus) -> Duration {
        let starting = status == HealthStatus::Starting && up < Duration::from_nanos(self.start_period);
        match starting {
            true => nanos_or(self.start_interval, 5).min(nanos_or(self.interval, 30)),
            false => nanos_or(self.interval, 30),
        }
    }
}

fn nanos_or(nanos: u64, seconds: u64) -> Duration {
    if nanos == 0 { Duration::from_secs(seconds) } else { Duration::from_nanos(nanos) }
}

/// How a container is.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Not known yet.
    #[default]
    Starting,
    /// The last check went well.
    Healthy,
    /// So many checks in a row failed that it counts.
    Unhealthy,
}

impl HealthStatus {
    /// Docker's word.
    pub fn word(self) -> &'static str {
        match self {
            HealthStatus::Starting => "starting",
            HealthStatus::Healthy => "healthy",
            HealthStatus::Unhealthy => "unhealthy",
        }
    }
}

/// What the checks found, as `docker inspect` shows it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Health {
    /// How it is.
    pub status: HealthStatus,
    /// Failures in a row.
    pub failing_streak: u32,
    /// The last results, oldest first.
    pub log: Vec<HealthResult>,
}

/// One check.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthResult {
    /// When it began (RFC 3339, UTC).
    pub start: String,
    /// When it ended.
    pub end: String,
    /// Exit code; -1 when it took too long or could not be executed.
    pub exit_code: i32,
    /// What it printed.
    pub output: String,
}

impl Health {
    /// Counts a result; `settled` says that the start period is over.
    fn count(&mut self, result: HealthResult, retries: u32, settled: bool) {
        let retries = if retries == 0 { 3 } else { retries };
        match result.exit_code {
            0 => (self.status, self.failing_streak) = (HealthStatus::Healthy, 0),
            _ if self.status == HealthStatus::Starting && !settled => {}
            _ => {
                self.failing_streak += 1;
                if self.failing_streak >= retries {
                    self.status = HealthStatus::Unhealthy;
                }
            }
        }
        self.log.push(result);
        let surplus = self.log.len().saturating_sub(KEPT);
        self.log.drain(..surplus);
    }
}

impl Container {
    /// What the checks found; none for a container that is not asked.
    ///
    /// # Errors
    /// When the record is damaged.
    pub fn health(&self) -> Result<Option<Health>, Error> {
        match self.record.options.health {
            Some(_) => Ok(Some(read_json(&self.path("health.json"))?.unwrap_or_default())),
            None => Ok(None),
        }
    }
}

/// Asks a running container once, and records what came of it.
///
/// # Errors
/// When it is not asked at all, does not run, or the result cannot be recorded.
pub fn check_health(env: &Environment, container: &Container) -> Result<HealthResult, Error> {
    let check = container.record.options.health.as_ref();
    let check = check.ok_or_else(|| Error::NoHealthCheck(container.record.name.clone()))?;
    let running = container.require_running()?;
    let start = Timestamp::now();
    let (exit_code, output) = ask(env, container, check);
    let result =
        HealthResult { start: start.to_string(), end: Timestamp::now().to_string(), exit_code, output };
    let up = super::since(&running.started);
    let settled = up >= Duration::from_nanos(check.start_period);
    let mut health = container.health()?.unwrap_or_default();
    let before = health.status;
    health.count(result.clone(), check.retries, settled);
    write_json(&container.path("health.json"), &health)?;
    if health.status != before {
        note_container(env, container, &format!("health_status: {}", health.status.word()), &[]);
    }
    Ok(result)
}

fn ask(env: &Environment, container: &Container, check: &HealthCheck) -> (i32, String) {
    let options = ExecOptions { args: check.command(), ..ExecOptions::default() };
    let spawned = spawn(env, container, &options);
    let (process, mut output) = match spawned {
        Ok(spawned) => spawned,
        Err(error) => return (TIMED_OUT, crate::error::chain(&error)),
    };
    let deadline = Instant::now() + check.timeout();
    let mut text = Vec::new();
    let in_time = super::wait::read_until(&process, &mut output, &mut text, OUTPUT, deadline);
    if !in_time {
        let _ = process.kill(libc::SIGKILL);
        let _ = process.wait();
        return (TIMED_OUT, format!("Health check exceeded timeout ({:?})", check.timeout()));
    }
    let _ = (&mut output).take(OUTPUT.saturating_sub(text.len()) as u64).read_to_end(&mut text);
    (process.wait().unwrap_or(TIMED_OUT), String::from_utf8_lossy(&text).into_owned())
}

/// A monitor's clock for the checks of its container.
#[derive(Debug)]
pub(super) struct Clock {
    check: HealthCheck,
    started: Instant,
    next: Instant,
    asking: Option<std::process::Child>,
}

impl Clock {
    /// For a container that was just started; none for one that is not asked.
    pub fn start(container: &Container) -> Result<Option<Clock>, Error> {
        let Some(check) = container.record.options.health.clone() else { return Ok(None) };
        write_json(&container.path("health.json"), &Health::default())?;
        let started = Instant::now();
        let next = started + check.pause(Duration::ZERO, HealthStatus::Starting);
        Ok(Some(Clock { check, started, next, asking: None }))
    }

    /// When [`Clock::tick`] has something to do.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Has the container asked by another process, if it is time: a check takes long, and a monitor is to stay small.
    pub fn tick(&mut self, container: &Container) {
        if Instant::now() < self.next {
            return;
        }
        if let Some(asking) = &mut self.asking {
            if matches!(asking.try_wait(), Ok(None)) {
                self.next = Instant::now() + Duration::from_millis(20);
                return;
            }
            self.asking = None;
            let status = container.health().ok().flatten().unwrap_or_default().status;
            self.next = Instant::now() + self.check.pause(self.started.elapsed(), status);
            return;
        }
        if container.state().is_ok_and(|state| state == super::State::Running) {
            self.asking = command(container).spawn().ok();
        }
        self.next = Instant::now() + Duration::from_millis(20);
        if self.asking.is_none() {
            self.next = Instant::now() + self.check.pause(self.started.elapsed(), HealthStatus::Healthy);
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        if let Some(mut asking) = self.asking.take() {
            let _ = asking.kill();
            let _ = asking.wait();
        }
    }
}

fn command(container: &Container) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("lay").arg("--root").arg(super::monitor::root_of(&container.dir));
    command.args(["healthcheck", "run"]).arg(&container.record.id);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(exit_code: i32) -> HealthResult {
        HealthResult { start: String::new(), end: String::new(), exit_code, output: String::new() }
    }

    #[test]
    fn only_failures_in_a_row_make_it_unhealthy() {
        let mut health = Health::default();
        for code in [1, 1, 0, 1, 1] {
            health.count(result(code), 3, true);
        }
        assert_eq!((health.status, health.failing_streak), (HealthStatus::Healthy, 2));
        health.count(result(1), 3, true);
        assert_eq!(health.status, HealthStatus::Unhealthy);
        assert_eq!(health.log.len(), KEPT);
        health.count(result(0), 3, true);
        assert_eq!((health.status, health.failing_streak), (HealthStatus::Healthy, 0));
    }

    #[test]
    fn failures_do_not_count_while_it_starts() {
        let mut health = Health::default();
        health.count(result(1), 1, false);
        assert_eq!((health.status, health.failing_streak), (HealthStatus::Starting, 0));
        health.count(result(1), 1, true);
        assert_eq!(health.status, HealthStatus::Unhealthy);
    }

    #[test]
    fn flags_stand_over_the_image() {
        let image = || HealthCheck {
            test: vec!["CMD".into(), "a".into()],
            interval: 7,
            retries: 2,
            ..HealthCheck::default()
        };
        let flags = HealthCheck { interval: 9, ..HealthCheck::default() };
        let merged = HealthCheck::merged(Some(image()), Some(flags)).unwrap();
        assert_eq!((merged.test.len(), merged.interval, merged.retries), (2, 9, 2));
        let none = HealthCheck { test: vec!["NONE".into()], ..HealthCheck::default() };
        assert_eq!(HealthCheck::merged(Some(image()), Some(none.clone())), None);
        assert_eq!(HealthCheck::merged(Some(none), None), None);
    }
}
