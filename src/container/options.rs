//! What a user asks for when creating a container.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::security::Security;
use super::volume::MountRequest;
use crate::network::PortMapping;

/// Which network a container joins.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// A veth pair into the default bridge.
    #[default]
    Bridge,
    /// A network namespace with nothing but loopback.
    None,
    /// The host's network namespace.
    Host,
}

/// Which user namespace a container lives in.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UsernsMode {
    /// One of its own, with an id range that no other container has.
    #[default]
    Auto,
    /// The host's.
    Host,
}

/// Limits on CPU, memory and processes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Resources {
    /// CPUs' worth of time (`--cpus`), as quota in microseconds over a period of 100 ms.
    pub cpu_quota: Option<i64>,
    /// Relative weight (`--cpu-shares`, 2 to 262144; 1024 is the default).
    pub cpu_shares: Option<u64>,
    /// List of processors (`--cpuset-cpus`, such as `0-2,4`).
    pub cpuset_cpus: Option<String>,
    /// List of memory nodes (`--cpuset-mems`).
    pub cpuset_mems: Option<String>,
    /// Memory limit in bytes (`-m`).
    pub memory: Option<i64>,
    /// Memory and swap together in bytes (`--memory-swap`); -1 is unlimited swap.
    pub memory_swap: Option<i64>,
    /// Readiness to swap, 0 to 100 (`--memory-swappiness`).
    pub memory_swappiness: Option<u64>,
    /// Most processes (`--pids-limit`); 0 or -1 is unlimited.
    pub pids_limit: Option<i64>,
}

impl Resources {
    /// Length of the CPU period, in microseconds.
    pub const CPU_PERIOD: u64 = 100_000;
    /// The kernel refuses smaller memory limits' effect; Docker's minimum too, in bytes.
    const MIN_MEMORY: i64 = 6 << 20;

    /// `--cpus 0.5` as a quota in microseconds.
    ///
    /// # Errors
    /// When the value is no number, not positive, or under the kernel's least quota of 1 ms.
    pub fn quota_of_cpus(text: &str) -> Result<i64, Error> {
        let bad = |reason: &str| Error::Flag {
            flag: "--cpus",
            value: text.to_string(),
            reason: reason.to_string(),
        };
        let cpus: f64 = text.parse().map_err(|_| bad("not a number"))?;
        let online = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if !cpus.is_finite() || cpus < 0.01 {
            return Err(bad("at least 0.01 CPUs are needed"));
        }
        if cpus > online as f64 {
            return Err(bad(&format!("this machine has {online} CPUs")));
        }
        Ok((cpus * Self::CPU_PERIOD as f64).round() as i64)
    }

    /// Checks what one limit says about another, as Docker does.
    ///
    /// # Errors
    /// When limits contradict each other or are out of range.
    pub fn check(&self) -> Result<(), Error> {
        let bad = |flag, value: i64, reason: &str| {
            Err(Error::Flag { flag, value: value.to_string(), reason: reason.to_string() })
        };
        if let Some(memory) = self.memory
            && memory < Self::MIN_MEMORY
        {
            return bad("--memory", memory, "the minimum is 6m");
        }
        match (self.memory, self.memory_swap) {
            (None, Some(swap)) if swap > 0 => {
                return bad("--memory-swap", swap, "it needs --memory as well");
            }
            (Some(memory), Some(swap)) if swap >= 0 && swap < memory => {
                return bad(
                    "--memory-swap",
                    swap,
                    "it counts memory and swap together, so it cannot be less than --memory",
                );
            }
            _ => {}
        }
        if let Some(value) = self.memory_swappiness.filter(|v| *v > 100) {
            return bad("--memory-swappiness", value as i64, "it goes from 0 to 100");
        }
        if let Some(value) = self.cpu_shares.filter(|v| !(2..=262_144).contains(v)) {
            return bad("--cpu-shares", value as i64, "it goes from 2 to 262144");
        }
        Ok(())
    }
}

/// Everything that `lay run` and `lay create` can be told, in typed form.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Options {
    /// `--name`.
    pub name: Option<String>,
    /// Command and arguments after the image.
    pub command: Vec<String>,
    /// `--entrypoint`; an empty string clears the image's.
    pub entrypoint: Option<String>,
    /// `-e` and `--env-file`, in order; `NAME` alone is already resolved.
    pub env: Vec<String>,
    /// `-w`.
    pub workdir: Option<String>,
    /// `-u`.
    pub user: Option<String>,
    /// `--hostname`.
    pub hostname: Option<String>,
    /// `-t`.
    pub tty: bool,
    /// `-i`.
    pub interactive: bool,
    /// `--rm`.
    pub auto_remove: bool,
    /// `--init`.
    pub init: bool,
    /// `--read-only`.
    pub read_only: bool,
    /// `--network`.
    pub network: NetworkMode,
    /// `--userns`.
    pub userns: UsernsMode,
    /// `-p`.
    pub ports: Vec<PortMapping>,
    /// `-v` and `--tmpfs`.
    pub mounts: Vec<MountRequest>,
    /// `--add-host`, as `name:address`.
    pub add_hosts: Vec<String>,
    /// `--dns`.
    pub dns: Vec<std::net::IpAddr>,
    /// `--label`, as `key=value`.
    pub labels: Vec<String>,
    /// `--stop-signal`.
    pub stop_signal: Option<String>,
    /// CPU, memory and pids.
    pub resources: Resources,
    /// `--cap-add`.
    pub cap_add: Vec<String>,
    /// `--cap-drop`.
    pub cap_drop: Vec<String>,
    /// `--security-opt`.
    #[serde(default)]
    pub security: Security,
    /// `--cidfile`.
    pub cidfile: Option<PathBuf>,
}

/// Parses a size such as `64m`, `1.5g`, `512kb` or `1073741824` (bytes) as Docker does: units of 1024.
///
/// # Errors
/// The reason, when it is no size.
pub fn parse_bytes(text: &str) -> Result<i64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let number: f64 = number.parse().map_err(|_| "not a size".to_string())?;
    let shift = match unit.trim().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("unknown unit '{}'; use b, k, m, g or t", unit.trim())),
    };
    let bytes = number * (1u64 << shift) as f64;
    if bytes < i64::MAX as f64 { Ok(bytes as i64) } else { Err("too large".to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_docker_reads_them() {
        let cases = [
            ("64m", 64 << 20),
            ("1g", 1 << 30),
            ("1.5k", 1536),
            ("512KB", 512 << 10),
            ("7", 7),
            ("3MiB", 3 << 20),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for bad in ["", "m", "12q", "-1", "1..2", "99999999999t"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn half_a_cpu_is_half_a_period() {
        assert_eq!(Resources::quota_of_cpus("0.5").unwrap(), 50_000);
        for bad in ["0", "-1", "x", "nan", "100000"] {
            assert!(Resources::quota_of_cpus(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn swap_needs_memory_and_covers_it() {
        let with = |memory, memory_swap| Resources { memory, memory_swap, ..Resources::default() }.check();
        assert!(with(None, Some(1 << 30)).is_err());
        assert!(with(Some(64 << 20), Some(32 << 20)).is_err());
        assert!(with(Some(64 << 20), Some(-1)).is_ok());
        assert!(with(Some(1 << 20), None).is_err());
    }
}
