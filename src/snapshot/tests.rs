//! Real mounts. Everything here needs root and is skipped, saying so, without it.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, OFlags, XattrFlags, mknodat, open, openat, setxattr};
use rustix::mount::{MountPropagationFlags, MoveMountFlags};
use tempfile::TempDir;

use super::*;

const HOST_ROOT: u32 = 1_073_741_824;
/// `cap_net_raw+ep` as `setcap(8)` writes it: version 2, effective, permitted 1 << 13.
const NET_RAW: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Why a test can't run here, printed.
fn skip() -> bool {
    let reason = if !rustix::process::geteuid().is_root() {
        "needs root"
    } else if !Path::new("/bin/busybox").exists() {
        "needs a static /bin/busybox"
    } else if Command::new("mkfs.erofs").arg("-V").output().is_err() {
        "needs mkfs.erofs"
    } else {
        return false;
    };
    eprintln!("skipped: {reason}");
    true
}

/// A user namespace whose ids 0..65536 are the host's `HOST_ROOT`.., held by a process.
struct TestUserNs {
    process: Child,
    fd: OwnedFd,
}

impl TestUserNs {
    fn new() -> Self {
        let mut process = Command::new("unshare")
            .args(["-U", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdin.as_mut().unwrap().write_all(b"!").unwrap();
        let mut echo = [0];
        std::io::Read::read_exact(process.stdout.as_mut().unwrap(), &mut echo).unwrap();
        let proc = PathBuf::from(format!("/proc/{}", process.id()));
        for map in ["uid_map", "gid_map"] {
            fs::write(proc.join(map), format!("0 {HOST_ROOT} 65536\n")).unwrap();
        }
        let fd = open(proc.join("ns/user"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        Self { process, fd }
    }

    /// Runs a shell script as `uid` inside the namespace with `root` as root directory, attached at `at` in a mount namespace
    /// of its own.
    fn run(&self, root: OwnedFd, at: &Path, uid: u32, script: &str) -> Output {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
                    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
                    rustix::mount::mount_change("/", private).unwrap();
                    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
                    rustix::mount::move_mount(&root, "", CWD, at, flags).unwrap();
                    let proc = crate::kernel::mount::clone_idmapped(Path::new("/proc"), None, false).unwrap();
                    rustix::mount::move_mount(&proc, "", CWD, at.join("proc"), flags).unwrap();
                    let id = uid.to_string();
                    Command::new("nsenter")
                        .args(["-U", "-t", &self.process.id().to_string(), "-S", "0", "-G", "0", "--"])
                        .arg("chroot")
                        .arg(format!("--userspec={id}:{id}"))
                        .arg(at)
                        .args(["/busybox", "sh", "-c", script])
                        .output()
                        .unwrap()
                })
                .join()
                .unwrap()
        })
    }
}

