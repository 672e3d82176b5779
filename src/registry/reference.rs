//! Image references as people write them: `centos:7`, `quay.io/a/b@sha256:…`, `[::1]:5000/x`.

use std::fmt;
use std::str::FromStr;

use lay_store::Digest;
use oci_distribution::Reference as Parts;

/// Docker Hub's name in references.
pub const DOCKER_HUB: &str = "docker.io";
/// Docker Hub's older name, which means the same registry.
const DOCKER_HUB_LEGACY: &str = "index.docker.io";
/// Where the official images of Docker Hub live.
const OFFICIAL: &str = "library";
/// What a reference without tag and digest means.
const DEFAULT_TAG: &str = "latest";
/// The longest repository name, in bytes, as Docker has it.
const NAME_MAX: usize = 255;
/// The longest tag, in bytes (distribution spec, "Pulling manifests").
const TAG_MAX: usize = 128;

/// A reference to an image, complete: registry, repository, and a tag, a digest or both.
///
/// The parts are `oci_distribution`'s. The text is taken apart here, because that crate's regular
/// expression takes 40 ms to compile, which is more than starting a container may take.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    parts: Parts,
    digest: Option<Digest>,
}

/// A text that is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid image reference '{text}'")]
pub struct ReferenceError {
    /// What was to be read.
    pub text: String,
    /// What is wrong with it.
    #[source]
    pub problem: ReferenceProblem,
}

/// What is wrong with a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceProblem {
    /// There is no repository name.
    #[error("the repository name is missing")]
    NameMissing,
    /// The repository name holds capitals.
    #[error("the repository name must be lowercase")]
    Uppercase,
    /// The repository name is longer than [`NAME_MAX`].
    #[error("the repository name is longer than {NAME_MAX} characters")]
    NameTooLong,
    /// A component of the name breaks the grammar.
    #[error("the repository name may hold only a-z and 0-9, separated by '.', '_', '__', '-' or '/'")]
    Name,
    /// The name could be taken for an image id.
    #[error("a repository name of 64 hexadecimal digits looks like an image id")]
    LooksLikeId,
    /// The part before the first slash is no host name with an optional port.
    #[error("the registry is no host name with an optional port")]
    Registry,
    /// The tag breaks the grammar.
    #[error("a tag has up to {TAG_MAX} of A-Z, a-z, 0-9, '_', '.', '-' and does not begin with '.' or '-'")]
    Tag,
    /// The digest is not `sha256:` and 64 lowercase hexadecimal digits.
    #[error("a digest is 'sha256:' and 64 lowercase hexadecimal digits")]
    Digest,
}

impl Reference {
    /// Reads a reference and completes it as Docker does: `centos` means `docker.io/library/centos:latest`.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        parse(text).map_err(|problem| ReferenceError { text: text.to_owned(), problem })
    }

    /// The name of the registry, with its port: `docker.io`, `127.0.0.1:5000`.
    pub fn registry(&self) -> &str {
        self.parts.registry()
    }

    /// The repository inside the registry: `library/centos`.
    pub fn repository(&self) -> &str {
        self.parts.repository()
    }

    /// The tag; absent only where a digest is present.
    pub fn tag(&self) -> Option<&str> {
        self.parts.tag()
    }

    /// The digest of the manifest or index that is meant.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// What a registry is asked for: the digest if there is one, else the tag.
    pub(super) fn selector(&self) -> &str {
        self.parts.digest().or(self.parts.tag()).unwrap_or(DEFAULT_TAG)
    }

    /// The complete form: `docker.io/library/centos:7`.
    pub fn canonical(&self) -> String {
        self.parts.whole()
    }

    /// The form that people write and the store keeps: `centos:7`, `quay.io/a/b:c`.
    pub fn familiar(&self) -> String {
        let whole = self.parts.whole();
        let Some(name) = whole.strip_prefix("docker.io/") else { return whole };
        match name.strip_prefix("library/") {
            Some(official) if !self.official_name().contains('/') => official.to_owned(),
            _ => name.to_owned(),
        }
    }

    fn official_name(&self) -> &str {
        self.repository().strip_prefix("library/").unwrap_or(self.repository())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.familiar())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({})", self.canonical())
    }
}

