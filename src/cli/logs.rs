//! `lay logs`

use std::io::{self, BufWriter};

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::moment::moment;
use crate::container::{self, LogOptions};

/// Show what a container printed
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  lay logs web                       all of it, each stream to its own
  lay logs -f --tail 20 web          the last 20 lines, and what follows
  lay logs -t --since 10m web        the last ten minutes, with times
  lay logs --until 2024-01-02T15:04:05Z web")]
pub struct Logs {
    /// Name or id of a container
    container: String,
    /// Go on until it ends
    #[arg(short, long)]
    follow: bool,
    /// Nothing before this time, such as 2024-01-02T15:04:05Z, or 10m for ten minutes ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Nothing after this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only the last N lines
    #[arg(short = 'n', long, value_name = "N", default_value = "all", allow_hyphen_values = true)]
    tail: String,
    /// Put the time before each line
    #[arg(short, long)]
    timestamps: bool,
    /// Accepted for Docker's sake: logs have no further details
    #[arg(long, hide = true)]
    details: bool,
}

impl Logs {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let tried = || format!("cannot show the log of {}", self.container);
        let env = context.environment()?;
        let container = env.containers.find(&self.container).tried(tried)?;
        let options = LogOptions {
            follow: self.follow,
            tail: self.tail()?,
            timestamps: self.timestamps,
            since: moment("--since", self.since.as_deref())?,
            until: moment("--until", self.until.as_deref())?,
        };
        let mut stdout = BufWriter::with_capacity(64 * 1024, io::stdout());
        let mut stderr = BufWriter::with_capacity(64 * 1024, io::stderr());
        match container::follow(&container, &options, &mut stdout, &mut stderr) {
            Err(container::Error::System(_, e)) if e.kind() == io::ErrorKind::BrokenPipe => {
                // Nobody listens: what is left is not tried again.
                let _ = (stdout.into_parts(), stderr.into_parts());
                Ok(0)
            }
            result => result.map(|()| 0).tried(tried),
        }
    }

    /// As Docker's, a negative number means all.
    fn tail(&self) -> Result<Option<usize>, Failure> {
        match self.tail.parse::<i64>() {
            Ok(count) => Ok(usize::try_from(count).ok()),
            Err(_) if self.tail == "all" => Ok(None),
            Err(_) => Err(Failure::new(format!(
                "invalid value '{}' for --tail: expected a number or all",
                self.tail
            ))),
        }
    }
}
