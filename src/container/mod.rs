//! What a container is over time: record, create, start, supervise, logs, exec, remove.
//!
//! There is no daemon. A container is a directory below `containers/` in the store, and its state is
//! derived from what is true: the process (pid, start time, boot id), the exit record, and the lock that
//! its supervisor holds.

mod attach;
mod attached;
mod changes;
mod checkpoints;
mod condition;
mod copy;
mod create;
mod ending;
mod error;
mod events;
mod exec;
mod exit;
mod files;
mod foreground;
mod fork;
mod group;
mod health;
mod id;
mod idmap;
mod idrange;
mod isolation;
mod keep;
mod keys;
mod launch;
mod lock;
mod logs;
mod members;
mod monitor;
mod networks;
mod options;
mod packet;
mod pause;
mod process;
mod pump;
mod quota;
mod record;
mod remove;
mod rename;
mod resources;
mod restart;
mod rootfs;
mod security;
mod set;
mod signal;
mod spec;
mod start;
mod state;
mod stats;
mod step;
mod stop;
mod streams;
mod sys;
mod teardown;
mod terminal;
mod top;
mod update;
mod user;
mod userns;
mod volume;
mod wait;

pub use attach::{AttachOptions, Attached, Parted, connection};
pub use attached::{Attach, run_attached};
pub use changes::{ChangeKind, archive_changes, changes, export};
pub use checkpoints::{Checkpoint, Checkpoints};
pub use condition::{Condition, wait_for};
pub use copy::{CopyOptions, Local, copy_in, copy_out};
pub use create::{Created, create, leave_idle};
pub use error::Error;
pub use events::{Event, Span, follow as follow_events, note as note_event, note_container};
pub use exec::{ExecOptions, exec, exec_detached};
pub use exit::Exit;
pub use foreground::Foreground;
pub use fork::{ForkOptions, fork};
pub use group::{Group, Groups, Imported, Rule, Rules, parse_config, parse_rules};
pub use health::{Health, HealthCheck, HealthResult, HealthStatus, check_health};
pub use idmap::{IdMap, IdMaps};
pub use idrange::{IdRange, IdRanges};
pub use isolation::{DeviceRequest, Isolation, Share, check_device_rule, parse_ulimit};
pub use keys::DetachKeys;
pub use launch::Environment;
pub use logs::{LogConfig, LogDriver, LogOptions, follow};
pub use monitor::{Inherited, detach, detach_with, monitor_main};
pub use networks::{
    Attached as Link, Driver, Join, Network, NetworkRequest, Networks, User, connect as connect_network,
    disconnect as disconnect_network, names_main,
};
pub use options::{NetworkMode, Options};
pub use pause::{pause, unpause};
pub use process::ProcessId;
pub use quota::parse_storage;
pub use record::{Container, Record, Running, Status};
pub use remove::{Removed, prune_stopped, remove};
pub use rename::rename;
pub use resources::{Rate, Resources, Throttle, parse_bytes};
pub use restart::RestartPolicy;
pub use rootfs::sweep_layers;
pub use security::{Seccomp, Security};
pub use set::Containers;
pub use signal::{parse_signal, signal_name};
pub use start::{restart, start, start_wanted};
pub use state::State;
pub use stats::{Sample, Usage, sample};
pub use step::{Given, Step, StepEnd, Workplace, resolve_owner};
pub use stop::{kill, stop, stop_for_shutdown, wait};
pub use teardown::{mend, sweep};
pub use top::top;
pub use update::update;
pub use userns::UsernsMode;
pub use volume::{
    ImageSource, MountKind, MountRequest, Volume, Volumes, inherit, parse_mount, parse_tmpfs, parse_volume,
};

/// How long ago a moment of a record (RFC 3339) was; nothing for one that cannot be read, or is to come.
fn since(time: &str) -> std::time::Duration {
    let time = time.parse::<jiff::Timestamp>().ok();
    time.and_then(|time| jiff::Timestamp::now().duration_since(time).try_into().ok()).unwrap_or_default()
}
