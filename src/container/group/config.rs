//! The syntax of `cgconfig.conf(5)`: groups with the settings of v1's controllers.

use std::path::PathBuf;

use crate::container::error::Error;
use crate::container::resources::{Rate, Resources, Throttle, parse_bytes};

/// A group out of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// Its name, with `-` for the slashes of nested groups; empty where there is none to make.
    pub name: String,
    /// Its limits.
    pub resources: Resources,
    /// Settings that were not understood.
    pub ignored: Vec<String>,
}

/// Name of a group at a path of `cgconfig.conf` or `cgrules.conf`.
pub(super) fn name_of(path: &str) -> String {
    path.trim_matches('/').replace('/', "-")
}

/// Whether a path is the root of all groups, or stands for many, such as `users/%u`.
pub(super) fn is_no_group(path: &str) -> bool {
    path.contains('%') || matches!(path.trim_matches('/'), "" | ".")
}

/// Reads `group NAME { CONTROLLER { KEY = VALUE; } }`; `mount`, `namespace`, `default` and `perm` sections do not matter here. The
/// root and templates are no groups: all of theirs is ignored.
///
/// # Errors
/// [`Error::GroupFile`] with the line.
pub fn parse_config(text: &str) -> Result<Vec<Imported>, Error> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let mut groups = Vec::new();
    while let Some(word) = parser.next() {
        match word.as_str() {
            "group" | "template" => {
                let name = parser.expect_word()?;
                let is_none = is_no_group(&name);
                let mut group = parser.group(name.clone())?;
                if is_none {
                    let ignored = vec![format!("{word} {name}")];
                    group = Imported { name: String::new(), ignored, ..Imported::default() };
                }
                groups.push(group);
            }
            "mount" | "default" | "namespace" => parser.skip_block()?,
            other => return Err(parser.bad(&format!("expected 'group', found '{other}'"))),
        }
    }
    Ok(groups)
}

struct Parser {
    tokens: Vec<(usize, String)>,
    at: usize,
}

impl Parser {
    fn next(&mut self) -> Option<String> {
        let token = self.tokens.get(self.at).map(|(_, word)| word.clone());
        self.at += 1;
        token
    }

    fn bad(&self, reason: &str) -> Error {
        let at = self.at.saturating_sub(1).min(self.tokens.len().saturating_sub(1));
        let line = self.tokens.get(at).map_or(1, |(line, _)| *line);
        Error::GroupFile { line, reason: reason.to_string() }
    }

    fn expect(&mut self, wanted: &str) -> Result<(), Error> {
        match self.next() {
            Some(word) if word == wanted => Ok(()),
            Some(word) => Err(self.bad(&format!("expected '{wanted}', found '{word}'"))),
            None => Err(self.bad(&format!("expected '{wanted}' before the end"))),
        }
    }

    fn expect_word(&mut self) -> Result<String, Error> {
        match self.next() {
            Some(word) if !["{", "}", "=", ";"].contains(&word.as_str()) => Ok(word),
            _ => Err(self.bad("expected a word")),
        }
    }

    fn skip_block(&mut self) -> Result<(), Error> {
        self.expect("{")?;
        let mut depth = 1;
        while depth > 0 {
            match self.next().as_deref() {
                Some("{") => depth += 1,
                Some("}") => depth -= 1,
                Some(_) => {}
                None => return Err(self.bad("a block is not closed")),
            }
        }
        Ok(())
    }

    fn group(&mut self, name: String) -> Result<Imported, Error> {
        let mut group = Imported { name: name_of(&name), ..Imported::default() };
        self.expect("{")?;
        loop {
            match self.next().as_deref() {
                Some("}") => return Ok(group),
                Some("perm") => self.skip_block()?,
                Some(_) => self.controller(&mut group)?,
                None => return Err(self.bad("a group is not closed")),
            }
        }
    }

    fn controller(&mut self, group: &mut Imported) -> Result<(), Error> {
        self.expect("{")?;
        loop {
            match self.next() {
                Some(word) if word == "}" => return Ok(()),
                Some(key) => {
                    self.expect("=")?;
                    let value = self.expect_word()?;
                    self.expect(";")?;
                    let known = set(&mut group.resources, &key, &value);
                    if !known.ok_or_else(|| self.bad(&format!("'{value}' is no value for {key}")))? {
                        group.ignored.push(key);
                    }
                }
                None => return Err(self.bad("a controller is not closed")),
            }
        }
    }
}

/// Words, quoted words and the signs of the syntax, each with its line. What is quoted may go over several.
fn tokens(text: &str) -> Result<Vec<(usize, String)>, Error> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    loop {
        let next = rest.trim_start();
        line += lines(&rest[..rest.len() - next.len()]);
        rest = match next.strip_prefix('#') {
            Some(comment) => comment.split_once('\n').map_or("", |(_, after)| {
                line += 1;
                after
            }),
            None if next.is_empty() => return Ok(tokens),
            None => {
                let unclosed = || Error::GroupFile { line, reason: "a quote is not closed".into() };
                let (word, after) = word(next).ok_or_else(unclosed)?;
                tokens.push((line, word.to_string()));
                line += lines(word);
                after
            }
        };
    }
}

fn lines(text: &str) -> usize {
    text.matches('\n').count()
}

/// The word that a text begins with, and what follows; none where a quote has no end.
fn word(text: &str) -> Option<(&str, &str)> {
    let signs = ['{', '}', '=', ';'];
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted.split_once('"');
    }
    if text.starts_with(signs) {
        return Some(text.split_at(1));
    }
    let end = |c: char| c.is_whitespace() || signs.contains(&c) || c == '"';
    Some(text.split_at(text.find(end).unwrap_or(text.len())))
}

