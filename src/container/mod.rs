//! What a container is over time: record, create, start, supervise, logs, exec, remove.
//!
//! There is no daemon. A container is a directory below `containers/` in the store, and its state is
//! derived from what is true: the process (pid, start time, boot id), the exit record, and the lock that
//! its supervisor holds.

mod changes;
mod checkpoints;
mod create;
mod error;
mod exec;
mod exit;
mod files;
mod foreground;
mod fork;
mod group;
mod id;
mod idmap;
mod idrange;
mod isolation;
mod keep;
mod launch;
mod logs;
mod monitor;
mod networks;
mod options;
mod process;
mod pump;
mod record;
mod remove;
mod resources;
mod rootfs;
mod security;
mod set;
mod signal;
mod spec;
mod stats;
mod step;
mod stop;
mod streams;
mod sys;
mod teardown;
mod terminal;
mod update;
mod user;
mod userns;
mod volume;

pub use changes::{ChangeKind, changes, export, frozen_upper};
pub use checkpoints::{Checkpoint, Checkpoints};
pub use create::{Created, create};
pub use error::Error;
pub use exec::{ExecOptions, exec};
pub use exit::Exit;
pub use foreground::Foreground;
pub use fork::{ForkOptions, fork};
pub use group::{Group, Groups, Imported, Rule, parse_config, parse_rules};
pub use idmap::{IdMap, IdMaps};
pub use idrange::{IdRange, IdRanges};
pub use isolation::{DeviceRequest, Isolation, Share, check_device_rule, parse_ulimit};
pub use keep::sweep as sweep_kept_layers;
pub use launch::Environment;
pub use logs::{LogOptions, follow};
pub use monitor::{Attach, detach, monitor_main, run_attached};
pub use networks::{
    Attached, Driver, Join, Network, NetworkRequest, Networks, User, connect as connect_network,
    disconnect as disconnect_network, names_main,
};
pub use options::{NetworkMode, Options};
pub use process::ProcessId;
pub use record::{Container, Record, Running, Status};
pub use remove::{Removed, prune_stopped, remove};
pub use resources::{Rate, Resources, Throttle, parse_bytes};
pub use security::{Seccomp, Security};
pub use set::Containers;
pub use signal::parse_signal;
pub use stats::{Sample, sample};
pub use step::{Given, Step, StepEnd, Workplace, resolve_owner};
pub use stop::{kill, stop, wait};
pub use teardown::sweep;
pub use update::update;
pub use userns::UsernsMode;
pub use volume::{MountKind, MountRequest, Volume, Volumes, inherit, parse_mount, parse_tmpfs, parse_volume};
