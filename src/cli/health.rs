//! Flags of health checks.

use std::time::Duration;

use clap::Args;

use super::failure::Failure;
use crate::container::HealthCheck;

/// How a container is asked how it is.
#[derive(Args, Debug)]
pub struct HealthFlags {
    /// Command that tells whether the container is well, by its exit code
    #[arg(long, value_name = "COMMAND", help_heading = "Health")]
    health_cmd: Option<String>,
    /// Time between checks [default: 30s]
    #[arg(long, value_name = "DURATION", help_heading = "Health")]
    health_interval: Option<String>,
    /// How long a check may take [default: 30s]
    #[arg(long, value_name = "DURATION", help_heading = "Health")]
    health_timeout: Option<String>,
    /// How many failures in a row make it unhealthy [default: 3]
    #[arg(long, value_name = "N", help_heading = "Health")]
    health_retries: Option<u32>,
    /// How long failures do not count after the start [default: 0s]
    #[arg(long, value_name = "DURATION", help_heading = "Health")]
    health_start_period: Option<String>,
    /// Time between checks during that time [default: 5s]
    #[arg(long, value_name = "DURATION", help_heading = "Health")]
    health_start_interval: Option<String>,
    /// Do not ask, whatever the image says
    #[arg(long, conflicts_with = "health_cmd", help_heading = "Health")]
    no_healthcheck: bool,
}

impl HealthFlags {
    /// What the flags say; none if they say nothing.
    pub fn check(&self) -> Result<Option<HealthCheck>, Failure> {
        if self.no_healthcheck {
            return Ok(Some(HealthCheck { test: vec!["NONE".to_string()], ..HealthCheck::default() }));
        }
        let time =
            |flag: &str, text: &Option<String>| text.as_deref().map_or(Ok(0), |text| nanoseconds(flag, text));
        let shell = |command: &String| vec!["CMD-SHELL".to_string(), command.clone()];
        let check = HealthCheck {
            test: self.health_cmd.as_ref().map(shell).unwrap_or_default(),
            interval: time("--health-interval", &self.health_interval)?,
            timeout: time("--health-timeout", &self.health_timeout)?,
            start_period: time("--health-start-period", &self.health_start_period)?,
            start_interval: time("--health-start-interval", &self.health_start_interval)?,
            retries: self.health_retries.unwrap_or(0),
        };
        Ok((check != HealthCheck::default()).then_some(check))
    }
}

fn nanoseconds(flag: &str, text: &str) -> Result<u64, Failure> {
    let bad = |reason: &str| Failure::new(format!("invalid value '{text}' for {flag}: {reason}"));
    let time = crate::build::containerfile::duration(text)
        .ok_or_else(|| bad("expected a duration such as 30s, 1m30s or 500ms"))?;
    match time {
        Duration::ZERO => Ok(0),
        time if time < Duration::from_millis(1) => Err(bad("less than 1ms cannot be kept")),
        time => u64::try_from(time.as_nanos()).map_err(|_| bad("it is too long")),
    }
}
