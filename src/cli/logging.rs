//! Flags that say how a container's log is kept.

use clap::Args;

use super::failure::{Failure, Tried};
use crate::container::LogConfig;

/// Flags about the log.
#[derive(Args, Debug)]
pub struct LogFlags {
    /// Who keeps what it prints: json-file [default], journald or none
    #[arg(long, value_name = "DRIVER")]
    log_driver: Option<String>,
    /// max-size=SIZE and max-file=N of json-file, tag=TEXT of journald
    #[arg(long, value_name = "KEY=VALUE")]
    log_opt: Vec<String>,
}

impl LogFlags {
    /// What the flags say.
    pub fn config(&self) -> Result<LogConfig, Failure> {
        LogConfig::parse(self.log_driver.as_deref(), &self.log_opt).tried(|| "invalid flag".to_string())
    }
}
