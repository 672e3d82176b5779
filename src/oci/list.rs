//! `state`, `list`, `ps`

use std::io::Write;
use std::path::Path;

use serde_json::Value;

use super::command::ListFormat;
use super::error::Error;
use super::record::{Containers, Status};

/// Prints text; a reader that went away is an error.
pub fn print(text: &str) -> Result<(), Error> {
    writeln!(std::io::stdout(), "{text}").map_err(Error::io("write to", Path::new("stdout")))
}

/// Prints a value as JSON.
pub fn print_json(value: &Value) -> Result<(), Error> {
    print(&format!("{value:#}"))
}

/// Prints a container's state.
pub fn state(containers: &Containers, id: &str) -> Result<u8, Error> {
    print_json(&containers.find(id)?.state()).map(|()| 0)
}

/// Prints all containers.
pub fn list(containers: &Containers, quiet: bool, format: ListFormat) -> Result<u8, Error> {
    let all = containers.all()?;
    if quiet {
        return all.iter().try_for_each(|c| print(&c.record.id)).map(|()| 0);
    }
    let states: Vec<Value> = all.iter().map(|c| c.state()).collect();
    if format == ListFormat::Json {
        return print(&Value::from(states).to_string()).map(|()| 0);
    }
    let columns = ["id", "pid", "status", "bundle", "created", "owner"];
    let mut rows = vec![columns.map(str::to_uppercase)];
    rows.extend(states.iter().map(|state| columns.map(|column| text(&state[column]))));
    table(&rows)
}

fn table(rows: &[[String; 6]]) -> Result<u8, Error> {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        print(cells.collect::<Vec<_>>().join("   ").trim_end())?;
    }
    Ok(0)
}

/// Prints the processes of a container.
pub fn ps(containers: &Containers, id: &str, format: ListFormat) -> Result<u8, Error> {
    let container = containers.find(id)?;
    if container.status() == Status::Stopped {
        return Err(Error::NotRunning);
    }
    let pids = container.cgroup()?.pids()?;
    if format == ListFormat::Json {
        return print(&Value::from(pids).to_string()).map(|()| 0);
    }
    print("PID      PPID     UID      CMD")?;
    for pid in pids {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let status = read("status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()).unwrap_or("?").to_string()
        };
        let command = read("cmdline").replace('\0', " ");
        print(&format!("{pid:<8} {:<8} {:<8} {}", field("PPid:"), field("Uid:"), command.trim_end()))?;
    }
    Ok(0)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}
