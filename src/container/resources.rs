//! Limits on CPU, memory, processes and devices.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Error;

/// Limits on CPU, memory and processes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
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
    /// Length of a CPU period in microseconds (`--cpu-period`, 1000 to 1000000).
    pub cpu_period: Option<u64>,
    /// Memory that is left to it when memory is short, in bytes (`--memory-reservation`).
    pub memory_reservation: Option<i64>,
    /// Processes wait for memory instead of being killed (`--oom-kill-disable`).
    pub oom_kill_disable: bool,
    /// Weight among those that compete for block devices (`--blkio-weight`, 10 to 1000).
    pub blkio_weight: Option<u16>,
    /// Bounds on rates of block devices.
    pub throttles: Vec<Throttle>,
    /// Most bytes of huge pages, by page size such as `2MB` (`--hugetlb`).
    pub hugetlb: Vec<(String, i64)>,
}

/// Which rate of a block device is bounded.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Rate {
    /// Bytes read in a second.
    ReadBps,
    /// Bytes written in a second.
    WriteBps,
    /// Reads in a second.
    ReadIops,
    /// Writes in a second.
    WriteIops,
}

/// A bound on a rate of a block device.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Throttle {
    /// Which rate.
    pub kind: Rate,
    /// Path of the device on the host.
    pub device: PathBuf,
    /// Bytes or operations in a second.
    pub rate: u64,
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
        if let Some(value) = self.cpu_period.filter(|v| !(1000..=1_000_000).contains(v)) {
            return bad("--cpu-period", value as i64, "it goes from 1000 to 1000000 microseconds");
        }
        if let Some(value) = self.cpu_quota.filter(|v| *v != -1 && *v < 1000) {
            return bad("--cpu-quota", value, "it is at least 1000 microseconds, or -1 for none");
        }
        if let Some(value) = self.blkio_weight.filter(|v| !(10..=1000).contains(v)) {
            return bad("--blkio-weight", i64::from(value), "it goes from 10 to 1000");
        }
        match (self.memory, self.memory_reservation) {
            (Some(memory), Some(reservation)) if reservation > memory => {
                bad("--memory-reservation", reservation, "it cannot be more than --memory")
            }
            _ => Ok(()),
        }
    }

    /// Takes the limits that another has, and keeps its own where the other has none.
    pub fn merge(&mut self, other: &Resources) {
        fn take<T: Clone>(own: &mut Option<T>, other: &Option<T>) {
            if other.is_some() {
                own.clone_from(other);
            }
        }
        take(&mut self.cpu_quota, &other.cpu_quota);
        take(&mut self.cpu_period, &other.cpu_period);
        take(&mut self.cpu_shares, &other.cpu_shares);
        take(&mut self.cpuset_cpus, &other.cpuset_cpus);
        take(&mut self.cpuset_mems, &other.cpuset_mems);
        take(&mut self.memory, &other.memory);
        take(&mut self.memory_swap, &other.memory_swap);
        take(&mut self.memory_reservation, &other.memory_reservation);
        take(&mut self.memory_swappiness, &other.memory_swappiness);
        take(&mut self.pids_limit, &other.pids_limit);
        take(&mut self.blkio_weight, &other.blkio_weight);
        self.oom_kill_disable |= other.oom_kill_disable;
        let same = |a: &Throttle, b: &Throttle| (a.kind, &a.device) == (b.kind, &b.device);
        self.throttles.retain(|own| !other.throttles.iter().any(|new| same(own, new)));
        self.throttles.extend(other.throttles.iter().cloned());
        self.hugetlb.retain(|(size, _)| !other.hugetlb.iter().any(|(new, _)| new == size));
        self.hugetlb.extend(other.hugetlb.iter().cloned());
    }
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
