//! What `WWW-Authenticate` asks for (RFC 9110 section 11.6.1; distribution, "Token Authentication").

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

use super::Fault;

/// How a registry wants to be shown credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// User and password with every request.
    Basic,
    /// A token from `realm`.
    Bearer {
        /// The URL of the token server.
        realm: String,
        /// The name by which the token server knows the registry.
        service: Option<String>,
        /// What the token must allow.
        scope: Option<String>,
    },
}

/// Reads all challenges; a token is preferred to a password with every request.
pub fn parse(headers: &HeaderMap) -> Result<Challenge, Fault> {
    let mut found = None;
    let mut seen = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let text = value.to_str().map_err(|_| Fault::Challenge("unreadable".to_owned()))?;
        let challenges = http_auth::parse_challenges(text).map_err(|_| Fault::Challenge(text.to_owned()))?;
        for challenge in &challenges {
            seen.push(challenge.scheme.to_owned());
            if challenge.scheme.eq_ignore_ascii_case("bearer")
                && let Some(bearer) = bearer(challenge)
            {
                return Ok(bearer);
            }
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                found = Some(Challenge::Basic);
            }
        }
    }
    found
        .ok_or_else(|| Fault::Challenge(if seen.is_empty() { "nothing".to_owned() } else { seen.join(", ") }))
}

fn bearer(challenge: &http_auth::ChallengeRef<'_>) -> Option<Challenge> {
    let parameter = |name: &str| {
        let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_unescaped())
    };
    Some(Challenge::Bearer {
        realm: parameter("realm")?,
        service: parameter("service"),
        scope: parameter("scope").filter(|scope| !scope.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Challenge, Fault> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        parse(&headers)
    }

    #[test]
    fn reads_what_docker_hub_sends() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/centos:pull""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.docker.io/token".to_owned(),
            service: Some("registry.docker.io".to_owned()),
            scope: Some("repository:library/centos:pull".to_owned()),
        };
        assert_eq!(read(&[hub]).unwrap(), expected);
    }

    #[test]
    fn reads_commas_and_escapes_in_quotes() {
        let text = r#"bearer Realm="https://a/\"t\"", scope="repository:x:pull,push""#;
        let expected = Challenge::Bearer {
            realm: r#"https://a/"t""#.to_owned(),
            service: None,
            scope: Some("repository:x:pull,push".to_owned()),
        };
        assert_eq!(read(&[text]).unwrap(), expected);
    }

    #[test]
    fn prefers_a_token_to_a_password() {
        let bearer = r#"Bearer realm="https://a/t""#;
        assert!(matches!(read(&["Basic realm=\"x\"", bearer]).unwrap(), Challenge::Bearer { .. }));
        let both = format!("Basic realm=\"x\", {bearer}");
        assert!(matches!(read(&[&both]).unwrap(), Challenge::Bearer { .. }));
        assert_eq!(read(&["Basic realm=\"x\""]).unwrap(), Challenge::Basic);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(matches!(read(&[]), Err(Fault::Challenge(_))));
        assert!(matches!(read(&["Negotiate"]), Err(Fault::Challenge(_))));
        assert!(matches!(read(&["Bearer"]), Err(Fault::Challenge(_))));
        assert!(matches!(read(&["\"\""]), Err(Fault::Challenge(_))));
    }
}
