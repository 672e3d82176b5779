//! What a group uses.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::find::{Controller, Version};
use super::{Cgroup, Result, file};

/// A group's use of resources at a moment. What this machine does not count is zero or absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Processor time.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Memory,
    /// Processes.
    pub pids: Pids,
    /// Block devices.
    pub io: Vec<Io>,
}

/// Processor time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cpu {
    /// In all.
    pub usage: u64,
    /// In user mode.
    pub user: u64,
    /// In the kernel.
    pub kernel: u64,
    /// Periods of bandwidth control that have passed.
    pub periods: u64,
    /// Periods in which the group was stopped.
    pub throttled_periods: u64,
    /// Time that it was stopped.
    pub throttled_time: u64,
}

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// In use, page cache included.
    pub usage: u64,
    /// Most that was in use.
    pub peak: u64,
    /// Page cache.
    pub cache: u64,
    /// Page cache that has not been used lately, which the kernel gives up first.
    pub inactive_file: u64,
    /// The limit; none without.
    pub limit: Option<u64>,
    /// Swap in use.
    pub swap: u64,
    /// How often the limit was hit.
    pub failures: u64,
}

/// Processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pids {
    /// That are there.
    pub current: u64,
    /// The limit; none without.
    pub limit: Option<u64>,
}

/// One block device, since the group was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Io {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

/// Limits from here on are none: v1 tells the largest multiple of a page that fits.
const UNLIMITED: u64 = 1 << 62;

impl Cgroup {
    /// Reads what the group uses.
    ///
    /// # Errors
    /// When a file of the group cannot be read or understood.
    pub fn stats(&self) -> Result<Stats> {
        Ok(Stats { cpu: self.cpu()?, memory: self.memory_stats()?, pids: self.pid_stats()?, io: self.io()? })
    }

    fn place(&self, controller: Controller) -> Option<(PathBuf, Version)> {
        let h =
            self.on.of(controller).or_else(|| self.on.v2().filter(|_| controller == Controller::Cpuacct))?;
        Some((self.dir(h), h.version))
    }

    fn cpu(&self) -> Result<Cpu> {
        let mut cpu = Cpu::default();
        if let Some((dir, version)) = self.place(Controller::Cpuacct) {
            match version {
                Version::V1 => {
                    cpu.usage = number(&dir.join("cpuacct.usage"))?;
                    cpu.user = number(&dir.join("cpuacct.usage_user"))?;
                    cpu.kernel = number(&dir.join("cpuacct.usage_sys"))?;
                }
                Version::V2 => {
                    let path = dir.join("cpu.stat");
                    cpu.usage = 1000 * field(&path, "usage_usec")?;
                    cpu.user = 1000 * field(&path, "user_usec")?;
                    cpu.kernel = 1000 * field(&path, "system_usec")?;
                }
            }
        }
        if let Some((dir, version)) = self.place(Controller::Cpu) {
            let path = dir.join("cpu.stat");
            cpu.periods = field(&path, "nr_periods")?;
            cpu.throttled_periods = field(&path, "nr_throttled")?;
            cpu.throttled_time = match version {
                Version::V1 => field(&path, "throttled_time")?,
                Version::V2 => 1000 * field(&path, "throttled_usec")?,
            };
        }
        Ok(cpu)
    }

    fn memory_stats(&self) -> Result<Memory> {
        let Some((dir, version)) = self.place(Controller::Memory) else { return Ok(Memory::default()) };
        let stat = dir.join("memory.stat");
        Ok(match version {
            Version::V1 => {
                let usage = number(&dir.join("memory.usage_in_bytes"))?;
                let both = number(&dir.join("memory.memsw.usage_in_bytes"))?;
                Memory {
                    usage,
                    peak: number(&dir.join("memory.max_usage_in_bytes"))?,
                    cache: field(&stat, "total_cache")?,
                    inactive_file: field(&stat, "total_inactive_file")?,
                    limit: limit(&dir.join("memory.limit_in_bytes"))?,
                    swap: both.saturating_sub(usage),
                    failures: number(&dir.join("memory.failcnt"))?,
                }
            }
            Version::V2 => Memory {
                usage: number(&dir.join("memory.current"))?,
                peak: number(&dir.join("memory.peak"))?,
                cache: field(&stat, "file")?,
                inactive_file: field(&stat, "inactive_file")?,
                limit: limit(&dir.join("memory.max"))?,
                swap: number(&dir.join("memory.swap.current"))?,
                failures: field(&dir.join("memory.events"), "max")?,
            },
        })
    }

