//! The flags, as runc names them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Lay as an OCI runtime
#[derive(Debug, Parser)]
#[command(name = super::NAME, version = concat!(env!("CARGO_PKG_VERSION"), "\nspec: 1.2.0"), max_term_width = 110)]
pub struct Oci {
    /// Directory of the containers' states [default: /run/lay-oci]
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// File for messages beside stderr
    #[arg(long, global = true, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// How messages stand in that file
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Accepted for the sake of callers
    #[arg(long, global = true)]
    pub debug: bool,
    /// linux.cgroupsPath is of systemd's form SLICE:PREFIX:NAME
    #[arg(long, global = true)]
    pub systemd_cgroup: bool,
    /// Accepted for the sake of callers: who may do what is seen when it is tried
    #[arg(long = "rootless", id = "rootless_mode", hide = true, value_name = "BOOL")]
    pub rootless_mode: Option<String>,
    /// Accepted for the sake of callers
    #[arg(long, global = true, hide = true)]
    pub criu: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

/// How messages stand in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines.
    Text,
    /// JSON objects, one a line.
    Json,
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// Columns.
    Table,
    /// JSON.
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a container of a bundle; it waits for start
    Create(Create),
    /// Have a container execute its command
    Start { id: String },
    /// Print a container's state
    State { id: String },
    /// Send a signal to a container
    Kill(Kill),
    /// Remove a container that has stopped
    Delete {
        /// Kill it first; one that does not exist is no error
        #[arg(short, long)]
        force: bool,
        id: String,
    },
    /// Create and start
    Run(Run),
    /// Run a further process in a container
    Exec(Exec),
    /// List containers
    List {
        /// Only ids
        #[arg(short, long)]
        quiet: bool,
        #[arg(short, long, value_enum, default_value = "table")]
        format: ListFormat,
    },
    /// List a container's processes
    Ps {
        #[arg(short, long, value_enum, default_value = "table")]
        format: ListFormat,
        id: String,
    },
    /// Stop all processes of a container
    Pause { id: String },
    /// Let them go on
    Resume { id: String },
    /// Change a container's limits
    Update(Box<Update>),
    /// Print what a container uses, again and again
    Events {
        /// Once
        #[arg(long)]
        stats: bool,
        /// Pause between two, in seconds or as 500ms
        #[arg(long, default_value = "5s", value_parser = interval)]
        interval: std::time::Duration,
        id: String,
    },
    /// Write a config.json to begin with
    Spec {
        /// Directory for it
        #[arg(short, long)]
        bundle: Option<PathBuf>,
        /// For an ordinary user
        #[arg(long)]
        rootless: bool,
    },
    /// Print what this runtime can do, as JSON
    Features,
}

#[derive(Args, Clone, Debug)]
pub struct Create {
    /// Directory with config.json
    #[arg(short, long, default_value = ".")]
    pub bundle: PathBuf,
    /// Unix socket that is sent the terminal's master
    #[arg(long, value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    /// File for the pid
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// How many descriptors from 3 on the container inherits
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub preserve_fds: u32,
    /// Accepted for the sake of callers: the root is changed by pivot_root in any case
    #[arg(long, hide = true)]
    pub no_pivot: bool,
    /// Accepted for the sake of callers: a container always gets a session keyring of its own
    #[arg(long, hide = true)]
    pub no_new_keyring: bool,
    pub id: String,
}

#[derive(Args, Debug)]
pub struct Run {
    /// Return as soon as it runs
    #[arg(short, long)]
    pub detach: bool,
    /// Keep the container's state after its end
    #[arg(long)]
    pub keep: bool,
    /// Accepted for the sake of callers: it takes no orphans in
    #[arg(long, hide = true)]
    pub no_subreaper: bool,
    #[command(flatten)]
    pub create: Create,
}

#[derive(Args, Debug)]
pub struct Kill {
    /// To all processes
    #[arg(short, long)]
    pub all: bool,
    pub id: String,
    #[arg(default_value = "TERM")]
    pub signal: String,
}

#[derive(Args, Debug)]
pub struct Exec {
    /// File with the process, as in config.json
    #[arg(short, long, value_name = "FILE")]
    pub process: Option<PathBuf>,
    /// Return as soon as it runs
    #[arg(short, long)]
    pub detach: bool,
    /// With a terminal
    #[arg(short, long)]
    pub tty: bool,
    #[arg(long, value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub preserve_fds: u32,
    /// Working directory
    #[arg(long)]
    pub cwd: Option<PathBuf>,
    /// UID[:GID]
    #[arg(short, long)]
    pub user: Option<String>,
    /// Further group ids
    #[arg(short = 'g', long, value_name = "GID")]
    pub additional_gids: Vec<u32>,
    /// NAME=VALUE
    #[arg(short, long)]
    pub env: Vec<String>,
    /// AppArmor profile
    #[arg(long, value_name = "PROFILE")]
    pub apparmor: Option<String>,
    /// SELinux label
    #[arg(long, value_name = "LABEL")]
    pub process_label: Option<String>,
    /// Also in a container that is paused, where it waits until that goes on
    #[arg(long)]
    pub ignore_paused: bool,
    /// A further capability for it
    #[arg(short, long = "cap")]
    pub caps: Vec<String>,
    /// Forbid new privileges
    #[arg(long)]
    pub no_new_privs: bool,
    pub id: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

#[derive(Args, Debug)]
pub struct Update {
    /// File with linux.resources as JSON; - is stdin
    #[arg(short, long, value_name = "FILE")]
    pub resources: Option<PathBuf>,
    /// 10 to 1000
    #[arg(long)]
    pub blkio_weight: Option<u64>,
    /// Microseconds
    #[arg(long)]
    pub cpu_period: Option<u64>,
    /// Microseconds a period
    #[arg(long, allow_hyphen_values = true)]
    pub cpu_quota: Option<i64>,
    /// Against other groups' shares
    #[arg(long, visible_alias = "cpu-shares")]
    pub cpu_share: Option<u64>,
    #[arg(long)]
    pub cpuset_cpus: Option<String>,
    #[arg(long)]
    pub cpuset_mems: Option<String>,
    /// Bytes, or as 64m
    #[arg(long, allow_hyphen_values = true, value_parser = bytes)]
    pub memory: Option<i64>,
    /// Bytes, or as 64m
    #[arg(long, allow_hyphen_values = true, value_parser = bytes)]
    pub memory_reservation: Option<i64>,
    /// Bytes of memory and swap together, or as 64m; -1 is any number
    #[arg(long, allow_hyphen_values = true, value_parser = bytes)]
    pub memory_swap: Option<i64>,
    #[arg(long, allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
    pub id: String,
}

fn bytes(text: &str) -> Result<i64, String> {
    text.parse().or_else(|_| crate::container::parse_bytes(text))
}

fn interval(text: &str) -> Result<std::time::Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s').unwrap_or(text), 1000),
    };
    let number: u64 = number.parse().map_err(|_| "expected seconds, such as 5s".to_string())?;
    Ok(std::time::Duration::from_millis(number.saturating_mul(unit).max(1)))
}