impl Drop for TestUserNs {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// A layer that has what goes wrong easily: owners, a file capability, a set-uid bit, a symlink, a whiteout.
fn base_layer(dir: &Path) {
    for name in ["etc", "proc", "capable"] {
        fs::create_dir_all(dir.join(name)).unwrap();
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy("/bin/busybox", dir.join("busybox")).unwrap();
    fs::copy("/bin/busybox", dir.join("capable/busybox")).unwrap();
    setxattr(dir.join("capable/busybox"), "security.capability", &NET_RAW, XattrFlags::empty()).unwrap();
    fs::write(dir.join("etc/passwd"), "root:x:0:0::/:/busybox\n").unwrap();
    fs::write(dir.join("etc/private"), "secret").unwrap();
    chown(dir.join("etc/private"), Some(1000), Some(1001)).unwrap();
    fs::set_permissions(dir.join("etc/private"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("/etc/passwd", dir.join("link")).unwrap();
    symlink("../../../../etc", dir.join("escape")).unwrap();
    fs::create_dir(dir.join("tmp")).unwrap();
    fs::set_permissions(dir.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
}

fn directory(path: &Path) -> Layer {
    Layer { diff_id: lay_store::Digest::of(b""), form: LayerForm::Directory, path: path.to_owned() }
}

fn erofs(source: &Path, image: &Path) -> Layer {
    let output = Command::new("mkfs.erofs").arg(image).arg(source).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Layer { diff_id: lay_store::Digest::of(b""), form: LayerForm::Erofs, path: image.to_owned() }
}

/// The base layer in all three forms.
fn forms(dir: &Path) -> Vec<(Layer, Via)> {
    base_layer(&dir.join("base"));
    let image = erofs(&dir.join("base"), &dir.join("base.erofs"));
    vec![(directory(&dir.join("base")), Via::Any), (image.clone(), Via::Any), (image, Via::Loop)]
}

fn with_upper(mut snapshot: Snapshot, dir: &Path) -> Snapshot {
    create_upper(dir, &snapshot).unwrap();
    snapshot.upper = Some(dir.to_owned());
    snapshot
}

fn own_mount_table() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

fn loop_devices_in_use(file: &Path) -> usize {
    let file = file.to_str().unwrap();
    (0..64)
        .filter_map(|n| fs::read_to_string(format!("/sys/block/loop{n}/loop/backing_file")).ok())
        .filter(|backing| backing.trim_end() == file)
        .count()
}

#[test]
fn a_container_sees_its_own_ids_and_writes_them() {
    if skip() {
        return;
    }
    let temp = TempDir::new().unwrap();
    let at = temp.path().join("mnt");
    fs::create_dir(&at).unwrap();
    let userns = TestUserNs::new();
    for (n, (layer, via)) in forms(temp.path()).into_iter().enumerate() {
        let dir = temp.path().join(format!("container{n}"));
        let snapshot = with_upper(Snapshot { layers: vec![layer], via, ..Snapshot::default() }, &dir);
        let mount = || snapshot.mount(Some(userns.fd.as_fd())).unwrap();

        let script = "/busybox stat -c '%u %g %a' /etc/passwd /etc/private /tmp /; \
            echo new > /etc/new && /busybox chown 33:65535 /etc/new && echo more >> /etc/private && \
            /busybox rm /link && /busybox stat -c '%u %g' /etc/new";
        let seen = text(&userns.run(mount(), &at, 0, script));
        assert_eq!(seen, "0 0 644\n1000 1001 640\n0 0 1777\n0 0 755\n33 65535");

        let new = fs::metadata(dir.join("upper/etc/new")).unwrap();
        assert_eq!((new.uid(), new.gid()), (33, 65535));
        let copied = fs::metadata(dir.join("upper/etc/private")).unwrap();
        assert_eq!((copied.uid(), copied.gid(), copied.mode() & 0o7777), (1000, 1001, 0o640));
        assert_eq!(fs::read(dir.join("upper/etc/private")).unwrap(), b"secretmore\n");
        let gone = fs::symlink_metadata(dir.join("upper/link")).unwrap();
        assert_eq!((gone.mode() & 0o170_000, gone.rdev()), (0o020_000, 0));

        // The second start sees what the first left.
        let seen = text(&userns.run(mount(), &at, 1000, "/busybox cat /etc/new; /busybox ls /link 2>&1; :"));
        assert!(seen.starts_with("new\n") && seen.contains("No such file"), "{seen}");
    }
    // The kernel clears a device a moment after its last user.
    let image = temp.path().join("base.erofs");
    let end = Instant::now() + Duration::from_secs(5);
    while loop_devices_in_use(&image) > 0 {
        assert!(Instant::now() < end, "a loop device is left");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn file_capabilities_work_in_every_form() {
    if skip() {
        return;
    }
    let temp = TempDir::new().unwrap();
    let at = temp.path().join("mnt");
    fs::create_dir(&at).unwrap();
    let userns = TestUserNs::new();
    for (n, (layer, via)) in forms(temp.path()).into_iter().enumerate() {
        let dir = temp.path().join(format!("container{n}"));
        let snapshot = with_upper(Snapshot { layers: vec![layer], via, ..Snapshot::default() }, &dir);
        let mount = snapshot.mount(Some(userns.fd.as_fd())).unwrap();
        let script = "for d in '' /capable; do $d/busybox grep CapEff /proc/self/status; done";
        let seen = text(&userns.run(mount, &at, 1000, script));
        assert_eq!(seen, "CapEff:\t0000000000000000\nCapEff:\t0000000000002000");
    }
}

#[test]
fn without_a_user_namespace_ids_are_the_hosts() {
    if skip() {
        return;
    }
    let temp = TempDir::new().unwrap();
    for (n, (layer, via)) in forms(temp.path()).into_iter().enumerate() {
        let dir = temp.path().join(format!("container{n}"));
        let snapshot =
            with_upper(Snapshot { layers: vec![layer], via, ephemeral: true, ..Snapshot::default() }, &dir);
        // Twice, because the mark of a volatile overlay must not stop the second.
        for name in ["first", "second"] {
            let root = snapshot.mount(None).unwrap();
            let file = openat(&root, name, OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
            rustix::io::write(&file, b"x").unwrap();
            assert!(!own_mount_table().contains(temp.path().to_str().unwrap()));
        }
        assert!(dir.join("upper/first").exists() && dir.join("upper/second").exists());
    }
}

#[test]
fn two_hundred_layers_stack_in_order() {
    if skip() {
        return;
    }
    let temp = TempDir::new().unwrap();
    let mut layers = Vec::new();
    for n in 0..200 {
        let dir = temp.path().join(format!("layer{n}"));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("top"), n.to_string()).unwrap();
        fs::write(dir.join(format!("own{n}")), "").unwrap();
        if n == 150 {
            mknodat(CWD, dir.join("own7"), FileType::CharacterDevice, Mode::empty(), 0).unwrap();
        }
        layers.push(directory(&dir));
    }
    let snapshot = Snapshot { layers, ..Snapshot::default() };
    let files = snapshot.peek().unwrap();
    assert_eq!(files.read("/top", 10).unwrap().unwrap(), b"199");
    assert!(files.exists("own0").unwrap());
    assert!(!files.exists("own7").unwrap());
    assert_eq!(files.list_dir("/").unwrap().unwrap().len(), 200);
    let upper = temp.path().join("container");
    let userns = TestUserNs::new();
    with_upper(snapshot, &upper).mount(Some(userns.fd.as_fd())).unwrap();
}

#[test]
fn peek_reads_regular_files_inside_the_image_only() {
    if skip() {
        return;
    }
    let temp = TempDir::new().unwrap();
    base_layer(&temp.path().join("base"));
    let at = temp.path().join("base");
    let device = rustix::fs::makedev(1, 5);
    mknodat(CWD, at.join("zero"), FileType::CharacterDevice, Mode::RUSR, device).unwrap();
    mknodat(CWD, at.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let image = erofs(&at, &temp.path().join("base.erofs"));
    for layer in [directory(&at), image] {
        let files = Snapshot { layers: vec![layer], ..Snapshot::default() }.peek().unwrap();
        let passwd = b"root:x:0:0::/:/busybox\n";
        for path in ["etc/passwd", "/etc/passwd", "../../etc/passwd", "link", "escape/passwd"] {
            assert_eq!(files.read(path, 100).unwrap().as_deref(), Some(&passwd[..]), "{path}");
        }
        assert_eq!(files.read("nothing", 100).unwrap(), None);
        assert_eq!(files.read("etc/passwd/x", 100).unwrap(), None);
        assert!(matches!(files.read("etc/passwd", 22), Err(Error::TooLarge { limit: 22, .. })));
        assert_eq!(files.read("etc/passwd", 23).unwrap().unwrap().len(), 23);
        for path in ["zero", "pipe", "etc"] {
            assert!(matches!(files.read(path, 100), Err(Error::NotRegular { .. })), "{path}");
        }
        let names: Vec<_> = files.list_dir("etc").unwrap().unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["passwd", "private"]);
        assert_eq!(files.list_dir("none").unwrap(), None);
    }
}

#[test]
fn an_image_without_layers_or_with_too_many_is_refused() {
    assert!(matches!(Snapshot::default().mount(None), Err(Error::NoLayers)));
    let layers = vec![directory(Path::new("/")); 501];
    let error = Snapshot { layers, ..Snapshot::default() }.mount(None).unwrap_err();
    assert_eq!(error.to_string(), "the image has 501 layers, but overlayfs stacks at most 500");
}

#[test]
fn what_is_unpacked_stacks() {
    if skip() {
        return;
    }
    let temp = TempDir::new().unwrap();
    let store = lay_store::Store::open(&temp.path().join("store")).unwrap();
    let unpack = |names: &[&str]| {
        let mut archive = tar::Builder::new(Vec::new());
        for name in names {
            let mut header = tar::Header::new_gnu();
            let directory = name.ends_with('/');
            header.set_entry_type(if directory {
                tar::EntryType::Directory
            } else {
                tar::EntryType::Regular
            });
            header.set_mode(if directory { 0o711 } else { 0o600 });
            header.set_size(0);
            archive.append_data(&mut header, name, std::io::empty()).unwrap();
        }
        let archive = archive.into_inner().unwrap();
        let diff_id = lay_store::Digest::of(&archive);
        crate::layer::unpack(&store, archive.as_slice(), &diff_id, LayerForm::Directory).unwrap()
    };
    let layers = vec![
        unpack(&["a/1", "a/2", "b/1", "c/1", "d/1", "e"]),
        unpack(&[
            "a/.wh.1",
            "a/3",
            "b/.wh..wh..opq",
            "b/2",
            ".wh.c",
            "d/",
            ".wh.d",
            "new/.wh.nothing",
            "new/1",
            ".wh.e",
            "e/1",
        ]),
    ];
    let expected = [("/", "a b d e new"), ("a", "2 3"), ("b", "2"), ("d", ""), ("e", "1"), ("new", "1")];
    let check = |files: &Files| {
        for (dir, expected) in expected {
            let names = files.list_dir(dir).unwrap().unwrap();
            let names: Vec<_> = names.iter().map(|entry| entry.name.to_str().unwrap()).collect();
            assert_eq!(names.join(" "), expected, "{dir}");
        }
        assert!(!files.exists("c/1").unwrap() && files.exists("a/2").unwrap());
    };
    // Alone, with no overlay to interpret it, the upper one shows no whiteouts either.
    let alone = Snapshot { layers: layers[1..].to_vec(), ..Snapshot::default() }.peek().unwrap();
    assert_eq!(alone.list_dir("new").unwrap().unwrap().len(), 1);
    assert!(!alone.exists("new/nothing").unwrap());
    let snapshot = Snapshot { layers, ..Snapshot::default() };
    check(&snapshot.peek().unwrap());
    let userns = TestUserNs::new();
    check(&Files::new(snapshot.mount(Some(userns.fd.as_fd())).unwrap()));
    let snapshot = with_upper(snapshot, &temp.path().join("container"));
    check(&Files::new(snapshot.mount(Some(userns.fd.as_fd())).unwrap()));
}

#[test]
fn directories_share_a_mount_unless_something_is_mounted_between() {
    if skip() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let layers = ["a/fs", "b/fs", "c/fs"].map(|path| Layer {
        diff_id: lay_store::Digest::of(path.as_bytes()),
        form: LayerForm::Directory,
        path: dir.path().join(path),
    });
    for layer in &layers {
        fs::create_dir_all(&layer.path).unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            rustix::mount::mount_change("/", private).unwrap();
            let own = crate::kernel::mount::Context::open("tmpfs").unwrap();
            let own = own.mount(MountAttrFlags::empty()).unwrap();
            crate::kernel::mount::attach(&own, CWD, &dir.path().join("b")).unwrap();
            for layer in &layers {
                fs::create_dir_all(&layer.path).unwrap();
                fs::write(layer.path.join(layer.diff_id.hex()), "here").unwrap();
            }
            let snapshot = Snapshot { layers: layers.to_vec(), ..Snapshot::default() };
            let stack = snapshot.mount_layers(None).unwrap();
            assert_eq!((stack.dirs().len(), stack.mounts().count()), (3, 2));
            let files = snapshot.peek().unwrap();
            for layer in &layers {
                let text = files.read(layer.diff_id.hex(), 10).unwrap();
                assert_eq!(text.as_deref(), Some(&b"here"[..]), "{}", layer.path.display());
            }
        });
    });
}

#[test]
fn one_file_system_serves_all_snapshots_of_a_layer() {
    if skip() {
        return;
    }
    let dir = TempDir::new().unwrap();
    base_layer(&dir.path().join("tree"));
    let image = dir.path().join("image.erofs");
    let made = Command::new("mkfs.erofs").arg(&image).arg(dir.path().join("tree")).output().unwrap();
    assert!(made.status.success());
    let layer = Layer { diff_id: lay_store::Digest::of(b""), form: LayerForm::Erofs, path: image };
    let originals = Originals::default();
    let device = |kept: Kept| {
        let files = Snapshot { layers: vec![layer.clone()], kept, ..Snapshot::default() }.peek().unwrap();
        files.stat("busybox").unwrap().unwrap().st_dev
    };
    let (first, alone) = (device(originals.kept()), device(Kept::default()));
    let copied = crate::kernel::release::version().is_some_and(|version| version >= (6, 15));
    assert_eq!(device(originals.kept()) == first, copied);
    assert_ne!(alone, first, "a snapshot by itself has a file system of its own");
    let told = dir.path().join("mounts");
    let (holder, other) = (Originals::shared(told.clone()), Originals::shared(told.clone()));
    let held = device(holder.kept());
    assert_ne!(device(other.kept()), held, "nothing is offered yet");
    holder.offer();
    let third = || device(Originals::shared(told.clone()).kept());
    assert_eq!(third() == held, copied);
    // What was told of another boot, or leads to another mount, is not used.
    let file = told.join("image.erofs");
    let text = fs::read_to_string(&file).unwrap_or_default();
    for wrong in [text.replacen('-', "0", 1), text.replace('\n', "1\n"), String::new()] {
        fs::create_dir_all(&told).unwrap();
        fs::write(&file, &wrong).unwrap();
        assert_ne!(third(), held, "{wrong}");
    }
    fs::write(&file, &text).unwrap();
    assert_eq!(third() == held, copied);
    fs::rename(&layer.path, dir.path().join("old")).unwrap();
    fs::copy(dir.path().join("old"), &layer.path).unwrap();
    assert_ne!(third(), held, "the layer is another file now");
}
