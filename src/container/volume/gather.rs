//! All mounts of a container: what its user asks for, what its image does, and what it shares with others.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{MountKind, MountRequest};
use crate::container::error::Error;
use crate::container::id::new_id;
use crate::container::set::Containers;

/// The mounts of other containers (`--volumes-from CONTAINER[:ro]`) that no wanted one stands in the place of.
///
/// # Errors
/// When there is no such container.
pub fn inherit(
    containers: &Containers,
    from: &[String],
    wanted: &mut Vec<MountRequest>,
) -> Result<(), Error> {
    for text in from {
        let (name, read_only) = match text.rsplit_once(':') {
            Some((name, "ro")) => (name, true),
            Some((name, "rw")) => (name, false),
            Some((_, mode)) => {
                let reason = format!("'{mode}' is neither ro nor rw");
                return Err(Error::Flag { flag: "--volumes-from", value: text.clone(), reason });
            }
            None => (text.as_str(), false),
        };
        for mount in containers.find(name)?.record.options.mounts {
            let shared = !matches!(mount.kind, MountKind::Tmpfs(_));
            if shared && !wanted.iter().any(|other| other.target == mount.target) {
                // It stays the other's.
                wanted.push(MountRequest {
                    anonymous: false,
                    read_only: read_only || mount.read_only,
                    ..mount
                });
            }
        }
    }
    Ok(())
}

/// Adds a volume for each path that the image names and nothing is mounted at, and names the volumes that have no name.
pub fn gather(image: &[String], wanted: &mut Vec<MountRequest>) -> Result<(), Error> {
    let paths: BTreeSet<PathBuf> = image.iter().map(|path| inside(path)).collect();
    for target in paths {
        if target != Path::new("/") && !wanted.iter().any(|mount| mount.target == target) {
            wanted.push(MountRequest::new(MountKind::Volume(String::new()), target));
        }
    }
    for mount in wanted {
        if matches!(&mount.kind, MountKind::Volume(name) if name.is_empty()) {
            mount.kind = MountKind::Volume(new_id()?);
            mount.anonymous = true;
        }
    }
    Ok(())
}

/// A path of an image, whatever it says, below the container's root.
fn inside(path: &str) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            _ => {}
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_s_volumes_get_names_and_stay_inside() {
        let taken = MountRequest::new(MountKind::Bind("/x".into()), "/data".into());
        let mut wanted =
            vec![taken.clone(), MountRequest::new(MountKind::Volume(String::new()), "/own".into())];
        let image = ["/data", "/../../etc/", "var/lib/x", "/"].map(str::to_string);
        gather(&image, &mut wanted).unwrap();
        let targets: Vec<&Path> = wanted.iter().map(|mount| mount.target.as_path()).collect();
        assert_eq!(targets, ["/data", "/own", "/etc", "/var/lib/x"].map(Path::new));
        assert_eq!(wanted[0], taken);
        for mount in &wanted[1..] {
            assert!(mount.anonymous && matches!(&mount.kind, MountKind::Volume(name) if name.len() == 64));
        }
    }
}