fn parse(text: &str) -> Result<Reference, ReferenceProblem> {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(parse_digest(digest)?)),
        None => (text, None),
    };
    let (registry, rest) = split_registry(name)?;
    let (path, tag) = match rest.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (rest, None),
    };
    check_path(path)?;
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err(ReferenceProblem::Tag);
    }
    if registry.is_none() && path.len() == 64 && path.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(ReferenceProblem::LooksLikeId);
    }
    let registry = registry.filter(|r| *r != DOCKER_HUB_LEGACY).unwrap_or(DOCKER_HUB).to_owned();
    let repository = if registry == DOCKER_HUB && !path.contains('/') {
        format!("{OFFICIAL}/{path}")
    } else {
        path.to_owned()
    };
    if repository.len() > NAME_MAX {
        return Err(ReferenceProblem::NameTooLong);
    }
    let parts = match (tag, digest) {
        (Some(tag), Some(digest)) => {
            Parts::with_tag_and_digest(registry, repository, tag.to_owned(), digest.to_string())
        }
        (None, Some(digest)) => Parts::with_digest(registry, repository, digest.to_string()),
        (tag, None) => Parts::with_tag(registry, repository, tag.unwrap_or(DEFAULT_TAG).to_owned()),
    };
    Ok(Reference { parts, digest })
}

fn parse_digest(text: &str) -> Result<Digest, ReferenceProblem> {
    text.parse().map_err(|_| ReferenceProblem::Digest)
}

/// Splits off the registry: what stands before the first slash, if it has a dot, a port, is `localhost`
/// or an address in brackets. A path component can be none of these.
fn split_registry(name: &str) -> Result<(Option<&str>, &str), ReferenceProblem> {
    let Some((first, rest)) = name.split_once('/') else { return Ok((None, name)) };
    if !first.contains(['.', ':']) && first != "localhost" {
        return Ok((None, name));
    }
    if is_registry(first) { Ok((Some(first), rest)) } else { Err(ReferenceProblem::Registry) }
}

