//! `-p`: which port of the host leads to which of the container.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::error::Error;

/// Protocol of a published port.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// Its number in IP headers.
    pub(super) fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Protocol::Tcp { "tcp" } else { "udp" })
    }
}

/// One published port.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct PortMapping {
    /// Address of the host; unspecified for all.
    pub host_address: Ipv4Addr,
    /// Port of the host; 0 for any that is free.
    pub host_port: u16,
    /// Port of the container.
    pub container_port: u16,
    /// Protocol.
    pub protocol: Protocol,
}

impl PortMapping {
    /// Parses `[[ADDRESS:]HOST_PORT:]CONTAINER_PORT[/tcp|udp]`; ports may be ranges of the same length.
    ///
    /// # Errors
    /// [`Error::Mapping`] with what is wrong.
    pub fn parse(text: &str) -> Result<Vec<PortMapping>, Error> {
        parse(text).map_err(|reason| Error::Mapping { text: text.to_string(), reason })
    }
}

fn parse(text: &str) -> Result<Vec<PortMapping>, String> {
    let (ports, protocol) = match text.split_once('/') {
        None | Some((_, "tcp")) => (text.trim_end_matches("/tcp"), Protocol::Tcp),
        Some((ports, "udp")) => (ports, Protocol::Udp),
        Some((_, other)) => return Err(format!("the protocol is tcp or udp, not '{other}'")),
    };
    let (address, host, container) = match ports.split(':').collect::<Vec<_>>().as_slice() {
        [container] => ("", "", *container),
        [host, container] => ("", *host, *container),
        [address, host, container] => (*address, *host, *container),
        _ => return Err("expected [[ADDRESS:]HOST_PORT:]CONTAINER_PORT".to_string()),
    };
    let host_address = match address {
        "" => Ipv4Addr::UNSPECIFIED,
        address => address.parse().map_err(|_| format!("'{address}' is no IPv4 address"))?,
    };
    let (first, last) = range(container)?;
    let hosts = match host {
        "" => vec![0; usize::from(last - first) + 1],
        host => {
            let (from, to) = range(host)?;
            (from..=to).collect()
        }
    };
    if hosts.len() != usize::from(last - first) + 1 {
        return Err("the two ranges differ in length".to_string());
    }
    let mapping =
        |(host_port, container_port)| PortMapping { host_address, host_port, container_port, protocol };
    Ok(hosts.into_iter().zip(first..=last).map(mapping).collect())
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| match text.parse() {
        Ok(0) | Err(_) => Err(format!("'{text}' is no port; ports go from 1 to 65535")),
        Ok(port) => Ok(port),
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first <= last { Ok((first, last)) } else { Err(format!("the range '{text}' ends before it begins")) }
}

impl fmt::Display for PortMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host_address, host_port, container_port, protocol } = self;
        write!(f, "{host_address}:{host_port}->{container_port}/{protocol}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        PortMapping::parse(text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn mappings_as_docker_reads_them() {
        assert_eq!(shown("8080:80"), ["0.0.0.0:8080->80/tcp"]);
        assert_eq!(shown("127.0.0.1:53:5353/udp"), ["127.0.0.1:53->5353/udp"]);
        assert_eq!(shown("80"), ["0.0.0.0:0->80/tcp"]);
        assert_eq!(shown("127.0.0.1::80/tcp"), ["127.0.0.1:0->80/tcp"]);
        assert_eq!(shown("8000-8001:80-81"), ["0.0.0.0:8000->80/tcp", "0.0.0.0:8001->81/tcp"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in
            ["", "0:80", "80:0", "70000:1", "1:2:3:4", "a:80", "80-70:1-11", "1-3:1-2", "x:1:2", "80/sctp"]
        {
            assert!(PortMapping::parse(bad).is_err(), "{bad}");
        }
    }
}
