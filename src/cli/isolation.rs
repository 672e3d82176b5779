//! Flags for what a container shares with the host, and is given of it.

use clap::Args;

use super::failure::{Failure, Tried};
use super::flags::pair;
use crate::container::{DeviceRequest, Isolation, Share, check_device_rule, parse_bytes, parse_ulimit};

/// Flags of commands that create a container.
#[derive(Args, Debug)]
#[command(next_help_heading = "Security")]
pub struct IsolationFlags {
    /// All capabilities, devices and system calls, nothing masked, and the host's user namespace
    #[arg(long)]
    pub privileged: bool,
    /// Give it a device of the host
    #[arg(long, value_name = "DEVICE[:TARGET][:rwm]")]
    device: Vec<String>,
    /// Allow the use of devices by number, such as 'c 42:* rwm'
    #[arg(long, value_name = "RULE")]
    device_cgroup_rule: Vec<String>,
    /// Limit of the first process, such as nofile=1024:2048; -1 is none
    #[arg(long, value_name = "NAME=SOFT[:HARD]", help_heading = "Limits")]
    ulimit: Vec<String>,
    /// Kernel parameter of its own namespaces
    #[arg(long, value_name = "NAME=VALUE")]
    sysctl: Vec<String>,
    /// Size of /dev/shm [default: 64m]
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    shm_size: Option<String>,
    /// How readily it is killed when memory is short, -1000 to 1000
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Limits",
        value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    oom_score_adj: Option<i32>,
    /// IPC namespace: private, host or container:NAME
    #[arg(long, value_name = "MODE", default_value = "private", hide_default_value = true)]
    ipc: String,
    /// Process id namespace: private, host or container:NAME
    #[arg(long, value_name = "MODE", default_value = "private", hide_default_value = true)]
    pid: String,
    /// Host name namespace: private, host or container:NAME
    #[arg(long, value_name = "MODE", default_value = "private", hide_default_value = true)]
    uts: String,
    /// Control group namespace: private or host
    #[arg(long, value_name = "MODE", default_value = "private", hide_default_value = true)]
    cgroupns: String,
}

impl IsolationFlags {
    /// Containers whose namespaces it shares.
    pub fn containers(&self) -> impl Iterator<Item = &str> {
        [&self.ipc, &self.pid, &self.uts].into_iter().filter_map(|mode| mode.strip_prefix("container:"))
    }

    /// What the flags say.
    pub fn isolation(&self) -> Result<Isolation, Failure> {
        let tried = || "invalid flag".to_string();
        let share = |flag, text: &str| Share::parse(flag, text).tried(tried);
        self.device_cgroup_rule.iter().try_for_each(|rule| check_device_rule(rule)).tried(tried)?;
        let devices = self.device.iter().map(|text| DeviceRequest::parse(text)).collect::<Result<_, _>>();
        let ulimits = self.ulimit.iter().map(|text| parse_ulimit(text)).collect::<Result<_, _>>();
        let shm_size = self.shm_size.as_deref().map(|text| {
            parse_bytes(text).map_err(|e| Failure::new(format!("invalid value '{text}' for --shm-size: {e}")))
        });
        let sysctls = self.sysctl.iter().map(|text| pair("--sysctl", "NAME=VALUE", text));
        Ok(Isolation {
            privileged: self.privileged,
            devices: devices.tried(tried)?,
            device_rules: self.device_cgroup_rule.clone(),
            ulimits: ulimits.tried(tried)?,
            sysctls: sysctls.collect::<Result<_, _>>()?,
            shm_size: shm_size.transpose()?,
            oom_score_adj: self.oom_score_adj,
            ipc: share("--ipc", &self.ipc)?,
            pid: share("--pid", &self.pid)?,
            uts: share("--uts", &self.uts)?,
            cgroupns: share("--cgroupns", &self.cgroupns)?,
        })
    }
}
