//! What a running container uses.

use std::time::Instant;

use super::error::Error;
use super::record::Container;
use crate::runtime::cgroup::Stats;

/// One reading.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it was taken.
    pub at: Instant,
    /// Processor, memory, processes, block devices.
    pub stats: Stats,
    /// Bytes received by way of all links but loopback.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

/// Reads what a container uses now.
///
/// # Errors
/// [`Error::NotRunning`], or when a counter cannot be read.
pub fn sample(container: &Container) -> Result<Sample, Error> {
    let running = container.require_running()?;
    let stats = running.group()?.stats()?;
    let table = std::fs::read_to_string(format!("/proc/{}/net/dev", running.process.pid)).unwrap_or_default();
    let (received, sent) = traffic(&table);
    Ok(Sample { at: Instant::now(), stats, received, sent })
}

/// Sums of `/proc/net/dev` (proc_pid_net(5)): two lines of headings, then `name: bytes … (8 fields) bytes …`.
fn traffic(table: &str) -> (u64, u64) {
    let lines = table.lines().skip(2).filter_map(|line| line.split_once(':'));
    let counted = lines.filter(|(name, _)| name.trim() != "lo").map(|(_, numbers)| {
        let mut fields = numbers.split_whitespace().map(|n| n.parse::<u64>().unwrap_or(0));
        (fields.next().unwrap_or(0), fields.nth(7).unwrap_or(0))
    });
    counted.fold((0, 0), |(received, sent), (r, s)| (received + r, sent + s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_summed_without_loopback() {
        let table = "Inter-|   Receive\n face |bytes\n    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n  eth0: 100 2 0 0 0 0 0 0 50 1 0 0 0 0 0 0\n";
        assert_eq!(traffic(table), (100, 50));
        assert_eq!(traffic(""), (0, 0));
    }
}
