//! Where results of builds are kept besides the store.

use std::path::PathBuf;

use crate::registry::Reference;

/// A place that several machines can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A name in a registry.
    Registry(Reference),
    /// A directory, as an OCI image layout.
    Directory(PathBuf),
}

/// What is wrong with a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// Neither a reference nor pairs that say where.
    #[error("expected type=registry,ref=NAME or type=local,{0}=DIRECTORY")]
    Form(&'static str),
    /// A type that is none.
    #[error("\"{0}\" is no type: registry or local")]
    Type(String),
    /// A key that is none.
    #[error("type={kind} has no \"{key}\"")]
    Key {
        /// The type.
        kind: String,
        /// The key.
        key: String,
    },
    /// The name is none.
    #[error("\"{reference}\" is no name in a registry: {reason}")]
    Reference {
        /// The name.
        reference: String,
        /// Why.
        reason: String,
    },
}

impl Place {
    /// Reads what Docker's `--cache-from` (with `path` as `src`) and `--cache-to` (`dest`) take; a name alone is one in a
    /// registry. `mode` is read and says nothing: the results of all steps are kept.
    ///
    /// # Errors
    /// Any of [`PlaceError`].
    pub fn parse(text: &str, path: &'static str) -> Result<Self, PlaceError> {
        if !text.contains('=') {
            return reference(text);
        }
        let (mut kind, mut place, mut key_of_place) = ("", None, "");
        for part in text.split(',').map(str::trim) {
            let (key, value) = part.split_once('=').ok_or(PlaceError::Form(path))?;
            match key {
                "type" => kind = value,
                "mode" => {}
                _ => {
                    if let Some((other, _)) = place.replace((key, value)) {
                        key_of_place = other;
                    }
                }
            }
        }
        let (key, value) = place.ok_or(PlaceError::Form(path))?;
        let wrong = |key: &str| PlaceError::Key { kind: kind.to_owned(), key: key.to_owned() };
        if !key_of_place.is_empty() {
            return Err(wrong(key_of_place));
        }
        match kind {
            "registry" if key == "ref" => reference(value),
            "local" if key == path => Ok(Self::Directory(PathBuf::from(value))),
            "registry" | "local" => Err(wrong(key)),
            _ => Err(PlaceError::Type(kind.to_owned())),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registry(reference) => f.write_str(&reference.familiar()),
            Self::Directory(path) => path.display().fmt(f),
        }
    }
}

fn reference(text: &str) -> Result<Place, PlaceError> {
    Reference::parse(text)
        .map(Place::Registry)
        .map_err(|e| PlaceError::Reference { reference: text.to_owned(), reason: crate::error::chain(&e) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_as_docker_takes_them() {
        let name = |text: &str| Place::Registry(Reference::parse(text).unwrap());
        assert_eq!(Place::parse("a/b:c", "src"), Ok(name("a/b:c")));
        assert_eq!(Place::parse("type=registry,ref=a/b:c,mode=max", "src"), Ok(name("a/b:c")));
        assert_eq!(Place::parse("type=local,dest=d", "dest"), Ok(Place::Directory("d".into())));
        let wrong = |kind: &str, key: &str| Err(PlaceError::Key { kind: kind.into(), key: key.into() });
        assert_eq!(Place::parse("type=local,src=d", "dest"), wrong("local", "src"));
        assert_eq!(Place::parse("type=local,x=y,src=d", "src"), wrong("local", "x"));
        assert_eq!(Place::parse("type=gha,x=y", "src"), Err(PlaceError::Type("gha".into())));
        assert_eq!(Place::parse("type=local", "src"), Err(PlaceError::Form("src")));
        assert!(matches!(Place::parse("A B", "src"), Err(PlaceError::Reference { .. })));
    }
}
