//! `mounts` of the specification, read into what the new mount API takes.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Mount;
use rustix::mount::MountAttrFlags as Attr;

use super::error::Error;
use crate::kernel::mount::Propagation;

/// What is mounted.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file or directory of the host.
    Bind {
        /// Its path there.
        source: PathBuf,
        /// With the mounts below it.
        recursive: bool,
        /// Its ids are mapped to the container's user namespace.
        idmap: bool,
    },
    /// A tmpfs for devices, which only the parent can make.
    Dev,
    /// Control groups, as the machine has them.
    Cgroup,
    /// A new file system of this type.
    New(String),
}

/// One mount.
#[derive(Debug)]
pub struct MountPlan {
    /// Absolute path in the container, clean.
    pub destination: PathBuf,
    /// What is mounted.
    pub kind: Kind,
    /// What mount tables show in the place of a device, for a new file system.
    pub source: String,
    /// Attributes to set on it.
    pub set: Attr,
    /// Attributes to clear.
    pub clear: Attr,
    /// The attributes apply to the mounts below too.
    pub recursive_attributes: bool,
    /// Propagation, and whether it applies to the mounts below too.
    pub propagation: Option<(Propagation, bool)>,
    /// A new file system gets what the directory below it holds.
    pub copy_up: bool,
    /// Options of the file system: key, and value where it has one.
    pub data: Vec<(String, Option<String>)>,
}

impl MountPlan {
    /// Reads one entry of `mounts`.
    ///
    /// # Errors
    /// [`Error::Spec`] when the destination or the options make no sense.
    pub fn parse(mount: &Mount) -> Result<MountPlan, Error> {
        let destination = clean(mount.destination())?;
        let mut plan = MountPlan {
            kind: Kind::New(mount.typ().clone().unwrap_or_default()),
            destination,
            source: source(mount),
            set: Attr::empty(),
            clear: Attr::empty(),
            recursive_attributes: false,
            propagation: None,
            copy_up: false,
            data: Vec::new(),
        };
        let (mut bind, mut recursive, mut idmap) = (None, false, false);
        for option in mount.options().iter().flatten() {
            match option.as_str() {
                "bind" => bind = Some(()),
                "rbind" => (bind, recursive) = (Some(()), true),
                "tmpcopyup" => plan.copy_up = true,
                "idmap" => idmap = true,
                "ridmap" => (idmap, recursive) = (true, true),
                option => plan.option(option),
            }
        }
        let is_dev = plan.destination == Path::new("/dev");
        plan.kind = match (bind, mount.typ().as_deref()) {
            (Some(()), _) | (None, Some("bind")) => {
                let Some(source) = mount.source().clone() else {
                    return Err(bad(&plan.destination, "a bind mount needs a source"));
                };
                Kind::Bind { source, recursive, idmap }
            }
            (None, Some("tmpfs")) if is_dev => Kind::Dev,
            (None, Some("cgroup" | "cgroup2")) => Kind::Cgroup,
            (None, Some(kind)) if !kind.is_empty() => Kind::New(kind.to_string()),
            (None, _) => return Err(bad(&plan.destination, "it has neither a type nor a bind option")),
        };
        Ok(plan)
    }

    /// A file of the host.
    pub fn bind(destination: PathBuf, source: PathBuf) -> MountPlan {
        MountPlan {
            destination,
            kind: Kind::Bind { source, recursive: false, idmap: false },
            source: String::new(),
            set: Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NOEXEC,
            clear: Attr::empty(),
            recursive_attributes: false,
            propagation: None,
            copy_up: false,
            data: Vec::new(),
        }
    }

    fn option(&mut self, option: &str) {
        if let Some((attribute, on)) = attribute(option) {
            let (add, remove) =
                if on { (&mut self.set, &mut self.clear) } else { (&mut self.clear, &mut self.set) };
            add.insert(attribute);
            remove.remove(attribute);
        } else if let Some(propagation) = propagation(option) {
            self.propagation = Some(propagation);
        } else if let Some((attribute, on)) = option.strip_prefix('r').and_then(attribute) {
            self.recursive_attributes = true;
            if on { self.set.insert(attribute) } else { self.clear.insert(attribute) }
        } else if !matches!(option, "defaults" | "async" | "remount") {
            let (key, value) =
                option.split_once('=').map_or((option, None), |(k, v)| (k, Some(v.to_string())));
            self.data.push((key.to_string(), value));
        }
    }
}