    fn pid_stats(&self) -> Result<Pids> {
        let Some((dir, _)) = self.place(Controller::Pids) else { return Ok(Pids::default()) };
        Ok(Pids { current: number(&dir.join("pids.current"))?, limit: limit(&dir.join("pids.max"))? })
    }

    fn io(&self) -> Result<Vec<Io>> {
        let Some((dir, version)) = self.place(Controller::Io) else { return Ok(Vec::new()) };
        let read = |name: &str| Ok(file::read_if_there(&dir.join(name))?.unwrap_or_default());
        Ok(match version {
            Version::V1 => {
                let bytes = read("blkio.throttle.io_service_bytes")?;
                v1_devices(&bytes, &read("blkio.throttle.io_serviced")?)
            }
            Version::V2 => read("io.stat")?.lines().filter_map(v2_device).collect(),
        })
    }
}

/// Zero where this kernel does not count it.
fn number(path: &Path) -> Result<u64> {
    let text = file::read_if_there(path)?;
    text.map_or(Ok(0), |text| file::parse(path, text.trim()))
}

fn field(path: &Path, key: &str) -> Result<u64> {
    let text = file::read_if_there(path)?.unwrap_or_default();
    file::field_of(&text, key).map_or(Ok(0), |value| file::parse(path, value))
}

fn limit(path: &Path) -> Result<Option<u64>> {
    match file::read_if_there(path)?.as_deref().map(str::trim) {
        None | Some("max") => Ok(None),
        Some(text) => file::parse(path, text).map(|limit| Some(limit).filter(|limit| *limit < UNLIMITED)),
    }
}

fn device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Lines such as `8:0 Read 4096`.
fn v1_devices(bytes: &str, operations: &str) -> Vec<Io> {
    let mut devices: Vec<Io> = Vec::new();
    for (text, is_bytes) in [(bytes, true), (operations, false)] {
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(at), Some(what), Some(value)) =
                (words.next().and_then(device), words.next(), words.next())
            else {
                continue;
            };
            let index = devices.iter().position(|d| (d.major, d.minor) == at).unwrap_or_else(|| {
                devices.push(Io { major: at.0, minor: at.1, ..Io::default() });
                devices.len() - 1
            });
            let (device, value) = (&mut devices[index], value.parse().unwrap_or(0));
            match (what, is_bytes) {
                ("Read", true) => device.read_bytes = value,
                ("Write", true) => device.write_bytes = value,
                ("Read", false) => device.reads = value,
                ("Write", false) => device.writes = value,
                _ => {}
            }
        }
    }
    devices
}

/// A line such as `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`.
fn v2_device(line: &str) -> Option<Io> {
    let mut words = line.split(' ');
    let (major, minor) = device(words.next()?)?;
    let mut io = Io { major, minor, ..Io::default() };
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        let value = value.parse().ok()?;
        match key {
            "rbytes" => io.read_bytes = value,
            "wbytes" => io.write_bytes = value,
            "rios" => io.reads = value,
            "wios" => io.writes = value,
            _ => {}
        }
    }
    Some(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_of_device_counters_are_understood() {
        let expected = Io { major: 8, minor: 16, read_bytes: 4096, write_bytes: 512, reads: 1, writes: 2 };
        let bytes = "8:16 Read 4096\n8:16 Write 512\n8:16 Sync 0\n8:16 Total 4608\nTotal 4608\n";
        let operations = "8:16 Read 1\n8:16 Write 2\n8:16 Total 3\nTotal 3\n";
        assert_eq!(v1_devices(bytes, operations), [expected]);
        let line = "8:16 rbytes=4096 wbytes=512 rios=1 wios=2 dbytes=0 dios=0";
        assert_eq!(v2_device(line), Some(expected));
        assert_eq!(v2_device("nonsense"), None);
    }
}
