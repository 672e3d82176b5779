//! How a container ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The exit record (`exit.json`).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Exit {
    /// The command's code, or 128 and the signal's number.
    pub code: i32,
    /// When it ended (RFC 3339, UTC).
    pub finished: String,
    /// Whether the memory limit was the reason.
    pub oom_killed: bool,
    /// Why it could not be started or was lost; empty when it just ended.
    pub error: String,
    /// When its monitor starts it again (RFC 3339, UTC); none if it does not.
    #[serde(default)]
    pub next_start: Option<String>,
}

impl Exit {
    /// The code of one whose end nobody saw, as if it had been killed.
    pub const LOST: i32 = 128 + libc::SIGKILL;

    /// An exit of now.
    pub fn now(code: i32, oom_killed: bool, error: impl Into<String>) -> Exit {
        Exit {
            code,
            finished: Timestamp::now().to_string(),
            oom_killed,
            error: error.into(),
            next_start: None,
        }
    }

    /// The process is gone and nobody saw how: after a power cut, or when its supervisor was killed.
    pub fn unknown() -> Exit {
        Exit::now(Exit::LOST, false, "the container and its monitor were killed")
    }
}
