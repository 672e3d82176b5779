//! Platforms: what this machine is, what an image is for, and which entry of an index fits best.

use std::fmt;
use std::str::FromStr;

/// An operating system, an architecture and perhaps a variant of it, in Go's names as image indexes use
/// them (image spec, "Image Index Property Descriptions").
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, `arm`, …
    pub architecture: String,
    /// `v7` of `arm`, `v3` of `amd64`; normalised, so that `arm64` has none for `v8`.
    pub variant: Option<String>,
}

/// A text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no platform; write it as linux/amd64 or linux/arm/v7")]
pub struct PlatformError(pub String);

impl Platform {
    /// The platform of this machine.
    pub fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, None)
    }

    /// A platform with its names brought into their usual form.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let (os, architecture) = (os.to_ascii_lowercase(), architecture.to_ascii_lowercase());
        let variant = variant.unwrap_or_default().to_ascii_lowercase();
        // As containerd's platforms.Normalize does.
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", ""),
            ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", "" | "8" | "v8") => ("arm64", ""),
            ("aarch64" | "arm64", variant) => ("arm64", variant),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("i386" | "i486" | "i586" | "i686" | "x86", _) => ("386", ""),
            ("powerpc64le", variant) => ("ppc64le", variant),
            ("loongarch64", variant) => ("loong64", variant),
            (architecture, variant) => (architecture, variant),
        };
        let variant = Some(variant.to_owned()).filter(|variant| !variant.is_empty());
        Self { os, architecture: architecture.to_owned(), variant }
    }

    /// How well an image for `other` runs here: not at all, or the better the greater. An exact match is
    /// best; a lower variant runs on a higher one.
    pub fn fitness(&self, other: &Platform) -> Option<u32> {
        if (&self.os, &self.architecture) != (&other.os, &other.architecture) {
            return None;
        }
        if self.variant == other.variant {
            return Some(u32::MAX);
        }
        // Of `arm`, no variant means v7 here and everywhere; of the others, the first one.
        match (level(self.variant.as_deref())?, level(other.variant.as_deref())?) {
            (ours, theirs) if theirs <= ours => Some(theirs),
            _ => None,
        }
    }
}

/// `v7` is 7, none is 0, anything else unknown.
fn level(variant: Option<&str>) -> Option<u32> {
    variant.map_or(Some(0), |variant| variant.strip_prefix('v')?.parse().ok())
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// Reads `os/architecture[/variant]`, or an architecture alone.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let word = |part: &&str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        };
        if !parts.iter().all(word) {
            return Err(PlatformError(text.to_owned()));
        }
        match parts[..] {
            [architecture] => Ok(Self::new("linux", architecture, None)),
            [os, architecture] => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::new(os, architecture, Some(variant))),
            _ => Err(PlatformError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn brings_names_into_their_usual_form() {
        for (text, usual) in [
            ("linux/x86_64", "linux/amd64"),
            ("amd64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/v7"),
            ("Linux/ARM/v6", "linux/arm/v6"),
            ("linux/i686", "linux/386"),
        ] {
            assert_eq!(platform(text).to_string(), usual, "{text}");
        }
        for text in ["", "/", "linux/", "linux/amd64/", "a/b/c/d", "linux /amd64", "linux/amd64:x"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_lower_variant_fits_a_higher_one_less_well() {
        let host = platform("linux/arm/v7");
        let fit = |other: &str| host.fitness(&platform(other));
        assert!(fit("linux/arm/v7") > fit("linux/arm/v6"));
        assert!(fit("linux/arm/v6") > fit("linux/arm/v5"));
        assert_eq!(fit("linux/arm/v8"), None);
        assert_eq!(fit("linux/arm64"), None);
        assert_eq!(platform("linux/amd64").fitness(&platform("linux/amd64/v3")), None);
        assert!(platform("linux/amd64/v3").fitness(&platform("linux/amd64")).is_some());
        assert_eq!(platform("linux/amd64").fitness(&platform("windows/amd64")), None);
    }
}
