//! Where a build's result goes.

use std::path::PathBuf;
use std::str::FromStr;

/// One `--output`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// An image in the store, under the build's names.
    Image,
    /// The image's files in a directory, owned by whoever builds.
    Local(PathBuf),
    /// The image's files as an archive; on standard output without a path.
    Tar(Option<PathBuf>),
    /// The image as an archive that is an OCI layout and has Docker's `manifest.json`; on standard output without a path.
    Archive(Option<PathBuf>),
    /// The image as an OCI layout in a directory (image-spec, "Image Layout").
    Layout(PathBuf),
}

/// What is wrong with an `--output`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// A part that is no `KEY=VALUE`.
    #[error("\"{0}\" is no KEY=VALUE; expected DIRECTORY, - or type=local|tar|oci|docker|image[,dest=PATH]")]
    Pair(String),
    /// A key of another type, or of none.
    #[error("type={kind} has no \"{key}\"")]
    Key {
        /// The type.
        kind: String,
        /// The key.
        key: String,
    },
    /// A type that is none.
    #[error("\"{0}\" is no type: local, tar, oci, docker or image")]
    Type(String),
    /// A registry: pushing is a command of its own.
    #[error("a build does not push: name the image with -t, then 'lay push' it")]
    Push,
    /// No path where one is needed.
    #[error("type={0} needs dest=PATH")]
    Dest(String),
    /// `tar=` with something else than true or false.
    #[error("tar= needs true or false, not \"{0}\"")]
    Bool(String),
}

impl Output {
    /// Whether the image is to have its names in the store.
    pub fn is_image(&self) -> bool {
        *self == Self::Image
    }

    /// Whether it goes to standard output.
    pub fn is_stdout(&self) -> bool {
        matches!(self, Self::Tar(None) | Self::Archive(None))
    }
}

impl FromStr for Output {
    type Err = OutputError;

    /// Reads what `docker build --output` takes: a directory, `-`, or `type=…,dest=…`.
    fn from_str(text: &str) -> Result<Self, OutputError> {
        if text == "-" {
            return Ok(Self::Tar(None));
        }
        if !text.contains('=') {
            return Ok(Self::Local(PathBuf::from(text)));
        }
        let (mut kind, mut dest, mut tar) = (String::new(), None, true);
        let mut others = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (key, value) = part.split_once('=').ok_or_else(|| OutputError::Pair(part.to_owned()))?;
            match key {
                "type" => kind = value.to_owned(),
                "dest" => dest = Some(value).filter(|value| *value != "-").map(PathBuf::from),
                "tar" => tar = value.parse().map_err(|_| OutputError::Bool(value.to_owned()))?,
                "push" if value == "true" => return Err(OutputError::Push),
                _ => others.push(key.to_owned()),
            }
        }
        if let Some(key) = others.into_iter().next() {
            return Err(OutputError::Key { kind, key });
        }
        match kind.as_str() {
            "local" => dest.map(Self::Local).ok_or(OutputError::Dest(kind)),
            "tar" => Ok(Self::Tar(dest)),
            "oci" if !tar => dest.map(Self::Layout).ok_or(OutputError::Dest(kind)),
            "oci" => Ok(Self::Archive(dest)),
            // As with Docker, the engine that builds takes it if nobody says where to.
            "docker" if dest.is_none() && !text.contains("dest=") => Ok(Self::Image),
            "docker" if !tar => dest.map(Self::Layout).ok_or(OutputError::Dest(kind)),
            "docker" => Ok(Self::Archive(dest)),
            "image" => Ok(Self::Image),
            "registry" => Err(OutputError::Push),
            _ => Err(OutputError::Type(kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_as_docker_takes_them() {
        let read = |text: &str| text.parse::<Output>();
        let path = || PathBuf::from("out");
        assert_eq!(read("out"), Ok(Output::Local(path())));
        assert_eq!(read("-"), Ok(Output::Tar(None)));
        assert_eq!(read("type=local,dest=out"), Ok(Output::Local(path())));
        assert_eq!(read("type=tar,dest=-"), Ok(Output::Tar(None)));
        assert_eq!(read("type=tar,dest=out"), Ok(Output::Tar(Some(path()))));
        assert_eq!(read("type=oci,dest=out"), Ok(Output::Archive(Some(path()))));
        assert_eq!(read("type=oci,tar=false,dest=out"), Ok(Output::Layout(path())));
        assert_eq!(read("type=docker"), Ok(Output::Image));
        assert_eq!(read("type=docker,dest=-"), Ok(Output::Archive(None)));
        assert_eq!(read("type=local"), Err(OutputError::Dest("local".into())));
        assert_eq!(read("type=zip,dest=out"), Err(OutputError::Type("zip".into())));
        assert_eq!(read("type=registry"), Err(OutputError::Push));
        assert_eq!(read("type=image,push=true"), Err(OutputError::Push));
        let key = || OutputError::Key { kind: "tar".into(), key: "to".into() };
        assert_eq!(read("type=tar,to=out"), Err(key()));
        assert_eq!(read("type=tar,out"), Err(OutputError::Pair("out".into())));
    }
}
