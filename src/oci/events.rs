//! `events`

use std::time::Duration;

use serde_json::{Value, json};

use super::error::Error;
use super::list::print;
use super::record::{Containers, Status};
use crate::runtime::cgroup::Stats;

/// What runc tells where there is no limit.
const UNLIMITED: u64 = u64::MAX;

/// Prints what a container uses, once or until it ends, in runc's form.
pub fn events(containers: &Containers, id: &str, once: bool, interval: Duration) -> Result<u8, Error> {
    let container = containers.find(id)?;
    if container.status() == Status::Stopped {
        return Err(Error::NotRunning);
    }
    let group = container.cgroup()?;
    loop {
        let stats = group.stats()?;
        print(&json!({"type": "stats", "id": id, "data": data(&stats)}).to_string())?;
        if once {
            return Ok(0);
        }
        std::thread::sleep(interval);
        if container.status() == Status::Stopped {
            return Ok(0);
        }
    }
}

fn data(stats: &Stats) -> Value {
    let (cpu, memory) = (&stats.cpu, &stats.memory);
    let bytes = |op: &str, pick: fn(&crate::runtime::cgroup::Io) -> u64| -> Vec<Value> {
        let entry = |io| json!({"major": io_of(io).0, "minor": io_of(io).1, "op": op, "value": pick(io)});
        stats.io.iter().map(entry).collect()
    };
    let all = |read: Vec<Value>, write: Vec<Value>| -> Vec<Value> { read.into_iter().chain(write).collect() };
    let service = all(bytes("Read", |io| io.read_bytes), bytes("Write", |io| io.write_bytes));
    let serviced = all(bytes("Read", |io| io.reads), bytes("Write", |io| io.writes));
    json!({
        "cpu": {
            "usage": {"total": cpu.usage, "kernel": cpu.kernel, "user": cpu.user},
            "throttling": {
                "periods": cpu.periods, "throttledPeriods": cpu.throttled_periods,
                "throttledTime": cpu.throttled_time,
            },
        },
        "memory": {
            "cache": memory.cache,
            "usage": {
                "limit": memory.limit.unwrap_or(UNLIMITED), "usage": memory.usage, "max": memory.peak,
                "failcnt": memory.failures,
            },
            "swap": {"usage": memory.swap},
        },
        "pids": {"current": stats.pids.current, "limit": stats.pids.limit.unwrap_or(0)},
        "blkio": {"ioServiceBytesRecursive": service, "ioServicedRecursive": serviced},
        "hugetlb": {},
        "intel_rdt": {},
    })
}

fn io_of(io: &crate::runtime::cgroup::Io) -> (u32, u32) {
    (io.major, io.minor)
}
