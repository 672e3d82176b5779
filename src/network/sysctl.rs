//! Settings of one link below /proc/sys/net; of the global ones, only the bound on known neighbours.

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
/// the way out of all others. On a network without IPv6 they have none of it. A kernel without IPv6 knows neither.
pub(super) fn prepare(speaks_ipv6: bool) -> Result<(), Error> {
    for (key, value) in [("accept_ra", "0"), ("disable_ipv6", if speaks_ipv6 { "0" } else { "1" })] {
        let path = PathBuf::from("/proc/sys/net/ipv6/conf/default").join(key);
        match fs::write(&path, value) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            result => result.map_err(|source| Error::Sysctl { path, source })?,
        }
    }
    Ok(())
}

/// Lets this machine know more neighbours than the 1,024 that the kernel takes for enough.
///
/// The table is one for all network namespaces: forty containers that all talk to each other fill it, and then nobody finds
/// anybody new. A bound that somebody has chosen stays. Other namespaces than the first one do not have the setting.
pub(super) fn know_more_neighbours(ipv6: bool) -> Result<(), Error> {
    const BUILT_IN: [&str; 3] = ["1024", "512", "128"];
    // 256 containers, each knowing each: some 30 MB when full.
    const WANTED: [&str; 3] = ["65536", "32768", "8192"];
    let families: &[&str] = if ipv6 { &["ipv4", "ipv6"] } else { &["ipv4"] };
    for family in families {
        let dir = PathBuf::from(format!("/proc/sys/net/{family}/neigh/default"));
        let file = |n: usize| dir.join(format!("gc_thresh{}", 3 - n));
        let is_built_in =
            |n: usize| fs::read_to_string(file(n)).is_ok_and(|text| text.trim_end() == BUILT_IN[n]);
        if (0..3).all(is_built_in) {
            for (n, wanted) in WANTED.iter().enumerate() {
                fs::write(file(n), wanted).map_err(|source| Error::Sysctl { path: file(n), source })?;
            }
        }
    }
    Ok(())
}

/// Has the link ignore IPv6 router advertisements. A kernel without IPv6 has none.
pub(super) fn refuse_advertisements(link: &str) -> Result<(), Error> {
    let path: PathBuf = ["/proc/sys/net/ipv6/conf", link, "accept_ra"].iter().collect();
    match fs::write(&path, "0") {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|source| Error::Sysctl { path, source }),
    }
}

/// Has the link forward IPv6, or no longer, which few kernels can for one link alone (`force_forwarding`, Linux 6.17).
///
/// # Errors
/// [`Error::Ipv6Forwarding`] where this one cannot.
pub(super) fn forward_ipv6(link: &str, on: bool) -> Result<(), Error> {
    let path = force_forwarding(link);
    match fs::write(&path, if on { "1" } else { "0" }) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && !force_forwarding("all").exists() => {
            Err(Error::Ipv6Forwarding)
        }
        result => result.map_err(|source| Error::Sysctl { path, source }),
    }
}

/// Whether the link does not forward IPv6.
pub(super) fn keeps_ipv6(link: &str) -> bool {
    fs::read_to_string(force_forwarding(link)).is_ok_and(|text| text.trim_end() == "0")
}

fn force_forwarding(link: &str) -> PathBuf {
    ["/proc/sys/net/ipv6/conf", link, "force_forwarding"].iter().collect()
}

/// Whether IPv6 forwarding is on for the whole namespace.
pub(super) fn forwards_ipv6_everywhere() -> bool {
    fs::read_to_string("/proc/sys/net/ipv6/conf/all/forwarding").is_ok_and(|text| text.trim_end() == "1")
}

fn path(link: &str, key: &str) -> PathBuf {
    ["/proc/sys/net/ipv4/conf", link, key].iter().collect()
}
