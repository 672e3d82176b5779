//! User namespace mappings (`user_namespaces(7)`).

use std::fmt::Write;
use std::path::Path;

use oci_spec::runtime::{LinuxIdMapping, LinuxIdMappingBuilder};

use super::error::Error;

/// Writes both maps of a process's user namespace; nothing where there is none of its own.
pub fn write(pid: i32, uids: &[LinuxIdMapping], gids: &[LinuxIdMapping]) -> Result<(), Error> {
    // The gid map first: until the uid map stands, the process can do nothing with it.
    for (file, mappings) in [("gid_map", gids), ("uid_map", uids)] {
        let path = format!("/proc/{pid}/{file}");
        std::fs::write(Path::new(&path), text(mappings)).map_err(Error::proc(&path))?;
    }
    Ok(())
}

/// Reads both maps of a process's user namespace: of users and of groups.
pub fn read(pid: i32) -> Result<(Vec<LinuxIdMapping>, Vec<LinuxIdMapping>), Error> {
    let read = |file: &str| -> Result<Vec<LinuxIdMapping>, Error> {
        let path = format!("/proc/{pid}/{file}");
        let text = std::fs::read_to_string(&path).map_err(Error::proc(&path))?;
        Ok(parse(&text))
    };
    Ok((read("uid_map")?, read("gid_map")?))
}

fn parse(text: &str) -> Vec<LinuxIdMapping> {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let mut next = || numbers.next()?.ok();
        let mapping = LinuxIdMappingBuilder::default().container_id(next()?).host_id(next()?).size(next()?);
        mapping.build().ok()
    };
    text.lines().filter_map(line).collect()
}

/// All lines at once, since the kernel takes one write only.
fn text(mappings: &[LinuxIdMapping]) -> String {
    mappings.iter().fold(String::new(), |mut text, m| {
        let _ = writeln!(text, "{} {} {}", m.container_id(), m.host_id(), m.size());
        text
    })
}

/// The host's id for an id of the container; itself without mappings.
pub fn host_id(mappings: &[LinuxIdMapping], id: u32) -> Option<u32> {
    if mappings.is_empty() {
        return Some(id);
    }
    let covers = |m: &&LinuxIdMapping| id >= m.container_id() && id - m.container_id() < m.size();
    mappings.iter().find(covers).map(|m| m.host_id() + (id - m.container_id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(container: u32, host: u32, size: u32) -> LinuxIdMapping {
        LinuxIdMappingBuilder::default().container_id(container).host_id(host).size(size).build().unwrap()
    }

    #[test]
    fn ids_map_by_range() {
        let maps = [mapping(0, 100_000, 1000), mapping(1000, 5000, 1)];
        assert_eq!(text(&maps), "0 100000 1000\n1000 5000 1\n");
        assert_eq!(parse("         0     100000       1000\n1000 5000 1\n"), maps);
        assert_eq!(host_id(&maps, 999), Some(100_999));
        assert_eq!(host_id(&maps, 1000), Some(5000));
        assert_eq!(host_id(&maps, 1001), None);
        assert_eq!(host_id(&[], 7), Some(7));
    }
}
