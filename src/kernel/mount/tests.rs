//! Needs root for everything but the refusals; says so where it skips.

use super::*;
use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};

fn skip_without_root() -> bool {
    let skip = !rustix::process::geteuid().is_root();
    if skip {
        eprintln!("skipped: needs root");
    }
    skip
}

#[test]
fn clone_of_a_missing_path_names_it() {
    if skip_without_root() {
        return;
    }
    let error = clone_idmapped(Path::new("/no/such/dir"), None, false).unwrap_err();
    assert_eq!(error.to_string(), "cannot clone the mount of /no/such/dir");
    assert_eq!(error.errno(), Errno::NOENT);
}

#[test]
fn an_unknown_file_system_is_named() {
    if skip_without_root() {
        return;
    }
    let error = Context::open("nosuchfs").unwrap_err();
    assert_eq!(error.to_string(), "cannot use file system nosuchfs");
    assert_eq!(error.errno(), Errno::NODEV);
}

#[test]
fn a_refused_option_carries_the_kernels_words() {
    if skip_without_root() {
        return;
    }
    let context = Context::open("tmpfs").unwrap();
    let error = context.string("size", "many").unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert!(error.to_string().contains("Bad value for 'size'"), "{error}");
}

#[test]
fn a_detached_clone_is_in_no_mount_table_and_can_be_made_read_only() {
    if skip_without_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "text").unwrap();
    let clone = clone_idmapped(dir.path(), None, false).unwrap();
    let change = Change { set: MountAttrFlags::MOUNT_ATTR_RDONLY, ..Change::default() };
    set_attributes(&clone, &change, false).unwrap();

    assert!(statat(&clone, "file", AtFlags::empty()).is_ok());
    assert_eq!(openat(&clone, "new", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap_err(), Errno::ROFS);
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!table.contains(dir.path().to_str().unwrap()));
}
