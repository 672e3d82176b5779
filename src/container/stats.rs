//! What a running container uses.

use std::collections::HashSet;
use std::fs;
use std::time::Instant;

use super::error::Error;
use super::members::pids;
use super::process::ticks_of;
use super::record::Container;
use crate::kernel::process::ticks_per_second;
use crate::runtime::cgroup::{Io, Stats};

/// One reading.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it was taken.
    pub at: Instant,
    /// Processor, memory, processes, block devices.
    pub usage: Usage,
    /// Bytes received and sent by way of all links but loopback; none where they cannot be read.
    pub traffic: Option<(u64, u64)>,
}

/// What a container uses; none stands for what nobody counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, in nanoseconds.
    pub cpu: u64,
    /// How finely that is counted, in nanoseconds.
    pub cpu_step: u64,
    /// Time that a quota stopped it for, in nanoseconds.
    pub throttled: Option<u64>,
    /// Bytes of memory, without what the kernel gives up first.
    pub memory: Option<u64>,
    /// Most bytes of memory until now.
    pub memory_peak: Option<u64>,
    /// Most bytes that it may have; none without a limit.
    pub memory_limit: Option<u64>,
    /// Bytes in swap.
    pub swap: Option<u64>,
    /// Processes and threads.
    pub tasks: u64,
    /// Bytes read from block devices and written to them.
    pub io: Option<(u64, u64)>,
}

impl From<Stats> for Usage {
    fn from(stats: Stats) -> Usage {
        let sum = |pick: fn(&Io) -> u64| stats.io.iter().map(pick).sum::<u64>();
        Usage {
            cpu: stats.cpu.usage,
            cpu_step: 1,
            throttled: Some(stats.cpu.throttled_time),
            // As Docker has it.
            memory: Some(stats.memory.usage.saturating_sub(stats.memory.inactive_file)),
            memory_peak: Some(stats.memory.peak),
            memory_limit: stats.memory.limit,
            swap: Some(stats.memory.swap),
            tasks: stats.pids.current,
            io: Some((sum(|io| io.read_bytes), sum(|io| io.write_bytes))),
        }
    }
}

/// Reads what a container uses now: from its control group or, where it has none, from its processes.
///
/// # Errors
/// [`Error::NotRunning`], or when a counter cannot be read.
pub fn sample(container: &Container) -> Result<Sample, Error> {
    let running = container.require_running()?;
    let usage = match running.group() {
        Ok(group) => group.stats()?.into(),
        Err(Error::NoCgroup) => of_processes(&pids(container, &running)?),
        Err(error) => return Err(error),
    };
    let table = fs::read_to_string(format!("/proc/{}/net/dev", running.process.pid)).ok();
    Ok(Sample { at: Instant::now(), usage, traffic: table.as_deref().map(traffic) })
}

/// Sums of what processes use. Memory that several of them share counts for each; what ended processes did counts with their
/// parents.
fn of_processes(pids: &HashSet<i32>) -> Usage {
    let step = 1_000_000_000 / ticks_per_second();
    let read = |pid: &i32, name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    let tables: Vec<String> = pids.iter().filter_map(|pid| read(pid, "status")).collect();
    let sum = |name: &str| tables.iter().filter_map(|table| field(table, name)).sum::<u64>();
    let io = pids.iter().map(|pid| {
        let table = read(pid, "io")?;
        Some((field(&table, "read_bytes")?, field(&table, "write_bytes")?))
    });
    Usage {
        cpu: pids.iter().filter_map(|pid| ticks_of(*pid)).sum::<u64>() * step,
        cpu_step: step,
        memory: Some(sum("VmRSS") << 10),
        swap: Some(sum("VmSwap") << 10),
        tasks: sum("Threads"),
        // One that cannot be asked makes the sum wrong.
        io: io
            .collect::<Option<Vec<_>>>()
            .map(|all| all.iter().fold((0, 0), |(r, w), io| (r + io.0, w + io.1))),
        ..Usage::default()
    }
}

/// The number behind `name:` in a table such as `/proc/PID/status`.
fn field(table: &str, name: &str) -> Option<u64> {
    let rest = table.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    rest.split_whitespace().next()?.parse().ok()
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

    #[test]
    fn processes_are_summed() {
        let me = std::process::id() as i32;
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let one = of_processes(&HashSet::from([me]));
        let two = of_processes(&HashSet::from([me, child.id() as i32, i32::MAX]));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(one.memory > Some(1 << 20) && one.tasks >= 2 && one.io.is_some(), "{one:?}");
        assert!(two.memory > one.memory && two.tasks > one.tasks, "{two:?}");
        assert_eq!(two.io, None, "one of them is gone");
        assert_eq!((one.memory_limit, one.memory_peak, one.throttled), (None, None, None));
    }
}
