//! What the configuration says about registries: mirrors, plain HTTP, certificates.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use url::{Host, Url};

/// The table `[registry]` of the configuration: one entry a registry, named as in references.
///
/// ```toml
/// [registry."docker.io"]
/// mirrors = ["http://127.0.0.1:5000", "https://mirror.example.com/hub"]
///
/// [registry."registry.example.com:5000"]
/// plain_http = true
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Registries(BTreeMap<String, Registry>);

/// What is configured for one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// Asked in this order before the registry itself.
    #[serde(default)]
    pub mirrors: Vec<Mirror>,
    /// `true`: spoken to without TLS; `false`: TLS even on loopback. Unset: without TLS only on loopback.
    pub plain_http: Option<bool>,
    /// A PEM file of certificates that are trusted for this registry beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// The address of a mirror: `http://127.0.0.1:5000`, `https://host/prefix`, or a host and port alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Mirror {
    /// Without TLS. `None` if the text had no scheme: then the entry of the mirror's own name decides.
    pub(super) plain_http: Option<bool>,
    /// Host and port.
    pub(super) authority: String,
    /// Goes before the repository's name; without slashes at its ends, often empty.
    pub(super) prefix: String,
}

/// A mirror's address that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// Not a URL at all.
    #[error("mirror '{0}' is no address")]
    Address(String, #[source] url::ParseError),
    /// Something other than HTTP.
    #[error("mirror '{0}' must begin with http:// or https://")]
    Scheme(String),
    /// Has a user name, a password, a query or a fragment.
    #[error("mirror '{0}' may hold only a host, a port and a path")]
    Parts(String),
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.plain_http {
            Some(true) => "http://",
            Some(false) => "https://",
            None => "",
        })?;
        f.write_str(&self.authority)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

impl TryFrom<String> for Mirror {
    type Error = MirrorError;

    fn try_from(text: String) -> Result<Self, MirrorError> {
        let (plain_http, whole) = match text.split_once("://") {
            Some(("http", _)) => (Some(true), text.clone()),
            Some(("https", _)) => (Some(false), text.clone()),
            Some(_) => return Err(MirrorError::Scheme(text)),
            None => (None, format!("https://{text}")),
        };
        let url = Url::parse(&whole).map_err(|source| MirrorError::Address(text.clone(), source))?;
        let plain = url.username().is_empty() && url.password().is_none();
        if !plain || url.query().is_some() || url.fragment().is_some() {
            return Err(MirrorError::Parts(text));
        }
        let authority = url.authority().to_owned();
        Ok(Self { plain_http, authority, prefix: url.path().trim_matches('/').to_owned() })
    }
}

impl Registries {
    /// The entry of a registry or of a mirror's host, by its name with port.
    pub fn get(&self, name: &str) -> Option<&Registry> {
        self.0.get(name)
    }

    /// Adds or replaces one entry.
    pub fn insert(&mut self, name: impl Into<String>, registry: Registry) {
        self.0.insert(name.into(), registry);
    }

    /// Lays the entries of a file that counts more over these: an entry replaces that of the same name.
    pub fn overlay(&mut self, over: Registries) {
        self.0.extend(over.0);
    }

    /// All entries by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Registry)> {
        self.0.iter().map(|(name, registry)| (name.as_str(), registry))
    }
}

/// Whether the host of `authority` (`host`, `host:port`, `[v6]:port`) is this machine's loopback.
pub(super) fn is_loopback(authority: &str) -> bool {
    Url::parse(&format!("http://{authority}")).is_ok_and(|url| is_loopback_url(&url))
}

/// Whether the host of `url` is this machine's loopback.
pub(super) fn is_loopback_url(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        registry: Registries,
    }

    #[test]
    fn reads_the_configuration_file() {
        let file: File = toml::from_str(
            r#"
            [registry."docker.io"]
            mirrors = ["http://127.0.0.1:5000", "mirror.example.com:8443/hub/"]
            [registry."plain.example.com"]
            plain_http = true
            ca_file = "/etc/ssl/own.pem"
            "#,
        )
        .unwrap();
        let hub = file.registry.get("docker.io").unwrap();
        assert_eq!(hub.mirrors[0].plain_http, Some(true));
        assert_eq!(hub.mirrors[0].authority, "127.0.0.1:5000");
        assert_eq!(hub.mirrors[1].plain_http, None);
        assert_eq!(hub.mirrors[1].authority, "mirror.example.com:8443");
        assert_eq!(hub.mirrors[1].prefix, "hub");
        assert_eq!(hub.plain_http, None);
        assert_eq!(file.registry.get("plain.example.com").unwrap().plain_http, Some(true));
        assert!(file.registry.get("quay.io").is_none());
    }

    #[test]
    fn refuses_what_would_be_ignored() {
        for text in [
            "[registry.x]\nmirrors = ['ftp://x']",
            "[registry.x]\nmirrors = ['https://user:secret@x']",
            "[registry.x]\nmirrors = ['https://x?ns=docker.io']",
            "[registry.x]\nmirrors = ['https://']",
            "[registry.x]\nmirorrs = []",
        ] {
            assert!(toml::from_str::<File>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_user_s_file_counts_more() {
        let mut system: Registries = toml::from_str("[a]\nplain_http=true\n[b]\nplain_http=true").unwrap();
        system.overlay(toml::from_str("[b]\nplain_http=false").unwrap());
        assert_eq!(system.get("a").unwrap().plain_http, Some(true));
        assert_eq!(system.get("b").unwrap().plain_http, Some(false));
    }

    #[test]
    fn knows_loopback() {
        for yes in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:80", "a.localhost"] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in ["localhost.example.com", "10.0.0.1", "127.0.0.1.nip.io", "[::2]", "docker.io"] {
            assert!(!is_loopback(no), "{no}");
        }
    }
}