fn source(mount: &Mount) -> String {
    let kind = || mount.typ().clone().unwrap_or_default();
    let source = mount.source().as_ref().map(|source| source.to_string_lossy().into_owned());
    source.filter(|source| !source.is_empty()).unwrap_or_else(kind)
}

fn bad(destination: &Path, reason: &str) -> Error {
    Error::Spec { field: "mounts", reason: format!("{}: {reason}", destination.display()) }
}

/// An absolute path without `..`; a relative one is taken from the root, as runtime-spec 1.0 allowed.
fn clean(path: &Path) -> Result<PathBuf, Error> {
    if path.components().any(|c| c == Component::ParentDir) {
        return Err(bad(path, "the destination contains '..'"));
    }
    Ok(Path::new("/").join(path).components().collect())
}

/// Options that are attributes of the mount (mount_setattr(2)), and whether they are set or cleared.
fn attribute(option: &str) -> Option<(Attr, bool)> {
    Some(match option {
        "ro" => (Attr::MOUNT_ATTR_RDONLY, true),
        "rw" => (Attr::MOUNT_ATTR_RDONLY, false),
        "nosuid" => (Attr::MOUNT_ATTR_NOSUID, true),
        "suid" => (Attr::MOUNT_ATTR_NOSUID, false),
        "nodev" => (Attr::MOUNT_ATTR_NODEV, true),
        "dev" => (Attr::MOUNT_ATTR_NODEV, false),
        "noexec" => (Attr::MOUNT_ATTR_NOEXEC, true),
        "exec" => (Attr::MOUNT_ATTR_NOEXEC, false),
        "noatime" => (Attr::MOUNT_ATTR_NOATIME, true),
        "atime" => (Attr::MOUNT_ATTR_NOATIME, false),
        "strictatime" => (Attr::MOUNT_ATTR_STRICTATIME, true),
        "relatime" => (Attr::MOUNT_ATTR_RELATIME, true),
        "nodiratime" => (Attr::MOUNT_ATTR_NODIRATIME, true),
        "diratime" => (Attr::MOUNT_ATTR_NODIRATIME, false),
        "nosymfollow" => (Attr::MOUNT_ATTR_NOSYMFOLLOW, true),
        "symfollow" => (Attr::MOUNT_ATTR_NOSYMFOLLOW, false),
        _ => return None,
    })
}

/// What a word for propagation means, and whether it applies to the mounts below too.
pub fn propagation(option: &str) -> Option<(Propagation, bool)> {
    Some(match option {
        "private" => (Propagation::Private, false),
        "rprivate" => (Propagation::Private, true),
        "slave" => (Propagation::Slave, false),
        "rslave" => (Propagation::Slave, true),
        "shared" => (Propagation::Shared, false),
        "rshared" => (Propagation::Shared, true),
        "unbindable" => (Propagation::Unbindable, false),
        "runbindable" => (Propagation::Unbindable, true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::MountBuilder;

    fn parse(destination: &str, kind: &str, options: &[&str]) -> Result<MountPlan, Error> {
        let options: Vec<String> = options.iter().map(|s| s.to_string()).collect();
        let mount =
            MountBuilder::default().destination(destination).source("/src").typ(kind).options(options);
        MountPlan::parse(&mount.build().unwrap())
    }

    #[test]
    fn options_split_into_attributes_propagation_and_data() {
        let plan = parse("/run", "tmpfs", &["nosuid", "ro", "rw", "size=64k", "rslave", "mode=755"]).unwrap();
        assert_eq!(plan.kind, Kind::New("tmpfs".into()));
        assert_eq!(plan.set, Attr::MOUNT_ATTR_NOSUID);
        assert_eq!(plan.clear, Attr::MOUNT_ATTR_RDONLY);
        assert_eq!(plan.propagation, Some((Propagation::Slave, true)));
        let data =
            [("size".to_string(), Some("64k".to_string())), ("mode".to_string(), Some("755".to_string()))];
        assert_eq!(plan.data, data);
    }

    #[test]
    fn recursive_read_only_is_not_mistaken_for_data() {
        let plan = parse("/x", "bind", &["rbind", "rro"]).unwrap();
        assert!(plan.recursive_attributes && plan.set == Attr::MOUNT_ATTR_RDONLY && plan.data.is_empty());
        assert_eq!(plan.kind, Kind::Bind { source: "/src".into(), recursive: true, idmap: false });
    }

    #[test]
    fn a_destination_cannot_climb() {
        assert!(parse("/a/../../b", "tmpfs", &[]).is_err());
        assert_eq!(parse("dev/", "tmpfs", &[]).unwrap().kind, Kind::Dev);
    }
}
