//! Subnets for networks that name none.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sha2::{Digest, Sha256};

use crate::container::error::Error;

/// Prefix length of the subnets that are taken from the pool: 253 containers.
const LENGTH: u8 = 24;

/// The first subnet of the pool that overlaps with none of those that are taken.
pub fn choose(pool: Ipv4Net, taken: &[IpNet]) -> Result<Ipv4Net, Error> {
    let length = LENGTH.max(pool.prefix_len());
    let mut all = pool.subnets(length).into_iter().flatten();
    let free = |net: &Ipv4Net| !taken.iter().any(|other| overlap(&IpNet::V4(*net), other));
    all.find(free).ok_or(Error::NoSubnet(pool))
}

/// An IPv6 subnet of unique local addresses (RFC 4193), which follows from the network's id.
pub fn choose6(id: &str) -> Ipv6Net {
    let digest = Sha256::digest(id);
    let mut octets = [0; 16];
    octets[0] = 0xfd;
    octets[1..8].copy_from_slice(&digest[..7]);
    Ipv6Net::new_assert(octets.into(), 64)
}

/// Whether two subnets share addresses.
pub fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn skips_what_is_taken() {
        let pool: Ipv4Net = "10.90.0.0/22".parse().unwrap();
        let chosen = |taken: &[&str]| {
            choose(pool, &taken.iter().map(|text| net(text)).collect::<Vec<_>>()).map(|net| net.to_string())
        };
        assert_eq!(chosen(&[]).unwrap(), "10.90.0.0/24");
        assert_eq!(chosen(&["10.90.0.0/24", "10.90.1.128/25", "fd00::/8"]).unwrap(), "10.90.2.0/24");
        assert!(chosen(&["10.0.0.0/8"]).is_err());
    }

    #[test]
    fn ipv6_is_local_and_of_the_id() {
        let (one, two) = (choose6("a"), choose6("b"));
        assert!(one != two && one == choose6("a"));
        assert!(net("fc00::/7").contains(&IpNet::V6(one)));
    }
}
