//! Addresses of containers: one file an address, so that it survives crashes and needs no database.

use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::bridge::Bridge;
use super::endpoint::is_usable;
use super::error::Error;

/// The addresses of one bridge.
#[derive(Clone, Debug)]
pub struct Allocator {
    dir: PathBuf,
}

impl Allocator {
    /// The allocator that keeps its files in `dir`.
    pub fn new(dir: PathBuf) -> Allocator {
        Allocator { dir }
    }

    /// Gives `owner` an address: the wanted one, or one that is free. `is_alive` tells whether an owner still counts;
    /// what others leave behind is taken over.
    ///
    /// # Errors
    /// [`Error::NoAddress`], [`Error::AddressInUse`], [`Error::File`].
    pub fn allocate(
        &self,
        bridge: &Bridge,
        owner: &str,
        wanted: Option<Ipv4Addr>,
        is_alive: &dyn Fn(&str) -> bool,
    ) -> Result<Ipv4Addr, Error> {
        fs::create_dir_all(&self.dir).map_err(Error::file("create", &self.dir))?;
        if let Some(address) = wanted {
            let free =
                is_usable(address, bridge.subnet, bridge.gateway) && self.claim(address, owner, is_alive)?;
            return if free { Ok(address) } else { Err(Error::AddressInUse(address)) };
        }
        let (network, broadcast) = (u32::from(bridge.subnet.network()), u32::from(bridge.subnet.broadcast()));
        let count = broadcast - network + 1;
        // The owner's id says where to begin, so that those who start at once rarely meet, and an address that became
        // free is not given away again at once.
        let seed = owner.bytes().fold(0u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
        for step in 0..count {
            let address = Ipv4Addr::from(network + (seed % count + step) % count);
            if is_usable(address, bridge.subnet, bridge.gateway) && self.claim(address, owner, is_alive)? {
                return Ok(address);
            }
        }
        Err(Error::NoAddress { bridge: bridge.name.clone(), subnet: bridge.subnet })
    }

    /// Gives back all that `owner` has.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn release(&self, owner: &str) -> Result<(), Error> {
        let entries = match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(Error::file("list", &self.dir))?,
        };
        for entry in entries.flatten() {
            if fs::read_to_string(entry.path()).is_ok_and(|other| other == owner) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// The file appears with its content in one step, so that a crash cannot leave an address without an owner.
    fn claim(&self, address: Ipv4Addr, owner: &str, is_alive: &dyn Fn(&str) -> bool) -> Result<bool, Error> {
        let path = self.dir.join(address.to_string());
        let mut tmp = tempfile::NamedTempFile::new_in(&self.dir).map_err(Error::file("write", &path))?;
        tmp.write_all(owner.as_bytes()).map_err(Error::file("write", &path))?;
        for _ in 0..2 {
            match tmp.persist_noclobber(&path) {
                Ok(_) => return Ok(true),
                Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => tmp = e.file,
                Err(e) => return Err(Error::file("write", &path)(e.error)),
            }
            match fs::read_to_string(&path) {
                Ok(other) if is_alive(&other) => return Ok(false),
                _ => remove(&path)?,
            }
        }
        Ok(false)
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::file("remove", path)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn bridge(subnet: &str) -> Bridge {
        let subnet: ipnet::Ipv4Net = subnet.parse().unwrap();
        Bridge { name: "x".into(), subnet, gateway: subnet.hosts().next().unwrap(), mtu: None }
    }

    #[test]
    fn every_address_is_given_once_and_dead_owners_lose_theirs() {
        let tmp = tempfile::tempdir().unwrap();
        let (allocator, bridge) = (Allocator::new(tmp.path().join("n")), bridge("10.0.0.0/29"));
        let mut given = HashSet::new();
        for owner in ["a", "b", "c", "d", "e"] {
            given.insert(allocator.allocate(&bridge, owner, None, &|_| true).unwrap());
        }
        assert_eq!(given, (2..=6).map(|n| Ipv4Addr::new(10, 0, 0, n)).collect());
        assert!(matches!(allocator.allocate(&bridge, "f", None, &|_| true), Err(Error::NoAddress { .. })));
        assert!(allocator.allocate(&bridge, "f", None, &|owner| owner != "c").is_ok());
        allocator.release("a").unwrap();
        assert!(allocator.allocate(&bridge, "g", None, &|_| true).is_ok());
    }

    #[test]
    fn an_address_can_be_asked_for() {
        let tmp = tempfile::tempdir().unwrap();
        let (allocator, bridge) = (Allocator::new(tmp.path().to_path_buf()), bridge("10.0.0.0/24"));
        let wanted = Some(Ipv4Addr::new(10, 0, 0, 77));
        assert_eq!(allocator.allocate(&bridge, "a", wanted, &|_| true).ok(), wanted);
        assert!(matches!(allocator.allocate(&bridge, "b", wanted, &|_| true), Err(Error::AddressInUse(_))));
        for special in [0, 1, 255] {
            let wanted = Some(Ipv4Addr::new(10, 0, 0, special));
            assert!(allocator.allocate(&bridge, "b", wanted, &|_| true).is_err(), "{special}");
        }
    }

    #[test]
    fn two_hundred_at_once_get_two_hundred() {
        let tmp = tempfile::tempdir().unwrap();
        let (allocator, bridge) = (Allocator::new(tmp.path().to_path_buf()), bridge("10.0.0.0/24"));
        let work = |owner: usize| allocator.allocate(&bridge, &owner.to_string(), None, &|_| true).unwrap();
        let given: HashSet<Ipv4Addr> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..20)
                .map(|t| scope.spawn(move || (t * 10..t * 10 + 10).map(work).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(given.len(), 200);
    }
}
