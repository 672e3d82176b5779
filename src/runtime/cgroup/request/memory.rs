//! Memory and swap.

use oci_spec::runtime::LinuxMemory;

use super::super::error::{Error, Result};
use super::Limit;

/// Memory and swap, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Hard limit.
    pub limit: Option<Limit>,
    /// What to leave the group with under pressure.
    pub reservation: Option<Limit>,
    /// Memory and swap together, never less than the limit.
    pub swap: Option<Limit>,
    /// TCP buffers; v1 only.
    pub kernel_tcp: Option<Limit>,
    /// 0 to 100; v1 only.
    pub swappiness: Option<u64>,
    /// Whether processes over the limit wait rather than die; v1 only.
    pub disable_oom_killer: Option<bool>,
    /// Whether a limit below the present use is refused.
    pub check: bool,
}

impl Memory {
    pub(super) fn parse(memory: Option<&LinuxMemory>) -> Result<Self> {
        let Some(memory) = memory else {
            return Ok(Self::default());
        };
        // What drives a runtime may still send it, and runc takes it.
        if memory.kernel().is_some_and(|n| n != 0 && n != -1) {
            tracing::warn!("kernel memory limit ignored: kernels since 5.4 count it with the memory limit");
        }
        let limit = Limit::from_signed("memory limit", memory.limit())?;
        Ok(Self {
            limit,
            reservation: Limit::from_signed("memory reservation", memory.reservation())?,
            swap: swap(limit, memory.swap())?,
            kernel_tcp: Limit::from_signed("kernel tcp memory", memory.kernel_tcp())?,
            swappiness: swappiness(memory.swappiness())?,
            disable_oom_killer: memory.disable_oom_killer(),
            check: memory.check_before_update().unwrap_or(false),
        })
    }
}

fn swap(limit: Option<Limit>, swap: Option<i64>) -> Result<Option<Limit>> {
    const SETTING: &str = "memory and swap limit";
    match (Limit::from_signed(SETTING, swap)?, limit) {
        // A limit on the sum would else stay behind and keep the memory limit from being lifted.
        (None, Some(Limit::Max)) => Ok(Some(Limit::Max)),
        (Some(Limit::At(swap)), Some(Limit::At(limit))) if swap < limit => Err(Error::invalid(
            SETTING,
            swap,
            format!("it is the sum of both, so it must be at least the memory limit {limit}"),
        )),
        (Some(Limit::At(swap)), None | Some(Limit::Max)) => {
            Err(Error::invalid(SETTING, swap, "it can only be set together with a memory limit"))
        }
        (swap, _) => Ok(swap),
    }
}

fn swappiness(value: Option<u64>) -> Result<Option<u64>> {
    match value {
        // What Docker sends for "not set".
        Some(u64::MAX) => Ok(None),
        Some(n) if n > 100 => Err(Error::invalid("memory swappiness", n, "it must lie between 0 and 100")),
        other => Ok(other),
    }
}