/// Takes a setting over; false for one that is not known, nothing for a value that makes no sense.
fn set(resources: &mut Resources, key: &str, value: &str) -> Option<bool> {
    let bytes = || match value {
        "-1" => Some(-1),
        value => parse_bytes(value).ok(),
    };
    match key {
        "cpu.cfs_quota_us" => resources.cpu_quota = Some(value.parse().ok()?),
        "cpu.cfs_period_us" => resources.cpu_period = Some(value.parse().ok()?),
        "cpu.shares" => resources.cpu_shares = Some(value.parse().ok()?),
        "cpuset.cpus" => resources.cpuset_cpus = Some(value.to_string()),
        "cpuset.mems" => resources.cpuset_mems = Some(value.to_string()),
        "memory.limit_in_bytes" => resources.memory = Some(bytes()?),
        "memory.memsw.limit_in_bytes" => resources.memory_swap = Some(bytes()?),
        "memory.soft_limit_in_bytes" => resources.memory_reservation = Some(bytes()?),
        "memory.swappiness" => resources.memory_swappiness = Some(value.parse().ok()?),
        "pids.max" => resources.pids_limit = Some(if value == "max" { -1 } else { value.parse().ok()? }),
        "blkio.weight" => resources.blkio_weight = Some(value.parse().ok()?),
        "blkio.throttle.read_bps_device" => resources.throttles.extend(throttles(Rate::ReadBps, value)?),
        "blkio.throttle.write_bps_device" => resources.throttles.extend(throttles(Rate::WriteBps, value)?),
        "blkio.throttle.read_iops_device" => resources.throttles.extend(throttles(Rate::ReadIops, value)?),
        "blkio.throttle.write_iops_device" => resources.throttles.extend(throttles(Rate::WriteIops, value)?),
        _ => return Some(false),
    }
    Some(true)
}

/// A line for each device.
fn throttles(kind: Rate, value: &str) -> Option<Vec<Throttle>> {
    value.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| throttle(kind, line)).collect()
}

/// `MAJOR:MINOR RATE`.
fn throttle(kind: Rate, value: &str) -> Option<Throttle> {
    let (device, rate) = value.split_once(char::is_whitespace)?;
    let rate = u64::try_from(parse_bytes(rate).ok()?).ok()?;
    Some(Throttle { kind, device: PathBuf::from("/dev/block").join(device), rate })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
# The classic example.
mount { cpu = /cgroup/cpu; }
group demogrp {
    perm { task { uid = root; gid = root; } admin { uid = root; } }
    cpu { cpu.cfs_quota_us = 50000; cpu.cfs_period_us=100000; cpu.rt_runtime_us = 1; }
    cpuset { cpuset.cpus = 1; cpuset.mems = 0; }
    memory { memory.limit_in_bytes = 100m; memory.swappiness = 0; }
    blkio { blkio.throttle.read_bps_device = "8:0 1m"; }
}
group a/b { }
"#;

    #[test]
    fn the_classic_file_is_read() {
        let groups = parse_config(FILE).unwrap();
        let demo = &groups[0];
        assert_eq!((demo.name.as_str(), groups[1].name.as_str()), ("demogrp", "a-b"));
        assert_eq!(demo.ignored, ["cpu.rt_runtime_us"]);
        let limits = &demo.resources;
        assert_eq!((limits.cpu_quota, limits.cpu_period), (Some(50_000), Some(100_000)));
        assert_eq!((limits.memory, limits.memory_swappiness), (Some(100 << 20), Some(0)));
        assert_eq!((limits.cpuset_cpus.as_deref(), limits.cpuset_mems.as_deref()), (Some("1"), Some("0")));
        let expected = Throttle { kind: Rate::ReadBps, device: "/dev/block/8:0".into(), rate: 1 << 20 };
        assert_eq!(limits.throttles, [expected]);
    }

    #[test]
    fn templates_the_root_and_long_values_are_read() {
        let text = "template users/%u { cpu { cpu.shares = 5; } }\ngroup . { cpu { cpu.shares = \"1024\"; } }\n\
            group x { # why\n blkio { blkio.throttle.read_bps_device = \"8:0 1m\n8:16 2m\"; } }\nnamespace { cpu = x; }\n";
        let groups = parse_config(text).unwrap();
        let names: Vec<_> = groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["", "", "x"]);
        assert_eq!(
            (groups[0].ignored[0].as_str(), groups[1].ignored[0].as_str()),
            ("template users/%u", "group .")
        );
        let rates: Vec<_> = groups[2].resources.throttles.iter().map(|throttle| throttle.rate).collect();
        assert_eq!(rates, [1 << 20, 2 << 20]);
        let late = parse_config("group x { a { b = \"1\n2\"; } }\nwhat").unwrap_err().to_string();
        assert!(late.contains("line 3"), "{late}");
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, line) in [
            ("group x {\n cpu { cpu.shares 5; }\n}", "line 2"),
            ("group x {\n cpu {", "line 2"),
            ("\nwhat", "line 2"),
            ("group x { memory { memory.limit_in_bytes = many; } }", "line 1"),
            ("group x { a { b = \"c; } }", "line 1"),
        ] {
            let error = parse_config(text).unwrap_err().to_string();
            assert!(error.contains(line), "{text}: {error}");
        }
    }
}
