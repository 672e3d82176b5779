//! Names in the archive to paths in the layer, and what names mean by themselves.

use crate::layer::error::problem;

/// The kernel's limits, `PATH_MAX` without its NUL and `NAME_MAX`.
const PATH: usize = 4095;
const NAME: usize = 255;

const WHITEOUT: &[u8] = b".wh.";
const META: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What a name stands for (image spec, layer.md, "Whiteouts").
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// An entry of the layer, by its clean path.
    Plain(Vec<u8>),
    /// The clean path of what is hidden.
    Whiteout(Vec<u8>),
    /// The clean path of the directory whose lower content is hidden.
    Opaque(Vec<u8>),
    /// AUFS's own book-keeping (`.wh..wh.aufs`, `.wh..wh.plnk`, ...), which every engine skips.
    Meta,
}

/// Interprets the name of an entry.
pub(super) fn interpret(raw: &[u8]) -> Result<Name, &'static str> {
    let path = clean(raw)?;
    let (parent, base) = split(&path);
    // `.wh..` and `.wh...` would hide the directory itself or its parent.
    if base == WHITEOUT || base == b".wh.." || base == b".wh..." {
        return Err("a whiteout of no name");
    }
    if path.split(|b| *b == b'/').any(|part| part.starts_with(META) && part != OPAQUE) {
        return Ok(Name::Meta);
    }
    // It would be a whiteout when this tree is archived again.
    if parent.split(|b| *b == b'/').any(|part| part.starts_with(WHITEOUT)) {
        return Err("a whiteout with entries below it");
    }
    if base == OPAQUE {
        return Ok(Name::Opaque(parent.to_vec()));
    }
    let Some(hidden) = base.strip_prefix(WHITEOUT) else { return Ok(Name::Plain(path)) };
    Ok(Name::Whiteout(join(parent, hidden)))
}

/// A path without empty parts and `.`. A `..` has no place in a layer: tools disagree on where it leads.
pub(super) fn clean(raw: &[u8]) -> Result<Vec<u8>, &'static str> {
    if raw.contains(&0) {
        return Err("NUL in a name");
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in raw.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err("`..` in a name"),
            // What a whiteout hides may have a name of that length.
            _ if part.strip_prefix(WHITEOUT).unwrap_or(part).len() > NAME => {
                return Err("a name over 255 bytes");
            }
            _ => parts.push(part),
        }
    }
    let path = parts.join(&b'/');
    let marker = if parts.last().is_some_and(|name| name.starts_with(WHITEOUT)) { WHITEOUT.len() } else { 0 };
    if path.len() - marker > PATH { Err(problem::LONG_PATH) } else { Ok(path) }
}

/// The directory and the last part of a clean path; both are empty for the root.
pub(in crate::layer) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// The clean path of `name` in the directory `parent`.
pub(in crate::layer) fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(path: &[u8]) -> Result<Name, &'static str> {
        Ok(Name::Plain(path.to_vec()))
    }

    #[test]
    fn paths_stay_inside() {
        for (raw, expected) in [
            (&b"./a//b/./c/"[..], &b"a/b/c"[..]),
            (b"/etc/passwd", b"etc/passwd"),
            (b"./", b""),
            (b"/", b""),
            (b"...", b"..."),
        ] {
            assert_eq!(interpret(raw), plain(expected));
        }
        for out in [&b"../../etc/passwd"[..], b"a/../../b", b"..", b"a/..", b"/../a", b".wh..wh.x/../.wh.y"] {
            assert_eq!(interpret(out), Err("`..` in a name"));
        }
        assert!(interpret(b"a\0b").is_err());
        assert!(interpret(&[b'a'; 256]).is_err());
        assert!(interpret(&b"ab/".repeat(2000)).is_err());
    }

    #[test]
    fn whiteouts() {
        assert_eq!(interpret(b"./a/.wh.b"), Ok(Name::Whiteout(b"a/b".to_vec())));
        assert_eq!(interpret(b".wh.b/"), Ok(Name::Whiteout(b"b".to_vec())));
        assert_eq!(interpret(b"a/.wh..wh..opq"), Ok(Name::Opaque(b"a".to_vec())));
        assert_eq!(interpret(b".wh..wh..opq"), Ok(Name::Opaque(Vec::new())));
        assert_eq!(interpret(b".wh..wh.aufs"), Ok(Name::Meta));
        assert_eq!(interpret(b".wh..wh.plnk/1.2"), Ok(Name::Meta));
        assert_eq!(interpret(b".wh..hidden"), Ok(Name::Whiteout(b".hidden".to_vec())));
        for none in [&b".wh."[..], b"a/.wh..", b"a/.wh..."] {
            assert_eq!(interpret(none), Err("a whiteout of no name"));
        }
    }
}
