//! What a user says of a container on a network: `--network`, `lay network connect`.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::container::error::Error;
use crate::network::Mac;

/// A container that is to be on a network.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Join {
    /// Name or id of the network.
    pub network: String,
    /// A fixed address.
    pub ipv4: Option<Ipv4Addr>,
    /// A fixed IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// A fixed hardware address.
    pub mac: Option<Mac>,
    /// Further names, for the others on this network.
    pub aliases: Vec<String>,
}

impl Join {
    /// A container on that network, without further wishes.
    pub fn to(network: &str) -> Join {
        Join { network: network.to_string(), ..Join::default() }
    }

    /// Reads `NAME`, `NAME:ip=ADDRESS,mac=ADDRESS,alias=NAME`, or Docker's `name=NAME,ip=ADDRESS,…`.
    ///
    /// # Errors
    /// [`Error::Flag`] with what cannot be read.
    pub fn parse(text: &str) -> Result<Join, Error> {
        let bad = |reason: String| Error::Flag { flag: "--network", value: text.to_string(), reason };
        let (name, options) = match text.split_once(':') {
            _ if text.starts_with("name=") || text.contains(",name=") => ("", text),
            Some((name, options)) => (name, options),
            None => (text, ""),
        };
        let mut join = Join::to(name);
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let (key, value) =
                option.split_once('=').ok_or_else(|| bad(format!("'{option}' is not KEY=VALUE")))?;
            let wrong = |what: &str| bad(format!("'{value}' is no {what}"));
            match key {
                "name" => join.network = value.to_string(),
                "ip" | "ip4" => join.ipv4 = Some(value.parse().map_err(|_| wrong("IPv4 address"))?),
                "ip6" => join.ipv6 = Some(value.parse().map_err(|_| wrong("IPv6 address"))?),
                "mac" | "mac-address" => {
                    join.mac = Some(value.parse().map_err(|_| wrong("hardware address"))?);
                }
                "alias" => join.aliases.push(value.to_string()),
                _ => return Err(bad(format!("there is no option {key}: known are ip, ip6, mac and alias"))),
            }
        }
        join.check()?;
        Ok(join)
    }

    /// Refuses names that could not be told to others, and hardware addresses that no link can have.
    ///
    /// # Errors
    /// [`Error::Flag`].
    pub fn check(&self) -> Result<(), Error> {
        let bad = |value: &str, reason: &str| Error::Flag {
            flag: "--network",
            value: value.to_string(),
            reason: reason.to_string(),
        };
        if self.network.is_empty() {
            return Err(bad("", "it names no network"));
        }
        let is_name = |name: &str| {
            let part = |part: &str| {
                !part.is_empty()
                    && part.len() < 64
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            };
            name.len() < 254 && name.split('.').all(part)
        };
        if let Some(alias) = self.aliases.iter().find(|alias| !is_name(alias)) {
            return Err(bad(alias, "an alias is a host name"));
        }
        match self.mac {
            Some(mac) if mac.octets()[0] & 1 == 1 || mac.octets() == [0; 6] => {
                Err(bad(&mac.to_string(), "this is the hardware address of many, or of none"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms() {
        let wanted = Join {
            network: "db".to_string(),
            ipv4: Some(Ipv4Addr::new(10, 1, 2, 3)),
            ipv6: Some("fd00::3".parse().unwrap()),
            mac: Some("02:42:00:00:00:09".parse().unwrap()),
            aliases: vec!["a".to_string(), "b.c".to_string()],
        };
        let options = "ip=10.1.2.3,ip6=fd00::3,mac=02:42:00:00:00:09,alias=a,alias=b.c";
        assert_eq!(Join::parse(&format!("db:{options}")).unwrap(), wanted);
        assert_eq!(Join::parse(&format!("name=db,{options}")).unwrap(), wanted);
        assert_eq!(Join::parse("db").unwrap(), Join::to("db"));
    }

    #[test]
    fn refuses_the_rest() {
        for bad in [
            "",
            ":ip=10.0.0.1",
            "db:ip",
            "db:ip=x",
            "db:mac=01:00:5e:00:00:01",
            "db:alias=a b",
            "db:alias=",
            "db:alias=a..b",
            "db:speed=1",
        ] {
            assert!(Join::parse(bad).is_err(), "{bad}");
        }
    }
}
