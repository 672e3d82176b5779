//! Addresses for containers: one symbolic link an address, `<dir>/<bridge>/<address>` → owner.
//!
//! symlink(2) makes the name and its content at once and fails where the name exists, so a crash leaves either the
//! whole allocation or none. A lock on the directory keeps two callers from reclaiming one stale address.

use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use rustix::fs::{FlockOperation, flock};

use super::bridge::Bridge;
use super::error::Error;

/// Link that says which address was given out last.
const LAST: &str = "last";

/// Gives out addresses of bridges' subnets.
#[derive(Debug, Clone)]
pub struct Allocator {
    dir: PathBuf,
}

impl Allocator {
    /// Works in that directory, which is made when needed.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Gives `owner` an address of the bridge's subnet: the wanted one, the one it has already, or the next free one
    /// after the last that was given out, so that an address is not used again soon. An address whose owner is not
    /// `is_alive` is free. Network, broadcast and gateway addresses are never given out.
    ///
    /// # Errors
    /// [`Error::AddressOutside`], [`Error::AddressInUse`] for a wanted one; [`Error::AddressesExhausted`];
    /// [`Error::File`].
    pub fn allocate(
        &self,
        bridge: &Bridge,
        owner: &str,
        wanted: Option<Ipv4Addr>,
        is_alive: &dyn Fn(&str) -> bool,
    ) -> Result<Ipv4Addr, Error> {
        super::link::check_name(&bridge.name)?;
        if let Some(address) = wanted.filter(|a| !usable(bridge, *a)) {
            return Err(Error::AddressOutside { address: address.into(), subnet: bridge.subnet.into() });
        }
        let dir = self.dir.join(&bridge.name);
        fs::create_dir_all(&dir).map_err(failed("create", &dir))?;
        let _lock = lock(&dir)?;
        if let Some(address) = self.keep(&dir, bridge, owner, wanted)? {
            return Ok(address);
        }
        match wanted {
            Some(address) => match take(&dir, address.into(), owner, is_alive)? {
                None => Ok(address),
                Some(owner) => Err(Error::AddressInUse { address: address.into(), owner }),
            },
            None => next(&dir, bridge, owner, is_alive),
        }
    }

    /// The address that the owner has already; others than the wanted one are given back.
    fn keep(
        &self,
        dir: &Path,
        bridge: &Bridge,
        owner: &str,
        wanted: Option<Ipv4Addr>,
    ) -> Result<Option<Ipv4Addr>, Error> {
        let mut kept = None;
        for (path, address) in owned(dir, owner)? {
            let IpAddr::V4(address) = address else { continue };
            if kept.is_none() && usable(bridge, address) && wanted.is_none_or(|w| w == address) {
                kept = Some(address);
            } else {
                remove(&path)?;
            }
        }
        Ok(kept)
    }

    /// Gives `owner` an IPv6 address of the bridge beside its IPv4 one: the wanted one, else the one with the same number in
    /// its subnet, or the next free one. None where the bridge has no IPv6.
    ///
    /// # Errors
    /// As [`Allocator::allocate`].
    pub fn allocate6(
        &self,
        bridge: &Bridge,
        owner: &str,
        beside: Ipv4Addr,
        wanted: Option<Ipv6Addr>,
        is_alive: &dyn Fn(&str) -> bool,
    ) -> Result<Option<Ipv6Addr>, Error> {
        let Some(range) = &bridge.ipv6 else { return Ok(None) };
        let subnet = range.subnet;
        let dir = self.dir.join(&bridge.name);
        let usable = |address: Ipv6Addr| {
            subnet.contains(&address) && address != range.gateway && address != subnet.network()
        };
        let _lock = lock(&dir)?;
        if let Some(address) = wanted {
            let outside = Error::AddressOutside { address: address.into(), subnet: subnet.into() };
            return match usable(address).then(|| take(&dir, address.into(), owner, is_alive)) {
                None => Err(outside),
                Some(taken) => match taken? {
                    None => Ok(Some(address)),
                    Some(by) if by == owner => Ok(Some(address)),
                    Some(owner) => Err(Error::AddressInUse { address: address.into(), owner }),
                },
            };
        }
        let number = u128::from(u32::from(beside) - u32::from(bridge.subnet.network()));
        for step in 0..u128::from(u16::MAX) {
            let address = Ipv6Addr::from(u128::from(subnet.network()).wrapping_add(number + step));
            if usable(address) && take(&dir, address.into(), owner, is_alive)?.is_none_or(|by| by == owner) {
                return Ok(Some(address));
            }
        }
        Err(Error::AddressesExhausted { subnet: subnet.into() })
    }

