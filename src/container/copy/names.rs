//! Paths as users give them to `cp`, where a slash or `/.` at the end says something.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::Error;

/// A path, cleaned as Docker does: `.` and `..` are taken out of the text, before any link is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Absolute and clean.
    pub path: PathBuf,
    /// It ends in `/` or `/.`: it must be a directory.
    pub directory: bool,
    /// It ends in `/.`: what is in the directory is meant.
    pub contents: bool,
}

impl Name {
    /// A path in a container, whose relative ones begin at its root.
    pub fn inside(text: &str) -> Name {
        Name::of(Path::new("/"), text)
    }

    /// A path of this machine.
    pub fn local(text: &str) -> Result<Name, Error> {
        let here = std::env::current_dir().map_err(|e| Error::System("find the working directory", e))?;
        Ok(Name::of(&here, text))
    }

    fn of(base: &Path, text: &str) -> Name {
        let mut path = PathBuf::from("/");
        for component in base.join(text).components() {
            match component {
                Component::Normal(name) => path.push(name),
                Component::ParentDir => drop(path.pop()),
                _ => {}
            }
        }
        let contents = text == "." || text.ends_with("/.");
        Name { path, directory: contents || text.ends_with('/') || text.is_empty(), contents }
    }

    /// What the copy is called if it goes into a directory; nothing where only the contents are meant.
    pub fn base(&self) -> &[u8] {
        match self.contents {
            true => b"",
            false => self.path.file_name().unwrap_or(OsStr::new("")).as_bytes(),
        }
    }

    /// As messages show it.
    pub fn shown(&self) -> String {
        super::shown(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_paths_say_something() {
        let name = |text: &str| {
            let name = Name::inside(text);
            (name.path.display().to_string(), name.directory, name.contents)
        };
        assert_eq!(name("a/b"), ("/a/b".into(), false, false));
        assert_eq!(name("/a/../../b/"), ("/b".into(), true, false));
        assert_eq!(name("/a/."), ("/a".into(), true, true));
        assert_eq!(name("."), ("/".into(), true, true));
        assert_eq!((Name::inside("/x/y").base(), Name::inside("/x/.").base()), (&b"y"[..], &b""[..]));
    }
}
