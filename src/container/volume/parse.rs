//! `-v` and `--tmpfs`, as Docker reads them.

use std::path::{Component, Path, PathBuf};

use super::{MountKind, MountRequest};
use crate::container::error::Error;
use crate::container::id::check_name;

/// Parses `-v [SOURCE:]TARGET[:OPTIONS]`: a source with a `/` (or `.`, `..`, `~` as the shell left it) is a path of
/// the host, any other a volume's name; without a source, it is a new volume without a name.
///
/// # Errors
/// [`Error::Flag`] with what is wrong.
pub fn parse_volume(text: &str) -> Result<MountRequest, Error> {
    let bad = |reason: &str| Error::Flag { flag: "--volume", value: text.into(), reason: reason.into() };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] if target.starts_with('/') => ("", *target, ""),
        [source, target] => (*source, *target, ""),
        [source, target, options] => (*source, *target, *options),
        _ => return Err(bad("expected SOURCE:TARGET or SOURCE:TARGET:OPTIONS")),
    };
    let kind = match source {
        "" if parts.len() == 1 => MountKind::Volume(String::new()),
        "" => return Err(bad("the source is empty")),
        source => volume_source(source).map_err(|e| bad(&e))?,
    };
    let mut request = MountRequest::new(kind, container_path(target).map_err(bad)?);
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option {
            "ro" | "readonly" => request.read_only = true,
            "nocopy" => request.no_copy = true,
            "rw" | "z" | "Z" | "consistent" | "cached" | "delegated" => {}
            "private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared" => {
                request.propagation = Some(option.to_string());
            }
            _ => return Err(bad(&format!("unknown option '{option}'"))),
        }
    }
    Ok(request)
}

pub(super) fn volume_source(source: &str) -> Result<MountKind, String> {
    if source.starts_with('/') {
        return Ok(MountKind::Bind(PathBuf::from(source)));
    }
    if source.contains('/') || source == "." || source == ".." {
        let path = std::path::absolute(source).map_err(|e| e.to_string())?;
        return Ok(MountKind::Bind(path));
    }
    check_name(source).map_err(|_| format!("'{source}' is no volume name; a path needs a '/'"))?;
    Ok(MountKind::Volume(source.to_string()))
}

/// Parses `--tmpfs TARGET[:OPTIONS]`.
///
/// # Errors
/// [`Error::Flag`] with what is wrong.
pub fn parse_tmpfs(text: &str) -> Result<MountRequest, Error> {
    let bad = |reason: &str| Error::Flag { flag: "--tmpfs", value: text.into(), reason: reason.into() };
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let mut list: Vec<String> = Vec::new();
    for option in options.split(',').filter(|o| !o.is_empty()) {
        let key = option.split('=').next().unwrap_or_default();
        let known = [
            "size",
            "mode",
            "uid",
            "gid",
            "nr_inodes",
            "nr_blocks",
            "rw",
            "ro",
            "exec",
            "noexec",
            "suid",
            "nosuid",
            "dev",
            "nodev",
        ];
        if !known.contains(&key) {
            return Err(bad(&format!("unknown option '{option}'")));
        }
        list.push(option.to_string());
    }
    let read_only = list.iter().any(|o| o == "ro");
    let target = container_path(target).map_err(bad)?;
    Ok(MountRequest { read_only, ..MountRequest::new(MountKind::Tmpfs(list), target) })
}

/// An absolute path without `..` that is not the root itself.
pub(super) fn container_path(text: &str) -> Result<PathBuf, &'static str> {
    let path = Path::new(text);
    if !path.is_absolute() {
        return Err("the path in the container must be absolute");
    }
    if path.components().any(|c| c == Component::ParentDir) {
        return Err("the path in the container must not contain '..'");
    }
    let clean: PathBuf = path.components().collect();
    if clean == Path::new("/") { Err("the path in the container must not be '/'") } else { Ok(clean) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_as_docker_reads_them() {
        let bind = parse_volume("/src:/dst:ro").unwrap();
        assert_eq!(bind.kind, MountKind::Bind("/src".into()));
        assert!(bind.read_only && bind.target == Path::new("/dst"));
        assert_eq!(parse_volume("data:/var/lib/x").unwrap().kind, MountKind::Volume("data".into()));
        assert!(matches!(parse_volume("./here:/x").unwrap().kind, MountKind::Bind(p) if p.is_absolute()));
        let unnamed = parse_volume("/x").unwrap();
        assert_eq!((unnamed.kind, unnamed.no_copy), (MountKind::Volume(String::new()), false));
        assert!(parse_volume("data:/x:nocopy").unwrap().no_copy);
        for bad in ["x", "a:b:c:d", ":/x", "/a:rel", "/a:/", "/a:/x/../y", "/a:/x:what", "-bad:/x"] {
            assert!(parse_volume(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tmpfs_options_are_checked() {
        let tmpfs = parse_tmpfs("/run:size=64m,noexec").unwrap();
        assert_eq!(tmpfs.kind, MountKind::Tmpfs(vec!["size=64m".into(), "noexec".into()]));
        assert!(parse_tmpfs("/run:context=x").is_err());
    }
}
