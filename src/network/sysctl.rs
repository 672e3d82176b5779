//! Kernel parameters of single links.

use std::fs;
use std::io;
use std::path::Path;

use super::error::Error;

/// Sets a parameter of one link below `/proc/sys/net/ipv4/conf`, if it is not as wanted.
pub fn set(link: &str, name: &str, value: &str) -> Result<(), Error> {
    let path = format!("/proc/sys/net/ipv4/conf/{link}/{name}");
    let path = Path::new(&path);
    if fs::read_to_string(path).is_ok_and(|now| now.trim() == value) {
        return Ok(());
    }
    match fs::write(path, value) {
        // Seen through a read-only /proc/sys; what is missing then shows where it matters.
        Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem => Ok(()),
        result => result.map_err(Error::file("write", path)),
    }
}

/// Names of the links of default routes (proc(5), `/proc/net/route`).
pub fn default_links() -> Vec<String> {
    let table = fs::read_to_string("/proc/thread-self/net/route").unwrap_or_default();
    let default = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (link, destination) = (fields.next()?, fields.next()?);
        let mask = fields.nth(5)?;
        (destination == "00000000" && mask == "00000000").then(|| link.to_string())
    };
    table.lines().skip(1).filter_map(default).collect()
}
