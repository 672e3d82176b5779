//! Settings of one link below /proc/sys/net/ipv4/conf; never the global ones.

use std::fs;
use std::path::PathBuf;

use super::error::Error;

/// Sets `net.ipv4.conf.<link>.<key>`. `Ok(true)`: it had another value before.
/// Nothing is written when the value is right, so that a read-only /proc/sys does for a prepared link.
///
/// /proc/sys/net shows the network namespace of the thread that looks.
pub(super) fn set(link: &str, key: &str, value: &str) -> Result<bool, Error> {
    let path = path(link, key);
    let failed = |source| Error::Sysctl { path: path.clone(), source };
    if fs::read_to_string(&path).map_err(failed)?.trim_end() == value {
        return Ok(false);
    }
    fs::write(&path, value).map_err(failed)?;
    Ok(true)
}

/// Whether `net.ipv4.conf.<link>.<key>` has this value; a link that is gone has none.
pub(super) fn is(link: &str, key: &str, value: &str) -> bool {
    fs::read_to_string(path(link, key)).is_ok_and(|text| text.trim_end() == value)
}

/// Whether forwarding is on for the whole namespace.
pub(super) fn forwards_everywhere() -> bool {
    fs::read_to_string("/proc/sys/net/ipv4/ip_forward").is_ok_and(|text| text.trim_end() == "1")
}

/// Has links that come into this namespace ignore IPv6 router advertisements: whoever is on the bridge could else become
/// the way out of all others. A kernel without IPv6 has none.
pub(super) fn ignore_advertisements() -> Result<(), Error> {
    let path = PathBuf::from("/proc/sys/net/ipv6/conf/default/accept_ra");
    match fs::write(&path, "0") {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|source| Error::Sysctl { path, source }),
    }
}

fn path(link: &str, key: &str) -> PathBuf {
    ["/proc/sys/net/ipv4/conf", link, key].iter().collect()
}
