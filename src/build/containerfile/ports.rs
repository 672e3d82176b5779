//! Ports of `EXPOSE`.

use std::fmt;
use std::net::IpAddr;

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, the default.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// What one word of `EXPOSE` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The first port.
    pub first: u16,
    /// The last port, not below the first.
    pub last: u16,
    /// Their protocol.
    pub protocol: Protocol,
    /// Whether the word also names an address or a port of the host, which means nothing in an image.
    pub host: bool,
}

/// A word that names no ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// Neither a port nor a range of them.
    #[error("\"{0}\" is neither a port nor a range of ports")]
    Port(String),
    /// A protocol that is none of the three.
    #[error("unknown protocol \"{0}\"")]
    Protocol(String),
    /// The part before the port is no address.
    #[error("\"{0}\" is no IP address")]
    Address(String),
}

impl Ports {
    /// Reads `80`, `80/udp`, `8000-8010/tcp`, and as Docker does for old times' sake `[address:][host port:]port`.
    ///
    /// # Errors
    /// If the word is none of these.
    pub fn parse(word: &str) -> Result<Self, PortError> {
        let (front, port) = match word.rsplit_once(':') {
            Some((front, port)) => (Some(front), port),
            None => (None, word),
        };
        let (range, protocol) = port.split_once('/').unwrap_or((port, ""));
        let protocol = match protocol.to_ascii_lowercase().as_str() {
            "" | "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => return Err(PortError::Protocol(protocol.to_owned())),
        };
        let bounds = |text: &str| parse_range(text).ok_or_else(|| PortError::Port(text.to_owned()));
        let (first, last) = bounds(range)?;
        if let Some(front) = front {
            let (address, host) = front.rsplit_once(':').unwrap_or(("", front));
            let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
            if !address.is_empty() && bare.parse::<IpAddr>().is_err() {
                return Err(PortError::Address(address.to_owned()));
            }
            if !host.is_empty() {
                let (low, high) = bounds(host)?;
                // A range of the host may stand for one port of the container.
                if last != first && high - low != last - first {
                    return Err(PortError::Port(word.to_owned()));
                }
            }
        }
        Ok(Self { first, last, protocol, host: front.is_some() })
    }

    /// The ports as an image's configuration lists them: `80/tcp`.
    pub fn iter(self) -> impl Iterator<Item = String> {
        (self.first..=self.last).map(move |port| format!("{port}/{}", self.protocol))
    }
}

fn parse_range(text: &str) -> Option<(u16, u16)> {
    // A sign is not taken, though Rust's numbers may have one.
    let port =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(word: &str) -> Vec<String> {
        Ports::parse(word)
            .map(|ports| ports.iter().collect())
            .unwrap_or_else(|error| panic!("{word}: {error}"))
    }

    #[test]
    fn ports_ranges_and_protocols() {
        assert_eq!(listed("80"), ["80/tcp"]);
        assert_eq!(listed("53/udp"), ["53/udp"]);
        assert_eq!(listed("53/UDP"), ["53/udp"]);
        assert_eq!(listed("9/sctp"), ["9/sctp"]);
        assert_eq!(listed("80/"), ["80/tcp"]);
        assert_eq!(listed("8000-8002/tcp"), ["8000/tcp", "8001/tcp", "8002/tcp"]);
        assert_eq!(listed("65535"), ["65535/tcp"]);
    }

    #[test]
    fn parts_of_the_host_are_read_and_told() {
        for word in ["127.0.0.1:80:80", "80:80", "[::1]:80:80", "::80", "8000-8010:80", "127.0.0.1::80"] {
            let ports = Ports::parse(word).unwrap_or_else(|error| panic!("{word}: {error}"));
            assert_eq!((ports.first, ports.last, ports.host), (80, 80, true), "{word}");
        }
        assert_eq!(Ports::parse("80").map(|ports| ports.host), Ok(false));
    }

    #[test]
    fn words_that_are_no_ports() {
        let port = |text: &str| Err(PortError::Port(text.to_owned()));
        for text in ["", "http", "65536", "-1", "+1", "90-80", "1-2-3", "1-", "80 "] {
            assert_eq!(Ports::parse(text), port(text), "{text}");
        }
        assert_eq!(Ports::parse("80/icmp"), Err(PortError::Protocol("icmp".to_owned())));
        assert_eq!(Ports::parse("host:80:80"), Err(PortError::Address("host".to_owned())));
        assert_eq!(Ports::parse("1-3:80-81"), port("1-3:80-81"));
    }
}
