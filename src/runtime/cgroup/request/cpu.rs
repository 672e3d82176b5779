//! Processor time, processors and memory nodes.

use oci_spec::runtime::LinuxCpu;

use super::super::error::{Error, Result};
use super::Limit;

/// The kernel's bounds on a period, in microseconds (`kernel/sched/core.c`).
const PERIOD: std::ops::RangeInclusive<u64> = 1_000..=1_000_000;
/// The kernel's least quota, in microseconds.
const MIN_QUOTA: u64 = 1_000;

/// Processor time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Relative share, 1024 being usual.
    pub shares: Option<u64>,
    /// Microseconds of processor time in a period.
    pub quota: Option<Limit>,
    /// Microseconds.
    pub period: Option<u64>,
    /// Microseconds that may be saved up.
    pub burst: Option<u64>,
    /// Whether to run only where nothing else wants to (`SCHED_IDLE`).
    pub idle: Option<bool>,
    /// Real-time microseconds in a period; v1 only.
    pub rt_runtime: Option<i64>,
    /// Real-time period in microseconds; v1 only.
    pub rt_period: Option<u64>,
}

impl Cpu {
    pub(super) fn parse(cpu: Option<&LinuxCpu>) -> Result<Self> {
        let Some(cpu) = cpu else {
            return Ok(Self::default());
        };
        Ok(Self {
            shares: cpu.shares().filter(|&n| n != 0),
            quota: quota(cpu.quota())?,
            period: period(cpu.period())?,
            burst: burst(cpu)?,
            idle: idle(cpu.idle())?,
            rt_runtime: cpu.realtime_runtime(),
            rt_period: cpu.realtime_period().filter(|&n| n != 0),
        })
    }
}

fn quota(quota: Option<i64>) -> Result<Option<Limit>> {
    match quota {
        None | Some(0) => Ok(None),
        // Any negative number means none, as the kernel's documentation and runc have it.
        Some(n) => match u64::try_from(n) {
            Err(_) => Ok(Some(Limit::Max)),
            Ok(n) if n < MIN_QUOTA => {
                Err(Error::invalid("cpu quota", n, format!("it must be at least {MIN_QUOTA} microseconds")))
            }
            Ok(n) => Ok(Some(Limit::At(n))),
        },
    }
}

fn period(period: Option<u64>) -> Result<Option<u64>> {
    match period {
        None | Some(0) => Ok(None),
        Some(n) if PERIOD.contains(&n) => Ok(Some(n)),
        Some(n) => Err(Error::invalid(
            "cpu period",
            n,
            format!("it must lie between {} and {} microseconds", PERIOD.start(), PERIOD.end()),
        )),
    }
}

fn burst(cpu: &LinuxCpu) -> Result<Option<u64>> {
    let quota = cpu.quota().and_then(|q| u64::try_from(q).ok());
    match (cpu.burst(), quota) {
        (Some(burst), Some(quota)) if quota > 0 && burst > quota => {
            Err(Error::invalid("cpu burst", burst, format!("it must not exceed the quota {quota}")))
        }
        (burst, _) => Ok(burst),
    }
}

fn idle(idle: Option<i64>) -> Result<Option<bool>> {
    match idle {
        None => Ok(None),
        Some(0) => Ok(Some(false)),
        Some(1) => Ok(Some(true)),
        Some(n) => Err(Error::invalid("cpu idle", n, "it must be 0 or 1")),
    }
}

/// Processors and memory nodes, as lists that the kernel reads (`0-2,7`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cpuset {
    /// Processors.
    pub cpus: Option<String>,
    /// Memory nodes.
    pub mems: Option<String>,
}

impl Cpuset {
    pub(super) fn parse(cpu: Option<&LinuxCpu>) -> Result<Self> {
        let Some(cpu) = cpu else {
            return Ok(Self::default());
        };
        Ok(Self {
            cpus: list("cpuset cpus", cpu.cpus().as_deref())?,
            mems: list("cpuset mems", cpu.mems().as_deref())?,
        })
    }
}

fn list(setting: &'static str, text: Option<&str>) -> Result<Option<String>> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => {
            parse_list(setting, text)?;
            Ok(Some(text.to_owned()))
        }
    }
}

/// The ranges of a list such as `0-2,7`.
///
/// # Errors
/// [`Error::Invalid`] if it is anything else.
pub fn parse_list(setting: &'static str, text: &str) -> Result<Vec<(u32, u32)>> {
    let bad = || Error::invalid(setting, text, "it must be a list of numbers and ranges, such as 0-2,7");
    let number = |s: &str| match s {
        "" => Err(bad()),
        s if s.bytes().all(|b| b.is_ascii_digit()) => s.parse().map_err(|_| bad()),
        _ => Err(bad()),
    };
    text.split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(bad());
            }
            Ok((first, last))
        })
        .collect()
}