    /// Gives back the addresses of `owner` on one bridge.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn release_on(&self, bridge: &str, owner: &str) -> Result<(), Error> {
        release_in(&self.dir.join(bridge), owner)
    }

    /// Who has addresses on a bridge, by owner.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn owners(&self, bridge: &str) -> Result<Vec<String>, Error> {
        let dir = self.dir.join(bridge);
        let entries = match fs::read_dir(&dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed("list", &dir))?,
        };
        let mut owners: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<IpAddr>().is_ok()))
            .filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.to_str()?.to_owned()))
            .collect();
        owners.sort();
        owners.dedup();
        Ok(owners)
    }

    /// Forgets a bridge.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn forget(&self, bridge: &str) -> Result<(), Error> {
        let dir = self.dir.join(bridge);
        match fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", &dir)(e)),
            _ => Ok(()),
        }
    }

    /// Gives back all addresses of `owner`, on every bridge. One that has none is fine.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn release(&self, owner: &str) -> Result<(), Error> {
        let bridges = match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result.map_err(failed("list", &self.dir))?,
        };
        for bridge in bridges {
            let dir = bridge.map_err(failed("list", &self.dir))?.path();
            if !dir.is_dir() {
                continue;
            }
            release_in(&dir, owner)?;
        }
        Ok(())
    }
}

fn release_in(dir: &Path, owner: &str) -> Result<(), Error> {
    let _lock = match lock(dir) {
        // The network was removed meanwhile.
        Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
        lock => lock?,
    };
    for (path, _) in owned(dir, owner)? {
        remove(&path)?;
    }
    Ok(())
}

/// The next address that can be taken, beginning after the last one given out.
fn next(
    dir: &Path,
    bridge: &Bridge,
    owner: &str,
    is_alive: &dyn Fn(&str) -> bool,
) -> Result<Ipv4Addr, Error> {
    let pool = bridge.range.unwrap_or(bridge.subnet);
    let (first, size) = (u32::from(pool.network()), span(pool));
    let last = fs::read_link(dir.join(LAST)).ok().and_then(|p| p.to_str()?.parse::<Ipv4Addr>().ok());
    let start = last.filter(|a| pool.contains(a)).map_or(u64::MAX, |a| u64::from(u32::from(a) - first));
    for step in 1..=size {
        let offset = start.wrapping_add(step) % size;
        let Ok(offset) = u32::try_from(offset) else { continue };
        let address = Ipv4Addr::from(first + offset);
        if usable(bridge, address) && take(dir, address.into(), owner, is_alive)?.is_none() {
            remember(dir, address)?;
            return Ok(address);
        }
    }
    Err(Error::AddressesExhausted { subnet: pool.into() })
}

/// Number of addresses in the subnet.
fn span(subnet: Ipv4Net) -> u64 {
    1 << (32 - subnet.prefix_len())
}

fn usable(bridge: &Bridge, address: Ipv4Addr) -> bool {
    let subnet = bridge.subnet;
    // A /31 has neither network nor broadcast address (RFC 3021).
    let special = subnet.prefix_len() < 31 && (address == subnet.network() || address == subnet.broadcast());
    subnet.contains(&address) && address != bridge.gateway && !special
}

/// Makes the address the owner's, or says whose it is.
fn take(
    dir: &Path,
    address: IpAddr,
    owner: &str,
    is_alive: &dyn Fn(&str) -> bool,
) -> Result<Option<String>, Error> {
    let path = dir.join(address.to_string());
    loop {
        match symlink(owner, &path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| None).map_err(failed("create", &path)),
        }
        let holder = fs::read_link(&path).map_err(failed("read", &path))?.to_string_lossy().into_owned();
        if is_alive(&holder) {
            return Ok(Some(holder));
        }
        remove(&path)?;
    }
}

/// Only spares addresses from early reuse, so that losing it in a crash is harmless.
fn remember(dir: &Path, address: Ipv4Addr) -> Result<(), Error> {
    let path = dir.join(LAST);
    remove(&path)?;
    symlink(address.to_string(), &path).map_err(failed("create", &path))
}

