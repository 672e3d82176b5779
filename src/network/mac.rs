//! Hardware addresses.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An Ethernet address, written `02:42:0a:57:00:02`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac([u8; 6]);

/// The locally administered address that belongs to an IPv4 address: `02:42` and its four bytes, as Docker does.
/// Neighbours' caches stay right when a container comes back with its address.
pub fn mac_of(address: Ipv4Addr) -> Mac {
    let [a, b, c, d] = address.octets();
    Mac([0x02, 0x42, a, b, c, d])
}

impl Mac {
    /// The six bytes in the order in which they are sent.
    pub fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The text is not six bytes in hexadecimal with colons between.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid hardware address {0:?}")]
pub struct MacError(String);

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let bad = || MacError(text.to_owned());
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|p| p.len() == 2 && !p.starts_with('+')).ok_or_else(bad)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() { Err(bad()) } else { Ok(Self(bytes)) }
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_address() {
        let mac = mac_of(Ipv4Addr::new(10, 87, 0, 2));
        assert_eq!(mac.to_string(), "02:42:0a:57:00:02");
        assert_eq!("02:42:0a:57:00:02".parse(), Ok(mac));
        assert_eq!(serde_json::to_string(&mac).unwrap(), "\"02:42:0a:57:00:02\"");
        assert_eq!(serde_json::from_str::<Mac>("\"02:42:0a:57:00:02\"").unwrap(), mac);
    }

    #[test]
    fn refuses_other_text() {
        for bad in [
            "",
            "02:42:0a:57:00",
            "02:42:0a:57:00:02:03",
            "2:42:0a:57:00:02",
            "02:42:0a:57:00:zz",
            "+2:42:0a:57:00:02",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad:?}");
        }
    }
}
