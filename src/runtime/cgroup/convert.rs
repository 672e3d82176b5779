//! v1's amounts in v2's units, with the formulas of runc and of Kubernetes' KEP-2254, so that a Spec means the same under each runtime.

use super::request::Limit;

/// The shares that a v1 group has if nobody says anything.
pub const DEFAULT_SHARES: u64 = 1024;

/// `cpu.shares` (2 to 262144) as `cpu.weight` (1 to 10000), keeping proportions.
pub fn weight_of_shares(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142
}

/// `blkio.weight` (10 to 1000) as `io.weight` (1 to 10000).
pub fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight.clamp(10, 1000)) - 10) * 9_999 / 990
}

/// A limit on memory and swap together as one on swap alone; both are checked to belong together.
pub fn swap_alone(memory: Option<Limit>, both: Limit) -> Limit {
    match (memory, both) {
        (Some(Limit::At(memory)), Limit::At(both)) => Limit::At(both.saturating_sub(memory)),
        _ => Limit::Max,
    }
}
