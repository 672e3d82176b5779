//! Flags for limits.

use std::path::PathBuf;

use clap::Args;

use super::failure::{Failure, Tried};
use crate::container::{Rate, Resources, Throttle, parse_bytes};

/// Flags of commands that set limits.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// CPUs' worth of time, such as 0.5
    #[arg(long, value_name = "N", conflicts_with_all = ["cpu_period", "cpu_quota"])]
    cpus: Option<String>,
    /// Length of a CPU period, in microseconds
    #[arg(long, value_name = "N")]
    cpu_period: Option<u64>,
    /// Time in each period, in microseconds; -1 for all
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    cpu_quota: Option<i64>,
    /// Weight among containers that compete, 1024 by default
    #[arg(short, long, value_name = "N")]
    cpu_shares: Option<u64>,
    /// Processors to run on, such as 0-1
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes to use
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Most memory, such as 64m
    #[arg(short, long, value_name = "BYTES")]
    memory: Option<String>,
    /// Memory that is left to it when memory is short
    #[arg(long, value_name = "BYTES")]
    memory_reservation: Option<String>,
    /// Most memory and swap together; -1 for any amount of swap
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory_swap: Option<String>,
    /// Readiness to swap, 0 to 100
    #[arg(long, value_name = "N")]
    memory_swappiness: Option<u64>,
    /// Have processes wait for memory instead of killing them (control groups v1)
    #[arg(long)]
    oom_kill_disable: bool,
    /// Not supported: kernels no longer bound kernel memory alone
    #[arg(long, value_name = "BYTES", hide = true)]
    kernel_memory: Option<String>,
    /// Most processes [default: 4096]; -1 for any number
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pids_limit: Option<i64>,
    /// Weight among containers that compete for block devices, 10 to 1000
    #[arg(long, value_name = "N")]
    blkio_weight: Option<u16>,
    /// Most bytes read in a second, such as /dev/sda:1m
    #[arg(long, value_name = "DEVICE:BYTES")]
    device_read_bps: Vec<String>,
    /// Most bytes written in a second
    #[arg(long, value_name = "DEVICE:BYTES")]
    device_write_bps: Vec<String>,
    /// Most reads in a second
    #[arg(long, value_name = "DEVICE:N")]
    device_read_iops: Vec<String>,
    /// Most writes in a second
    #[arg(long, value_name = "DEVICE:N")]
    device_write_iops: Vec<String>,
    /// Most huge pages of a size, such as 2MB:64m
    #[arg(long, value_name = "SIZE:BYTES")]
    hugetlb: Vec<String>,
}

impl LimitFlags {
    /// What the flags say.
    pub fn resources(&self) -> Result<Resources, Failure> {
        if self.kernel_memory.is_some() {
            return Err(Failure::new(
                "--kernel-memory is not supported: kernels since 6.1 bound it only with --memory",
            ));
        }
        let tried = || "invalid flag".to_string();
        let quota = self.cpus.as_deref().map(Resources::quota_of_cpus).transpose().tried(tried)?;
        let resources = Resources {
            cpu_quota: quota.or(self.cpu_quota),
            cpu_period: self.cpu_period,
            cpu_shares: self.cpu_shares,
            cpuset_cpus: self.cpuset_cpus.clone(),
            cpuset_mems: self.cpuset_mems.clone(),
            memory: bytes("--memory", &self.memory)?,
            memory_reservation: bytes("--memory-reservation", &self.memory_reservation)?,
            memory_swap: bytes("--memory-swap", &self.memory_swap)?,
            memory_swappiness: self.memory_swappiness,
            oom_kill_disable: self.oom_kill_disable,
            pids_limit: self.pids_limit,
            blkio_weight: self.blkio_weight,
            throttles: self.throttles()?,
            hugetlb: self.hugetlb.iter().map(|text| huge(text)).collect::<Result<_, _>>()?,
        };
        resources.check().tried(tried)?;
        Ok(resources)
    }

    fn throttles(&self) -> Result<Vec<Throttle>, Failure> {
        let lists = [
            (Rate::ReadBps, "--device-read-bps", &self.device_read_bps),
            (Rate::WriteBps, "--device-write-bps", &self.device_write_bps),
            (Rate::ReadIops, "--device-read-iops", &self.device_read_iops),
            (Rate::WriteIops, "--device-write-iops", &self.device_write_iops),
        ];
        let mut throttles = Vec::new();
        for (kind, flag, list) in lists {
            for text in list {
                let bad = |reason: &str| Failure::new(format!("invalid value '{text}' for {flag}: {reason}"));
                let (device, rate) = text.rsplit_once(':').ok_or_else(|| bad("expected DEVICE:RATE"))?;
                let rate = parse_bytes(rate).map_err(|reason| bad(&reason))?;
                let rate = u64::try_from(rate).ok().filter(|rate| *rate > 0).ok_or_else(|| bad("no rate"))?;
                throttles.push(Throttle { kind, device: PathBuf::from(device), rate });
            }
        }
        Ok(throttles)
    }
}

fn huge(text: &str) -> Result<(String, i64), Failure> {
    let bad = |reason: &str| Failure::new(format!("invalid value '{text}' for --hugetlb: {reason}"));
    let (size, limit) = text.split_once(':').ok_or_else(|| bad("expected SIZE:BYTES"))?;
    Ok((size.to_string(), parse_bytes(limit).map_err(|reason| bad(&reason))?))
}

fn bytes(flag: &str, text: &Option<String>) -> Result<Option<i64>, Failure> {
    match text.as_deref() {
        None => Ok(None),
        Some("-1") => Ok(Some(-1)),
        Some(text) => parse_bytes(text)
            .map(Some)
            .map_err(|reason| Failure::new(format!("invalid value '{text}' for {flag}: {reason}"))),
    }
}
