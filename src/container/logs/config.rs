//! How a container's log is kept: `--log-driver` and `--log-opt`.

use serde::{Deserialize, Serialize};

use crate::container::error::Error;
use crate::container::resources::parse_bytes;

/// Who keeps the log.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDriver {
    /// Files in the container's directory, in Docker's format.
    #[default]
    JsonFile,
    /// The journal of systemd.
    Journald,
    /// Nobody.
    None,
}

impl LogDriver {
    /// The name that the flag takes.
    pub fn name(self) -> &'static str {
        match self {
            LogDriver::JsonFile => "json-file",
            LogDriver::Journald => "journald",
            LogDriver::None => "none",
        }
    }
}

/// Driver and options.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct LogConfig {
    /// Who keeps the log.
    pub driver: LogDriver,
    /// `max-size`: bytes after which the next entry begins a new file.
    pub max_size: Option<u64>,
    /// `max-file`: how many files are kept, the current one included; 1 without.
    pub max_file: Option<u32>,
    /// `tag`: the journal's `CONTAINER_TAG` and `SYSLOG_IDENTIFIER`; the short id without.
    pub tag: Option<String>,
}

impl LogConfig {
    /// Reads a driver's name and `KEY=VALUE` options.
    ///
    /// # Errors
    /// [`Error::Flag`] for a driver or option that is not known, or a value that makes no sense.
    pub fn parse(driver: Option<&str>, options: &[String]) -> Result<LogConfig, Error> {
        let mut config = LogConfig::default();
        if let Some(name) = driver {
            let all = [LogDriver::JsonFile, LogDriver::Journald, LogDriver::None];
            let known = all.into_iter().find(|driver| driver.name() == name);
            config.driver =
                known.ok_or_else(|| bad("--log-driver", name, "it is json-file, journald or none"))?;
        }
        for option in options {
            config.set(option)?;
        }
        if config.max_file.is_some_and(|files| files > 1) && config.max_size.is_none() {
            return Err(bad("--log-opt", "max-file", "more than one file needs max-size too"));
        }
        Ok(config)
    }

    fn set(&mut self, option: &str) -> Result<(), Error> {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match (self.driver, key) {
            (LogDriver::JsonFile, "max-size") if value == "-1" => self.max_size = None,
            (LogDriver::JsonFile, "max-size") => {
                let bytes = parse_bytes(value).ok().and_then(|bytes| u64::try_from(bytes).ok());
                let bytes = bytes.filter(|bytes| *bytes > 0);
                self.max_size =
                    Some(bytes.ok_or_else(|| bad("--log-opt", option, "expected a size such as 10m"))?);
            }
            (LogDriver::JsonFile, "max-file") => {
                let files = value.parse().ok().filter(|files| *files > 0);
                self.max_file =
                    Some(files.ok_or_else(|| bad("--log-opt", option, "expected a number from 1 on"))?);
            }
            (LogDriver::Journald, "tag") => self.tag = Some(value.to_string()),
            (driver, _) => {
                let known = match driver {
                    LogDriver::JsonFile => "takes max-size and max-file",
                    LogDriver::Journald => "takes tag",
                    LogDriver::None => "takes none",
                };
                return Err(bad("--log-opt", option, &format!("{} {known}", driver.name())));
            }
        }
        Ok(())
    }
}

fn bad(flag: &'static str, value: &str, reason: &str) -> Error {
    Error::Flag { flag, value: value.to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(driver: &str, options: &[&str]) -> Result<LogConfig, Error> {
        LogConfig::parse(Some(driver), &options.iter().map(|o| o.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn drivers_take_their_own_options() {
        let config = parse("json-file", &["max-size=10m", "max-file=3"]).unwrap();
        assert_eq!((config.max_size, config.max_file), (Some(10 << 20), Some(3)));
        assert_eq!(parse("journald", &["tag=web"]).unwrap().tag.as_deref(), Some("web"));
        for (driver, option) in [
            ("syslog", ""),
            ("json-file", "max-size=0"),
            ("json-file", "max-file=0"),
            ("json-file", "max-file=2"),
            ("json-file", "tag=x"),
            ("journald", "max-size=1m"),
            ("none", "max-size=1m"),
        ] {
            assert!(parse(driver, &[option]).is_err(), "{driver} {option}");
        }
    }
}
