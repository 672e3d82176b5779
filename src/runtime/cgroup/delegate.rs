//! A part of the unified hierarchy that was left to an ordinary user, as systemd does (`Delegate=` in systemd.resource-control(5),
//! `Documentation/admin-guide/cgroup-v2.rst`, "Delegation").

use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::find::{Hierarchies, Version};

/// The topmost group above this process that its user may change, below the hierarchy's root. None where v1 hierarchies have
/// the controllers, or where it is the very group of this process: one with processes cannot hand its controllers on.
pub fn delegated() -> Option<PathBuf> {
    let on = Hierarchies::detect().ok()?;
    let limits = |h: &super::Hierarchy| h.version == Version::V1 && !h.controllers.is_empty();
    if on.iter().any(limits) {
        return None;
    }
    let mount = &on.v2()?.mount;
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    topmost(mount, Path::new(own))
}

fn topmost(mount: &Path, own: &Path) -> Option<PathBuf> {
    let ours = |path: &&Path| {
        ["cgroup.procs", "cgroup.subtree_control"]
            .iter()
            .all(|file| rustix::fs::access(mount.join(path).join(file), Access::WRITE_OK).is_ok())
    };
    own.ancestors().skip(1).take_while(ours).last().map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_group_of_ours_is_found() {
        let root = tempfile::tempdir().unwrap();
        let group = |path: &str, files: &[&str]| {
            let dir = root.path().join(path);
            std::fs::create_dir_all(&dir).unwrap();
            files.iter().for_each(|file| std::fs::write(dir.join(file), "").unwrap());
        };
        let both = ["cgroup.procs", "cgroup.subtree_control"];
        group("user.slice", &both[..1]);
        group("user.slice/user@1", &both);
        group("user.slice/user@1/app.slice", &both);
        group("user.slice/user@1/app.slice/shell", &both);
        let found = |path: &str| topmost(root.path(), Path::new(path));
        assert_eq!(found("user.slice/user@1/app.slice/shell"), Some("user.slice/user@1".into()));
        assert_eq!(found("user.slice/user@1"), None);
        assert_eq!(found("user.slice"), None);
    }
}
