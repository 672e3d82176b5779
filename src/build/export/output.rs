//! Where a build's result goes.

use std::path::PathBuf;
use std::str::FromStr;

/// One `--output`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// An image in the store, under the build's names.
    Image {
        /// Names for an image that has no others.
        names: Vec<String>,
        /// It goes to the registry of each of its names too.
        push: bool,
    },
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
    #[error(
        "\"{0}\" is no KEY=VALUE; expected DIRECTORY, - or type=local|tar|oci|docker|image|registry[,dest=PATH]"
    )]
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
    #[error("\"{0}\" is no type: local, tar, oci, docker, image or registry")]
    Type(String),
    /// No path where one is needed.
    #[error("type={0} needs dest=PATH")]
    Dest(String),
    /// `tar=` or `push=` with something else than true or false.
    #[error("{key}= needs true or false, not \"{value}\"")]
    Bool {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
}

impl Output {
    /// Whether the image is to have its names in the store.
    pub fn is_image(&self) -> bool {
        matches!(self, Self::Image { .. })
    }

    /// Whether it is pushed.
    pub fn is_pushed(&self) -> bool {
        matches!(self, Self::Image { push: true, .. })
    }

    /// Whether it is files without an image that they belong to.
    pub fn is_files(&self) -> bool {
        matches!(self, Self::Local(_) | Self::Tar(_))
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
        let (mut kind, mut dest, mut tar, mut push) = (String::new(), None, true, false);
        let (mut names, mut others) = (Vec::new(), Vec::new());
        for part in text.split(',').map(str::trim) {
            let (key, value) = part.split_once('=').ok_or_else(|| OutputError::Pair(part.to_owned()))?;
            match key {
                "type" => kind = value.to_owned(),
                "dest" => dest = Some(value).filter(|value| *value != "-").map(PathBuf::from),
                "tar" => tar = switch("tar", value)?,
                "push" => push = switch("push", value)?,
                "name" => names.push(value.to_owned()),
                _ => others.push(key.to_owned()),
            }
        }
        if !matches!(kind.as_str(), "image" | "registry") {
            others.extend(push.then(|| "push".to_owned()));
            others.extend(names.first().map(|_| "name".to_owned()));
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
            "docker" if dest.is_none() && !text.contains("dest=") => Ok(Self::Image { names, push }),
            "docker" if !tar => dest.map(Self::Layout).ok_or(OutputError::Dest(kind)),
            "docker" => Ok(Self::Archive(dest)),
            "image" => Ok(Self::Image { names, push }),
            "registry" => Ok(Self::Image { names, push: true }),
            _ => Err(OutputError::Type(kind)),
        }
    }
}

fn switch(key: &'static str, value: &str) -> Result<bool, OutputError> {
    value.parse().map_err(|_| OutputError::Bool { key, value: value.to_owned() })
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
        let image = |push, name: Option<&str>| {
            let names = name.into_iter().map(str::to_owned).collect();
            Ok(Output::Image { names, push })
        };
        assert_eq!(read("type=docker"), image(false, None));
        assert_eq!(read("type=docker,dest=-"), Ok(Output::Archive(None)));
        assert_eq!(read("type=local"), Err(OutputError::Dest("local".into())));
        assert_eq!(read("type=zip,dest=out"), Err(OutputError::Type("zip".into())));
        assert_eq!(read("type=registry"), image(true, None));
        assert_eq!(read("type=image,push=true,name=a/b:1"), image(true, Some("a/b:1")));
        assert_eq!(read("type=image,push=false"), image(false, None));
        let bad = OutputError::Bool { key: "push", value: "maybe".into() };
        assert_eq!(read("type=image,push=maybe"), Err(bad));
        for key in ["to=out", "push=true", "name=a"] {
            let key_alone = key.split('=').next().unwrap().to_owned();
            let error = OutputError::Key { kind: "tar".into(), key: key_alone };
            assert_eq!(read(&format!("type=tar,{key}")), Err(error));
        }
        assert_eq!(read("type=tar,out"), Err(OutputError::Pair("out".into())));
    }
}
