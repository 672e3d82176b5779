//! The processes of a container, as ps(1) of this machine shows them.

use std::collections::HashSet;
use std::process::Command;

use super::error::Error;
use super::members::pids;
use super::record::Container;

/// Runs `ps` with the given options (`-ef` without) and returns its heading and the lines that are the container's.
///
/// # Errors
/// [`Error::NotRunning`]; [`Error::Ps`] when `ps` is not there, refuses its options or shows no PIDs.
pub fn top(container: &Container, options: &[String]) -> Result<Vec<String>, Error> {
    let running = container.require_running()?;
    let options = if options.is_empty() { &["-ef".to_string()][..] } else { options };
    let pids = pids(container, &running)?;
    let chosen = format!("-q{}", pids.iter().map(i32::to_string).collect::<Vec<_>>().join(","));
    // Not every ps takes a list, nor with every option.
    let table = run(&[options, &[chosen]].concat()).or_else(|_| run(options))?;
    own(&table, &pids)
}

fn run(options: &[String]) -> Result<String, Error> {
    let output = Command::new("ps").args(options).output();
    let output =
        output.map_err(|e| Error::Ps(format!("cannot run ps of this machine: {e} (install procps)")))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let words = words.lines().find(|line| !line.trim().is_empty()).unwrap_or("it failed").to_string();
        return Err(Error::Ps(format!("ps: {}", words.trim_start_matches("error: "))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn own(table: &str, pids: &HashSet<i32>) -> Result<Vec<String>, Error> {
    let mut lines = table.lines();
    let heading = lines.next().unwrap_or_default();
    let column = heading.split_whitespace().position(|name| name == "PID");
    let column = column.ok_or_else(|| Error::Ps("these options of ps show no column PID".to_string()))?;
    let pid = |line: &str| line.split_whitespace().nth(column)?.parse::<i32>().ok();
    let own = lines.filter(|line| pid(line).is_some_and(|pid| pids.contains(&pid)));
    Ok(std::iter::once(heading).chain(own).map(str::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_chosen_by_the_column_pid() {
        let table = "UID PID PPID CMD\nroot 7 1 init 9\nroot 9 7 sh\n";
        let lines = own(table, &HashSet::from([9])).unwrap();
        assert_eq!(lines, ["UID PID PPID CMD", "root 9 7 sh"]);
        assert!(own("UID CMD\nroot sh\n", &HashSet::from([9])).is_err());
    }
}