fn is_registry(text: &str) -> bool {
    if let Some(bracketed) = text.strip_prefix('[') {
        return bracketed.split_once(']').is_some_and(|(address, port)| {
            address.parse::<std::net::Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= TAG_MAX
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn check_path(path: &str) -> Result<(), ReferenceProblem> {
    if path.is_empty() {
        return Err(ReferenceProblem::NameMissing);
    }
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(ReferenceProblem::Uppercase);
    }
    if path.split('/').all(is_component) { Ok(()) } else { Err(ReferenceProblem::Name) }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` (distribution spec, "Pulling manifests").
fn is_component(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    ends.is_some_and(|(first, last)| alphanumeric(*first) && alphanumeric(*last))
        && bytes
            .split(|b| alphanumeric(*b))
            .all(|separator| matches!(separator, b"" | b"." | b"_" | b"__") || all_dashes(separator))
}

fn all_dashes(separator: &[u8]) -> bool {
    separator.iter().all(|b| *b == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHA: &str = "sha256:cee59fe46f774c12d958d143e887ecc2f0a8c0971d1f5515daa575b6970d510d";

    fn forms(text: &str) -> (String, String) {
        let reference = Reference::parse(text).unwrap();
        (reference.canonical(), reference.familiar())
    }

    #[test]
    fn completes_and_shortens_as_docker_does() {
        // From the tests of github.com/distribution/reference (normalize_test.go).
        for (text, canonical, familiar) in [
            ("centos", "docker.io/library/centos:latest", "centos:latest"),
            ("centos:7", "docker.io/library/centos:7", "centos:7"),
            ("library/centos:7", "docker.io/library/centos:7", "centos:7"),
            ("docker.io/library/centos:7", "docker.io/library/centos:7", "centos:7"),
            ("index.docker.io/centos:7", "docker.io/library/centos:7", "centos:7"),
            ("docker.io/centos", "docker.io/library/centos:latest", "centos:latest"),
            ("dmcgowan/notary", "docker.io/dmcgowan/notary:latest", "dmcgowan/notary:latest"),
            ("library/foo/bar", "docker.io/library/foo/bar:latest", "library/foo/bar:latest"),
            ("quay.io/a/b/c:1", "quay.io/a/b/c:1", "quay.io/a/b/c:1"),
            ("127.0.0.1:5000/x", "127.0.0.1:5000/x:latest", "127.0.0.1:5000/x:latest"),
            ("localhost/x:y", "localhost/x:y", "localhost/x:y"),
            ("test.com:5000", "docker.io/library/test.com:5000", "test.com:5000"),
            ("[::1]:5000/a/b", "[::1]:5000/a/b:latest", "[::1]:5000/a/b:latest"),
            ("a--b/c__d.e_f", "docker.io/a--b/c__d.e_f:latest", "a--b/c__d.e_f:latest"),
        ] {
            assert_eq!(forms(text), (canonical.to_owned(), familiar.to_owned()), "{text}");
        }
    }

    #[test]
    fn takes_digests_alone_and_with_a_tag() {
        let alone = Reference::parse(&format!("centos@{SHA}")).unwrap();
        assert_eq!((alone.tag(), alone.digest().unwrap().to_string()), (None, SHA.to_owned()));
        assert_eq!(alone.selector(), SHA);
        assert_eq!(alone.familiar(), format!("centos@{SHA}"));
        let both = Reference::parse(&format!("localhost:5000/centos:7@{SHA}")).unwrap();
        assert_eq!(both.tag(), Some("7"));
        assert_eq!(both.selector(), SHA);
        assert_eq!(both.canonical(), format!("localhost:5000/centos:7@{SHA}"));
    }

    #[test]
    fn refuses_by_name() {
        use ReferenceProblem::*;
        for (text, problem) in [
            ("", NameMissing),
            (":7", NameMissing),
            ("docker.io/", NameMissing),
            ("Centos:7", Uppercase),
            ("Centos/x", Uppercase),
            ("centos:", Tag),
            ("centos:-1", Tag),
            ("a:b:c", Tag),
            ("../../etc/passwd", Registry),
            ("x/../y", Name),
            ("a//b", Name),
            ("-a", Name),
            ("a/-b", Name),
            ("a..b", Name),
            ("a___b", Name),
            ("a b", Name),
            ("centos@sha256:../../x", Digest),
            ("centos@sha256:abc", Digest),
            ("centos@", Digest),
            ("http://x/y", Registry),
            ("host:99999/x", Registry),
            ("[::1/x", Registry),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", LooksLikeId),
        ] {
            assert_eq!(Reference::parse(text).unwrap_err().problem, problem, "{text}");
        }
        assert!(Reference::parse(&format!("a/{}", "b".repeat(256))).is_err());
        assert!(Reference::parse(&format!("centos:{}", "b".repeat(129))).is_err());
        assert!(Reference::parse(&format!("centos@{}", SHA.to_uppercase())).is_err());
    }

    proptest! {
        /// `oci_distribution`'s own parser is the peer: what we take, it takes, and reads the same.
        #[test]
        fn agrees_with_oci_distribution(text in "[a-zA-Z0-9.:/@_-]{1,24}") {
            let theirs: Result<Parts, _> = text.parse();
            match (Reference::parse(&text), theirs) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours.canonical(), theirs.whole()),
                (Ok(ours), Err(theirs)) => prop_assert!(false, "{} {}", ours, theirs),
                // Stricter here: capitals in a name, ports over 65535, leading dashes after a separator.
                (Err(_), _) => {}
            }
        }

        #[test]
        fn takes_every_name_of_the_grammar(
            text in "([a-z0-9]{1,4}\\.[a-z]{2}(:[1-9][0-9]{0,3})?/)?[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,3}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,5})?"
        ) {
            prop_assert!(Reference::parse(&text).is_ok());
            let familiar = Reference::parse(&text).unwrap().familiar();
            prop_assert_eq!(Reference::parse(&familiar).unwrap(), Reference::parse(&text).unwrap());
        }
    }
}
