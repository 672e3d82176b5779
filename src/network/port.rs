//! Published ports as the user writes them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::error::Error;

/// Transport protocol of a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A port of the host that leads to a port of a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortMapping {
    /// Host address at which it is reachable; `0.0.0.0` and `::` are every one.
    pub host_address: IpAddr,
    /// Port on the host; 0 lets any free one be chosen.
    pub host_port: u16,
    /// Last port of a range that begins with `host_port`, of which the first that is free is chosen; none for one port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_last: Option<u16>,
    /// Port inside the container.
    pub container_port: u16,
    /// Protocol.
    pub protocol: Protocol,
}

impl PortMapping {
    /// Where on the host it is.
    pub fn host(&self) -> SocketAddr {
        SocketAddr::new(self.host_address, self.host_port)
    }

    /// The same mapping at the port that was chosen for it.
    pub fn at(&self, host_port: u16) -> PortMapping {
        PortMapping { host_port, host_last: None, ..self.clone() }
    }

    /// The ports of the host that it may have, if not any at all.
    pub(super) fn candidates(&self) -> RangeInclusive<u16> {
        self.host_port..=self.host_last.unwrap_or(self.host_port)
    }

    /// Reads `[address:][host[-host]:]container[-container][/tcp|/udp]`, as Docker's `--publish`.
    /// Ranges must be of one length and give a mapping for each port, but one port of the container may have a range of the
    /// host's, of which it gets one; a missing host port is 0.
    ///
    /// # Errors
    /// [`Error::PortSyntax`].
    pub fn parse(text: &str) -> Result<Vec<Self>, Error> {
        parse(text).map_err(|reason| Error::PortSyntax { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<Vec<PortMapping>, &'static str> {
    let (ports, protocol) = match text.split_once('/') {
        None => (text, Protocol::Tcp),
        Some((ports, "tcp" | "TCP")) => (ports, Protocol::Tcp),
        Some((ports, "udp" | "UDP")) => (ports, Protocol::Udp),
        Some(_) => return Err("the protocol must be tcp or udp"),
    };
    let (rest, container) = match ports.rsplit_once(':') {
        Some((rest, container)) => (Some(rest), container),
        None => (None, ports),
    };
    let (address, host) = match rest.map(|r| r.rsplit_once(':').map_or((None, r), |(a, h)| (Some(a), h))) {
        None => (None, ""),
        Some((None, "")) => return Err("the host port is missing"),
        Some(found) => found,
    };
    let host_address = match address {
        None => Ipv4Addr::UNSPECIFIED.into(),
        Some(address) => host_address(address)?,
    };
    let (first, last) = range(container)?;
    let (host_first, host_last) = if host.is_empty() { (0, 0) } else { range(host)? };
    if first == last {
        let host_last = Some(host_last).filter(|last| *last != host_first);
        let container_port = first;
        return Ok(vec![PortMapping {
            host_address,
            host_port: host_first,
            host_last,
            container_port,
            protocol,
        }]);
    }
    if !host.is_empty() && host_last - host_first != last - first {
        return Err("the ranges differ in length");
    }
    Ok((first..=last)
        .map(|port| PortMapping {
            host_address,
            host_port: if host_first == 0 { 0 } else { host_first + (port - first) },
            host_last: None,
            container_port: port,
            protocol,
        })
        .collect())
}

/// An IPv6 address stands in brackets.
fn host_address(text: &str) -> Result<IpAddr, &'static str> {
    let parsed = match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inside) => inside.parse().map(IpAddr::V6),
        None => text.parse().map(IpAddr::V4),
    };
    parsed.map_err(|_| "the host address is no IP address (one of IPv6 stands in brackets)")
}

fn range(text: &str) -> Result<(u16, u16), &'static str> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first > last { Err("the range ends before it begins") } else { Ok((first, last)) }
}

fn port(text: &str) -> Result<u16, &'static str> {
    // u16's parser takes a sign.
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a port is a number from 1 to 65535");
    }
    match text.parse() {
        Ok(port) if port != 0 => Ok(port),
        _ => Err("a port is a number from 1 to 65535"),
    }
}

/// As Docker's `ps` prints it: `0.0.0.0:8080->80/tcp`, or `0.0.0.0:8000-8010->80/tcp` before a port was chosen.
impl fmt::Display for PortMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.host())?;
        if let Some(last) = self.host_last {
            write!(f, "-{last}")?;
        }
        write!(f, "->{}/{}", self.container_port, self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> Vec<String> {
        PortMapping::parse(text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn reads_what_docker_reads() {
        assert_eq!(printed("8080:80"), ["0.0.0.0:8080->80/tcp"]);
        assert_eq!(printed("80"), ["0.0.0.0:0->80/tcp"]);
        assert_eq!(printed("127.0.0.1:8080:80/udp"), ["127.0.0.1:8080->80/udp"]);
        assert_eq!(printed("127.0.0.1::80"), ["127.0.0.1:0->80/tcp"]);
        assert_eq!(printed("8000-8001:90-91/tcp"), ["0.0.0.0:8000->90/tcp", "0.0.0.0:8001->91/tcp"]);
        assert_eq!(printed("90-91"), ["0.0.0.0:0->90/tcp", "0.0.0.0:0->91/tcp"]);
        assert_eq!(printed("[::1]:8080:80"), ["[::1]:8080->80/tcp"]);
        assert_eq!(printed("[::]::80/udp"), ["[::]:0->80/udp"]);
        assert_eq!(printed("1-65535").len(), 65535);
        assert_eq!(printed("8000-8010:80"), ["0.0.0.0:8000-8010->80/tcp"]);
        assert_eq!(printed("[::1]:8000-8001:80/udp"), ["[::1]:8000-8001->80/udp"]);
        assert_eq!(printed("8000-8000:80"), ["0.0.0.0:8000->80/tcp"]);
    }

    #[test]
    fn refuses_the_rest() {
        for bad in [
            "",
            ":",
            ":80",
            "80:",
            "0",
            "8080:0",
            "0:80",
            "65536",
            "+80",
            "-80",
            "80-",
            "90-80",
            "8000-8002:80-81",
            "8000-8010:80-81",
            "8000:80-81",
            "8010-8000:80",
            "80/sctp",
            "80/",
            "80/tcp/udp",
            "a:b",
            "host:80:80",
            "[::1:80:80",
            "::1:80:80",
            "[1.2.3.4]:80:80",
            "1.2.3:80:80",
            "1.2.3.4:5:80:80",
            " 80",
        ] {
            assert!(matches!(PortMapping::parse(bad), Err(Error::PortSyntax { .. })), "{bad:?}");
        }
    }

    #[test]
    fn survives_being_stored() {
        let mapping = PortMapping::parse("127.0.0.1:53:53/udp").unwrap().remove(0);
        let json = serde_json::to_string(&mapping).unwrap();
        assert_eq!(
            json,
            r#"{"host_address":"127.0.0.1","host_port":53,"container_port":53,"protocol":"udp"}"#
        );
        assert_eq!(serde_json::from_str::<PortMapping>(&json).unwrap(), mapping);
        let range = PortMapping::parse("8000-8010:80").unwrap().remove(0);
        let json = serde_json::to_string(&range).unwrap();
        assert!(json.contains(r#""host_port":8000,"host_last":8010,"#), "{json}");
        assert_eq!(serde_json::from_str::<PortMapping>(&json).unwrap(), range);
    }
}