/// The allocations of `owner` in one directory.
fn owned(dir: &Path, owner: &str) -> Result<Vec<(PathBuf, IpAddr)>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
        let entry = entry.map_err(failed("list", dir))?;
        let Some(address) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == owner) {
            found.push((entry.path(), address));
        }
    }
    Ok(found)
}

/// Held until the file is dropped.
fn lock(dir: &Path) -> Result<File, Error> {
    let file = File::open(dir).map_err(failed("open", dir))?;
    flock(&file, FlockOperation::LockExclusive).map_err(|e| failed("lock", dir)(e.into()))?;
    Ok(file)
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(e)),
        _ => Ok(()),
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { operation, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge(prefix: u8) -> Bridge {
        let gateway = Ipv4Addr::new(10, 99, 0, 1);
        Bridge { name: "t0".to_owned(), ..Bridge::of(Ipv4Net::new(gateway, prefix).unwrap()) }
    }

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, 0, last)
    }

    const ALIVE: &dyn Fn(&str) -> bool = &|_| true;

    #[test]
    fn gives_each_owner_one_address_and_skips_the_special_ones() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (Allocator::new(dir.path().to_owned()), bridge(29));
        let given: Vec<_> = (0..5).map(|n| a.allocate(&b, &format!("c{n}"), None, ALIVE).unwrap()).collect();
        assert_eq!(given, [ip(2), ip(3), ip(4), ip(5), ip(6)]);
        assert_eq!(a.allocate(&b, "c3", None, ALIVE).unwrap(), ip(5), "it has one");
        assert!(matches!(a.allocate(&b, "c5", None, ALIVE), Err(Error::AddressesExhausted { .. })));
        a.release("c1").unwrap();
        a.release("c1").unwrap();
        assert_eq!(a.allocate(&b, "c5", None, ALIVE).unwrap(), ip(3));
    }

    #[test]
    fn does_not_use_an_address_again_soon() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (Allocator::new(dir.path().to_owned()), bridge(24));
        assert_eq!(a.allocate(&b, "x", None, ALIVE).unwrap(), ip(2));
        a.release("x").unwrap();
        assert_eq!(a.allocate(&b, "y", None, ALIVE).unwrap(), ip(3));
    }

    #[test]
    fn wanted_addresses() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (Allocator::new(dir.path().to_owned()), bridge(24));
        assert_eq!(a.allocate(&b, "x", Some(ip(9)), ALIVE).unwrap(), ip(9));
        let taken = a.allocate(&b, "y", Some(ip(9)), ALIVE).unwrap_err();
        assert_eq!(taken.to_string(), "address 10.99.0.9 is in use by x");
        assert_eq!(a.allocate(&b, "y", Some(ip(9)), &|owner| owner != "x").unwrap(), ip(9));
        assert_eq!(a.allocate(&b, "y", Some(ip(7)), ALIVE).unwrap(), ip(7), "moves");
        assert_eq!(a.allocate(&b, "z", Some(ip(9)), ALIVE).unwrap(), ip(9), "was given back");
        for bad in [ip(0), ip(1), ip(255), Ipv4Addr::new(10, 98, 0, 2)] {
            assert!(matches!(a.allocate(&b, "q", Some(bad), ALIVE), Err(Error::AddressOutside { .. })));
        }
    }

    #[test]
    fn reclaims_from_the_dead() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (Allocator::new(dir.path().to_owned()), bridge(30));
        assert_eq!(a.allocate(&b, "dead", None, ALIVE).unwrap(), ip(2));
        assert_eq!(a.allocate(&b, "new", None, &|owner| owner != "dead").unwrap(), ip(2));
        a.release("dead").unwrap();
        assert_eq!(fs::read_link(dir.path().join("t0/10.99.0.2")).unwrap().to_str(), Some("new"));
    }

    #[test]
    fn many_at_once_get_different_addresses() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (Allocator::new(dir.path().to_owned()), bridge(24));
        let mut given: Vec<Ipv4Addr> = std::thread::scope(|scope| {
            let (a, b) = (&a, &b);
            let one =
                |n| scope.spawn(move || a.allocate(b, &format!("c{n}"), None, &|o| o.len() < 3).unwrap());
            let threads: Vec<_> = (0..40).map(one).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        given.sort();
        given.dedup();
        assert_eq!(given.len(), 40);
    }
}
