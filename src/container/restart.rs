//! When a container that ended is started again.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::Error;

/// The first pause before a start; each one after it is twice as long.
const FIRST: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST: Duration = Duration::from_secs(60);
/// Whoever ran as long as this begins with the first pause again.
const SETTLED: Duration = Duration::from_secs(10);

/// `--restart`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub enum RestartPolicy {
    /// Not at all.
    #[default]
    No,
    /// When it ended with another code than 0, so many times; without a number, any number of times.
    OnFailure(Option<u32>),
    /// Whenever it ends, unless a user ended it; after a reboot in any case.
    Always,
    /// The same, but not after a reboot if a user had ended it before.
    UnlessStopped,
}

impl RestartPolicy {
    /// Whether a container is started again that ended with `code` after `restarts` starts.
    pub fn wants(self, code: i32, restarts: u32) -> bool {
        match self {
            RestartPolicy::No => false,
            RestartPolicy::OnFailure(limit) => code != 0 && limit.is_none_or(|limit| restarts < limit),
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        }
    }

    /// Whether a container is started again with the machine. `stopped`: a user had ended it.
    pub fn wants_after_boot(self, code: i32, restarts: u32, stopped: bool) -> bool {
        match self {
            RestartPolicy::Always => true,
            RestartPolicy::No => false,
            _ => !stopped && self.wants(code, restarts),
        }
    }
}

impl FromStr for RestartPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |reason: &str| Error::Flag {
            flag: "--restart",
            value: text.to_string(),
            reason: reason.to_string(),
        };
        match text.split_once(':') {
            None if text.is_empty() || text == "no" => Ok(RestartPolicy::No),
            None if text == "always" => Ok(RestartPolicy::Always),
            None if text == "unless-stopped" => Ok(RestartPolicy::UnlessStopped),
            None if text == "on-failure" => Ok(RestartPolicy::OnFailure(None)),
            Some(("on-failure", number)) => match number.parse() {
                Ok(0) => Ok(RestartPolicy::OnFailure(None)),
                Ok(number) => Ok(RestartPolicy::OnFailure(Some(number))),
                Err(_) => Err(bad("on-failure takes a number of times")),
            },
            Some(("no" | "always" | "unless-stopped", _)) => Err(bad("only on-failure takes a number")),
            _ => Err(bad("it is no, on-failure[:N], always or unless-stopped")),
        }
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestartPolicy::No => f.write_str("no"),
            RestartPolicy::OnFailure(None) => f.write_str("on-failure"),
            RestartPolicy::OnFailure(Some(number)) => write!(f, "on-failure:{number}"),
            RestartPolicy::Always => f.write_str("always"),
            RestartPolicy::UnlessStopped => f.write_str("unless-stopped"),
        }
    }
}

/// Growing pauses between starts.
#[derive(Debug, Default)]
pub struct Backoff(Option<Duration>);

impl Backoff {
    /// The pause before the next start of a container that ran for `ran`.
    pub fn next(&mut self, ran: Duration) -> Duration {
        let pause = match self.0 {
            Some(last) if ran < SETTLED => (last * 2).min(LONGEST),
            _ => FIRST,
        };
        self.0 = Some(pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_read_and_print_as_dockers() {
        for text in ["no", "on-failure", "on-failure:3", "always", "unless-stopped"] {
            assert_eq!(text.parse::<RestartPolicy>().unwrap().to_string(), text);
        }
        for text in ["never", "always:3", "on-failure:x", "on-failure:-1"] {
            assert!(text.parse::<RestartPolicy>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_ended_is_started_again_as_the_policy_says() {
        let on_failure = RestartPolicy::OnFailure(Some(2));
        assert!(on_failure.wants(1, 0) && on_failure.wants(1, 1));
        assert!(!on_failure.wants(1, 2) && !on_failure.wants(0, 0));
        assert!(RestartPolicy::Always.wants(0, 1000) && !RestartPolicy::No.wants(1, 0));
        assert!(RestartPolicy::Always.wants_after_boot(0, 0, true));
        assert!(!RestartPolicy::UnlessStopped.wants_after_boot(0, 0, true));
        assert!(RestartPolicy::UnlessStopped.wants_after_boot(0, 0, false));
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_anew_after_ten_seconds() {
        let mut backoff = Backoff::default();
        let at_once = Duration::ZERO;
        let pauses: Vec<u128> = (0..12).map(|_| backoff.next(at_once).as_millis()).collect();
        assert_eq!(pauses[..4], [100, 200, 400, 800]);
        assert_eq!(pauses[9..], [51_200, 60_000, 60_000]);
        assert_eq!(backoff.next(Duration::from_secs(10)), FIRST);
    }
}
