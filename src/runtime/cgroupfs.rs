//! The control group file systems that a container sees, as the machine has them.

use std::path::Path;

/// One control group file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupFs {
    /// Name of its directory below `/sys/fs/cgroup`; empty where it is mounted there itself.
    pub directory: String,
    /// `cgroup2`, else `cgroup`.
    pub v2: bool,
    /// What tells hierarchies of v1 apart: controllers, or `name=…`.
    pub options: Vec<String>,
}

/// What is mounted at and below `/sys/fs/cgroup`.
///
/// # Errors
/// When `/proc/self/mountinfo` cannot be read.
pub fn detect() -> std::io::Result<Vec<CgroupFs>> {
    Ok(parse(&std::fs::read_to_string("/proc/self/mountinfo")?))
}

fn parse(table: &str) -> Vec<CgroupFs> {
    let mut found: Vec<CgroupFs> = Vec::new();
    for fs in table.lines().filter_map(parse_line) {
        if !found.iter().any(|other| other.directory == fs.directory) {
            found.push(fs);
        }
    }
    found
}

/// One line of proc_pid_mountinfo(5).
fn parse_line(line: &str) -> Option<CgroupFs> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut file_system = file_system.split(' ');
    let v2 = match file_system.next()? {
        "cgroup2" => true,
        "cgroup" => false,
        _ => return None,
    };
    let point = Path::new(mount.split(' ').nth(4)?);
    let directory = point.strip_prefix("/sys/fs/cgroup").ok()?.to_str()?.to_string();
    if directory.contains('/') {
        return None;
    }
    let general = ["rw", "ro", "xattr", "clone_children", "noprefix"];
    let options = file_system.nth(1).unwrap_or_default().split(',');
    let options = options.filter(|o| !general.contains(o) && !o.starts_with("release_agent="));
    let options = if v2 { Vec::new() } else { options.map(str::to_string).collect() };
    Some(CgroupFs { directory, v2, options })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_and_unified() {
        let table = "30 23 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n\
            31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n\
            32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
            33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            34 30 0:29 / /mnt/elsewhere rw - cgroup cgroup rw,cpu,cpuacct\n";
        let fs = |directory: &str, v2, options: &[&str]| CgroupFs {
            directory: directory.into(),
            v2,
            options: options.iter().map(|s| s.to_string()).collect(),
        };
        let expected = [
            fs("unified", true, &[]),
            fs("systemd", false, &["name=systemd"]),
            fs("cpu,cpuacct", false, &["cpu", "cpuacct"]),
        ];
        assert_eq!(parse(table), expected);
        let unified = "31 30 0:27 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n";
        assert_eq!(parse(unified), [fs("", true, &[])]);
    }
}
