//! Where an image can be had: the mirrors of its registry in their order, then the registry itself.

use url::Url;

use super::config::{Registries, is_loopback};
use super::reference::DOCKER_HUB;

/// The host that serves what references call `docker.io`.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// One place that can be asked for an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The name that users know and under which credentials are kept: `docker.io`, `127.0.0.1:5000`.
    pub name: String,
    /// Scheme, host and port.
    pub base: Url,
    /// Goes before the repository's name; often empty.
    pub prefix: String,
    /// Nobody said whether it speaks TLS: it is on loopback, so `base` is plain and TLS comes second.
    pub may_speak_tls: bool,
}

/// A registry's name that makes no URL.
#[derive(Debug, thiserror::Error)]
#[error("'{name}' is no host to connect to")]
pub struct EndpointError {
    /// Host and port as they were given.
    pub name: String,
    source: url::ParseError,
}

impl Endpoint {
    /// All places to ask for images of `registry`, in order.
    pub fn all(registries: &Registries, registry: &str) -> Result<Vec<Self>, EndpointError> {
        let mut endpoints = Vec::new();
        for mirror in registries.get(registry).map_or(&[][..], |entry| &entry.mirrors) {
            let entry = registries.get(&mirror.authority);
            let mut endpoint =
                Self::new(&mirror.authority, mirror.plain_http.or(entry.and_then(|e| e.plain_http)))?;
            endpoint.prefix.clone_from(&mirror.prefix);
            endpoints.push(endpoint);
        }
        endpoints.push(Self::registry(registries, registry)?);
        Ok(endpoints)
    }

    /// The registry itself.
    pub fn registry(registries: &Registries, registry: &str) -> Result<Self, EndpointError> {
        Self::new(registry, registries.get(registry).and_then(|entry| entry.plain_http))
    }

    fn new(name: &str, plain_http: Option<bool>) -> Result<Self, EndpointError> {
        let authority = if name == DOCKER_HUB { DOCKER_HUB_HOST } else { name };
        let (scheme, may_speak_tls) = match plain_http {
            Some(true) => ("http", false),
            Some(false) => ("https", false),
            None if is_loopback(authority) => ("http", true),
            None => ("https", false),
        };
        let base = Url::parse(&format!("{scheme}://{authority}/"))
            .map_err(|source| EndpointError { name: name.to_owned(), source })?;
        Ok(Self { name: name.to_owned(), base, prefix: String::new(), may_speak_tls })
    }

    /// The name of `repository` at this place.
    pub fn repository(&self, repository: &str) -> String {
        if self.prefix.is_empty() { repository.to_owned() } else { format!("{}/{repository}", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bases(config: &str, registry: &str) -> Vec<String> {
        let registries: Registries = toml::from_str(config).unwrap();
        let endpoints = Endpoint::all(&registries, registry).unwrap();
        endpoints.iter().map(|e| format!("{}{}", e.base, e.repository("a/b"))).collect()
    }

    #[test]
    fn mirrors_come_first_in_their_order() {
        let config = r#"["docker.io"]
            mirrors = ["http://127.0.0.1:5000", "https://m.example.com/hub", "10.0.0.1:5000"]"#;
        let expected = [
            "http://127.0.0.1:5000/a/b",
            "https://m.example.com/hub/a/b",
            "https://10.0.0.1:5000/a/b",
            "https://registry-1.docker.io/a/b",
        ];
        assert_eq!(bases(config, "docker.io"), expected);
    }

    #[test]
    fn plain_http_only_on_loopback_or_where_configured() {
        assert_eq!(bases("", "localhost:5000"), ["http://localhost:5000/a/b"]);
        assert_eq!(bases("", "registry.example.com"), ["https://registry.example.com/a/b"]);
        let configured = "['r.example.com']\nplain_http = true\n['localhost:5000']\nplain_http = false";
        assert_eq!(bases(configured, "r.example.com"), ["http://r.example.com/a/b"]);
        assert_eq!(bases(configured, "localhost:5000"), ["https://localhost:5000/a/b"]);
        let mirror = "['q.io']\nmirrors = ['m:5000']\n['m:5000']\nplain_http = true";
        assert_eq!(bases(mirror, "q.io"), ["http://m:5000/a/b", "https://q.io/a/b"]);
    }

    #[test]
    fn a_name_that_is_no_host_is_refused() {
        assert!(Endpoint::all(&Registries::default(), "1.2.3.999").is_err());
    }
}
