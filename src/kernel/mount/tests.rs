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

#[test]
fn a_containers_file_systems_can_be_created_and_attached() {
    if skip_without_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let work = || {
        use nix::sched::{CloneFlags, unshare};
        // Of its own cgroup namespace too: options of cgroup2 in the first one are the machine's.
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWCGROUP).unwrap();
        let root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let private = Change { propagation: Some(Propagation::Private), ..Change::default() };
        set_attributes(&root, &private, true).unwrap();
        let quiet = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let tmpfs = [("mode", Some("1777")), ("size", Some("65536k"))];
        let devpts =
            [("newinstance", None), ("ptmxmode", Some("0666")), ("mode", Some("0620")), ("gid", Some("5"))];
        type Case<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)], &'a str);
        let cases: [Case<'_>; 6] = [
            ("tmpfs", &tmpfs, "."),
            ("proc", &[], "self"),
            ("sysfs", &[], "class/net/lo"),
            ("devpts", &devpts, "ptmx"),
            ("mqueue", &[], "."),
            ("cgroup2", &[], "cgroup.procs"),
        ];
        for (kind, options, file) in cases {
            let mount = create(kind, options, quiet).unwrap();
            let at = dir.path().join(kind);
            std::fs::create_dir(&at).unwrap();
            attach(&mount, CWD, &at).unwrap();
            assert!(at.join(file).exists(), "{kind}");
        }
        // Over a file, by its descriptor.
        let (file, source) = (dir.path().join("file"), dir.path().join("source"));
        std::fs::write(&file, "").unwrap();
        std::fs::write(&source, "mounted").unwrap();
        let target = rustix::fs::open(&file, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        attach(clone_idmapped(&source, None, false).unwrap(), &target, Path::new("")).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"mounted");
        let error = attach(create("tmpfs", &[], quiet).unwrap(), CWD, Path::new("/no/such")).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.errno()), ("cannot mount at /no/such", Errno::NOENT));
        std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap()
    };
    let table = std::thread::scope(|scope| scope.spawn(work).join().unwrap());
    let at = format!(" {} ", dir.path().join("tmpfs").display());
    let line = table.lines().find(|line| line.contains(&at)).unwrap();
    assert!(line.contains("nosuid,noexec") && line.contains("size=65536k"), "{line}");
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!table.contains(dir.path().to_str().unwrap()));
}
