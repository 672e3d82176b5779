//! `-v` and `--tmpfs`: what is mounted into a container beside its root.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::files::on;
use super::id::check_name;

/// Where a mount's content comes from.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A file or directory of the host.
    Bind(PathBuf),
    /// A named volume.
    Volume(String),
    /// Memory, with mount options such as `size=64m`.
    Tmpfs(Vec<String>),
}

/// One `-v` or `--tmpfs`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct MountRequest {
    /// What is mounted.
    pub kind: MountKind,
    /// Absolute path in the container.
    pub target: PathBuf,
    /// Whether the container may only read.
    pub read_only: bool,
    /// Propagation of a bind mount (`rprivate`, `rslave`, …).
    pub propagation: Option<String>,
}

/// Parses `-v SOURCE:TARGET[:OPTIONS]`: a source with a `/` (or `.`, `..`, `~` as the shell left it) is a path of
/// the host, any other a volume's name.
///
/// # Errors
/// [`Error::Flag`] with what is wrong.
pub fn parse_volume(text: &str) -> Result<MountRequest, Error> {
    let bad = |reason: &str| Error::Flag { flag: "--volume", value: text.into(), reason: reason.into() };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [source, target] => (*source, *target, ""),
        [source, target, options] => (*source, *target, *options),
        _ => return Err(bad("expected SOURCE:TARGET or SOURCE:TARGET:OPTIONS")),
    };
    if source.is_empty() {
        return Err(bad("the source is empty"));
    }
    let mut request = MountRequest {
        kind: volume_source(source).map_err(|e| bad(&e))?,
        target: container_path(target).map_err(bad)?,
        read_only: false,
        propagation: None,
    };
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option {
            "ro" | "readonly" => request.read_only = true,
            "rw" | "z" | "Z" | "nocopy" | "consistent" | "cached" | "delegated" => {}
            "private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared" => {
                request.propagation = Some(option.to_string());
            }
            _ => return Err(bad(&format!("unknown option '{option}'"))),
        }
    }
    Ok(request)
}

fn volume_source(source: &str) -> Result<MountKind, String> {
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
    Ok(MountRequest { kind: MountKind::Tmpfs(list), target, read_only, propagation: None })
}

/// An absolute path without `..` that is not the root itself.
fn container_path(text: &str) -> Result<PathBuf, &'static str> {
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

/// Directory of a named volume's content, made when it is missing.
pub(super) fn ensure_volume(store_root: &Path, name: &str) -> Result<PathBuf, Error> {
    let volumes = store_root.join("volumes");
    let data = volumes.join(name).join("_data");
    if !data.is_dir() {
        let private = |path: &Path| {
            fs::DirBuilder::new().recursive(true).mode(0o711).create(path).map_err(on("create", path))
        };
        private(&volumes.join(name))?;
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&data).map_err(on("create", &data))?;
    }
    Ok(data)
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
        for bad in ["/x", "a:b:c:d", ":/x", "/a:rel", "/a:/", "/a:/x/../y", "/a:/x:what", "-bad:/x"] {
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
