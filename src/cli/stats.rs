//! `lay stats`

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::human;
use super::output::{Format, rows};
use crate::container::{self, Container, Sample, Status};

/// Pause between two readings of the live table.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause between the two readings from which a single table takes the processor time.
const SHORT_PAUSE: Duration = Duration::from_millis(200);

/// Processor time that is counted in larger steps than this, in nanoseconds, takes longer to measure.
const STEP: u64 = 1_000_000;

/// Show what containers use, again and again
#[derive(Args, Debug)]
pub struct Stats {
    /// Names or ids of containers; all that run without
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Also those that do not run
    #[arg(short, long)]
    all: bool,
    /// Once
    #[arg(long)]
    no_stream: bool,
    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,
    /// table, json, or a template such as '{{.Name}} {{.CPUPerc}}'
    #[arg(long)]
    format: Option<String>,
}

impl Stats {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let format = Format::parse(self.format.as_deref())?;
        let mut before = self.samples(context)?;
        let live = std::io::stdout().is_terminal() && matches!(format, Format::Table) && !self.no_stream;
        let coarse = before.iter().any(|(_, sample)| sample.usage.cpu_step > STEP);
        let mut pause = if coarse { PAUSE } else { SHORT_PAUSE };
        loop {
            std::thread::sleep(pause);
            let now = self.samples(context)?;
            let row = |(container, sample): &(Container, Sample)| {
                let old = before.iter().find(|(c, _)| c.record.id == container.record.id);
                let mut row = row(container, old.map(|(_, sample)| sample), sample);
                if self.no_trunc {
                    row["ID"] = Value::from(container.record.id.clone());
                }
                row
            };
            let mut objects: Vec<Value> = now.iter().map(row).collect();
            objects.extend(self.idle(context)?);
            if live {
                // To the top, and nothing below.
                let _ = write!(std::io::stdout(), "\x1b[H\x1b[2J");
            }
            rows(&format, &COLUMNS, &objects)?;
            if self.no_stream {
                return Ok(0);
            }
            (before, pause) = (now, PAUSE);
        }
    }

    /// Rows of those that do not run, where they are asked for.
    fn idle(&self, context: &Context) -> Result<Vec<Value>, Failure> {
        if !self.all || !self.containers.is_empty() {
            return Ok(Vec::new());
        }
        let all = context.environment()?.containers.list();
        let all = all.tried(|| "cannot measure the containers".to_string())?;
        let idle = all.into_iter().filter(|c| !matches!(c.status(), Ok(Status::Running(_))));
        Ok(idle.map(|container| self.idle_row(&container)).collect())
    }

    fn idle_row(&self, container: &Container) -> Value {
        let id = if self.no_trunc { &container.record.id } else { container.short_id() };
        json!({
            "ID": id,
            "Container": id,
            "Name": container.record.name,
            "CPUPerc": "0.00%",
            "MemUsage": "0B / 0B",
            "MemPerc": "0.00%",
            "NetIO": "0B / 0B",
            "BlockIO": "0B / 0B",
            "PIDs": 0,
        })
    }

    /// One reading of each; those that end meanwhile are left out where none was named.
    fn samples(&self, context: &Context) -> Result<Vec<(Container, Sample)>, Failure> {
        let env = context.environment()?;
        let tried = || "cannot measure the containers".to_string();
        if self.containers.is_empty() {
            let all = env.containers.list().tried(tried)?;
            let running = all.into_iter().filter(|c| matches!(c.status(), Ok(Status::Running(_))));
            return Ok(running
                .filter_map(|c| container::sample(&c).ok().map(|sample| (c, sample)))
                .collect());
        }
        let named = |name: &String| {
            let tried = || format!("cannot measure {name}");
            let found = env.containers.find(name).tried(tried)?;
            let sample = container::sample(&found).tried(tried)?;
            Ok((found, sample))
        };
        self.containers.iter().map(named).collect()
    }
}

const COLUMNS: [(&str, &str); 8] = [
    ("CONTAINER ID", "ID"),
    ("NAME", "Name"),
    ("CPU %", "CPUPerc"),
    ("MEM USAGE / LIMIT", "MemUsage"),
    ("MEM %", "MemPerc"),
    ("NET I/O", "NetIO"),
    ("BLOCK I/O", "BlockIO"),
    ("PIDS", "PIDs"),
];

fn row(container: &Container, before: Option<&Sample>, now: &Sample) -> Value {
    let usage = &now.usage;
    let cpu = before.map_or(0.0, |old| {
        let used = usage.cpu.saturating_sub(old.usage.cpu) as f64;
        100.0 * used / (now.at - old.at).as_nanos().max(1) as f64
    });
    let limit = usage.memory_limit.unwrap_or_else(total_memory).max(1);
    let known = |text: Option<String>| text.unwrap_or_else(|| "--".to_string());
    let pair = |(a, b): (u64, u64)| format!("{} / {}", human::size(a, 3), human::size(b, 3));
    let memory = known(usage.memory.map(human::binary_size));
    let raw: HashMap<&str, Option<u64>> = [
        ("CPUNanoseconds", Some(usage.cpu)),
        ("ThrottledNanoseconds", usage.throttled),
        ("MemoryBytes", usage.memory),
        ("MemoryPeakBytes", usage.memory_peak),
        ("SwapBytes", usage.swap),
        ("ReadBytes", usage.io.map(|(read, _)| read)),
        ("WriteBytes", usage.io.map(|(_, written)| written)),
    ]
    .into();
    json!({
        "ID": container.short_id(),
        "Container": container.short_id(),
        "Name": container.record.name,
        "CPUPerc": format!("{cpu:.2}%"),
        "MemUsage": format!("{memory} / {}", human::binary_size(limit)),
        "MemPerc": known(usage.memory.map(|memory| format!("{:.2}%", 100.0 * memory as f64 / limit as f64))),
        "NetIO": known(now.traffic.map(pair)),
        "BlockIO": known(usage.io.map(pair)),
        "PIDs": usage.tasks,
        "Raw": raw,
    })
}

/// Memory of the machine, in bytes.
fn total_memory() -> u64 {
    rustix::system::sysinfo().totalram.saturating_mul(u64::from(rustix::system::sysinfo().mem_unit))
}
