//! `lay cp`: Docker's rules for files, directories and slashes, and containers that try to lead it astray.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::{Lay, output, with_docker};

/// What there is to copy, on this machine.
fn sources(dir: &Path) {
    fs::create_dir_all(dir.join("tree/sub")).unwrap();
    fs::write(dir.join("tree/one"), "1").unwrap();
    fs::write(dir.join("tree/sub/two"), "22").unwrap();
    fs::hard_link(dir.join("tree/one"), dir.join("tree/sub/same")).unwrap();
    symlink("one", dir.join("tree/link")).unwrap();
    fs::write(dir.join("file"), "content").unwrap();
    symlink("tree", dir.join("todir")).unwrap();
    symlink("file", dir.join("tofile")).unwrap();
    fs::set_permissions(dir.join("file"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::chown(dir.join("tree/sub/two"), Some(1234), Some(1235)).unwrap();
}

/// Makes the same places in a container.
const PREPARE: &str = "mkdir -p /have/sub /d/tree && echo old > /have/file && ln -s /have /tohave && ln -s missing /dangling \
     && ln -s /have/file /tohavefile && echo x > /d/x && chown 7:8 /d/x && ln -s x /d/l";

const INTO: [(&str, &str); 22] = [
    ("file", "/new"),
    ("file", "/have"),
    ("file", "/have/"),
    ("file", "/have/file"),
    ("file", "/nodir/"),
    ("file", "/nodir/file"),
    ("file", "/have/file/"),
    ("file", "/tohave"),
    ("file", "/tohavefile"),
    ("file", "/dangling"),
    ("file/", "/new"),
    ("tree", "/new"),
    ("tree", "/new/"),
    ("tree", "/have"),
    ("tree/", "/have"),
    ("tree/.", "/have"),
    ("tree/.", "/new"),
    ("tree", "/have/file"),
    ("todir", "/new"),
    ("todir/", "/new"),
    ("tofile", "/have"),
    ("missing", "/have"),
];

const OUT: [(&str, &str); 18] = [
    ("/have/file", "new"),
    ("/have/file", "dir"),
    ("/have/file", "dir/"),
    ("/have/file", "old"),
    ("/have/file", "nodir/"),
    ("/have/file/", "new"),
    ("/have", "new"),
    ("/have", "dir"),
    ("/have/.", "dir"),
    ("/have/.", "new"),
    ("/have", "old"),
    ("/tohave", "new"),
    ("/tohave/", "new"),
    ("/tohavefile", "dir"),
    ("/d", "new"),
    ("/d/..//d/./x", "new"),
    ("/missing", "new"),
    ("/dangling", "new"),
];

/// Names, kinds, modes, owners and sizes of a container's tree, of what the tests make.
fn listing(archive: &[u8]) -> Vec<String> {
    let mut tar = tar::Archive::new(archive);
    let mut lines = Vec::new();
    for entry in tar.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        let name = entry.path().unwrap().display().to_string();
        let name = name.trim_start_matches("./").trim_end_matches('/').to_string();
        if ["bin", "etc", "dev", "proc", "sys", ".dockerenv", "run", "tmp", ""]
            .iter()
            .any(|skip| name == *skip || name.starts_with(&format!("{skip}/")) && !skip.is_empty())
        {
            continue;
        }
        let link =
            entry.link_name().unwrap().map(|l| l.display().to_string().trim_start_matches('/').to_string());
        // Which of two names of a file comes first is not ours to say.
        let kind =
            if header.entry_type().is_hard_link() { tar::EntryType::Regular } else { header.entry_type() };
        let link = link.filter(|_| kind.is_symlink());
        lines.push(format!(
            "{name} {kind:?} {:o} {}:{} {link:?}",
            header.mode().unwrap() & 0o7777,
            header.uid().unwrap(),
            header.gid().unwrap()
        ));
    }
    lines.sort();
    lines
}

fn local(dir: &Path) -> String {
    output("find", &[dir.to_str().unwrap(), "-printf", "%P %y %m %U:%G %l\\n"])
        .lines()
        .map(str::to_string)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
        .join("\n")
}

fn places(dir: &Path) {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir.join("dir")).unwrap();
    fs::write(dir.join("old"), "old").unwrap();
}

#[test]
fn the_rules_are_those_of_docker() {
    let lay = Lay::new();
    let from = lay.dir().join("from");
    fs::create_dir(&from).unwrap();
    sources(&from);
    let archive = lay.dir().join("busybox.tar");
    lay.ok(&["pull", "-q", "busybox"]);
    lay.ok(&["save", "-o", archive.to_str().unwrap(), "busybox"]);
    with_docker(&[], |docker| {
        docker.ok(&["load", "-q", "-i", archive.to_str().unwrap()]);
        for flags in [&[][..], &["-L"]] {
            for (source, target) in INTO {
                let start = ["run", "--name", "into", "--network", "none", "busybox", "sh", "-c", PREPARE];
                docker.ok(&start);
                lay.ok(&start);
                let (source, target) = (format!("{}/{source}", from.display()), format!("into:{target}"));
                let args = [&["cp"], flags, &[&source, &target]].concat();
                let theirs = docker.command(&args).output().unwrap();
                let ours = lay.run(&args);
                assert_eq!(ours.code == 0, theirs.status.success(), "{args:?}: {} {theirs:?}", ours.stderr);
                let trees = [docker.command(&["export", "into"]), lay.command(&["export", "into"])]
                    .map(|mut command| listing(&command.output().unwrap().stdout));
                assert_eq!(trees[0], trees[1], "{args:?}");
                docker.ok(&["rm", "into"]);
                lay.ok(&["rm", "into"]);
            }
            let start = ["run", "--name", "out", "--network", "none", "busybox", "sh", "-c", PREPARE];
            docker.ok(&start);
            lay.ok(&start);
            let to = lay.dir().join("to");
            for (source, target) in OUT {
                let (source, target) = (format!("out:{source}"), format!("{}/{target}", to.display()));
                let args = [&["cp"], flags, &[&source, &target]].concat();
                places(&to);
                let theirs = docker.command(&args).output().unwrap();
                let expected = local(&to);
                places(&to);
                let ours = lay.run(&args);
                assert_eq!(ours.code == 0, theirs.status.success(), "{args:?}: {} {theirs:?}", ours.stderr);
                assert_eq!(local(&to), expected, "{args:?}");
            }
            docker.ok(&["rm", "out"]);
            lay.ok(&["rm", "out"]);
        }
    });
}

#[test]
fn running_and_stopped_containers_give_and_take_the_same() {
    let lay = Lay::new();
    sources(lay.dir());
    let tree = lay.dir().join("tree").display().to_string();
    let volume = ["-v", "kept:/data"];
    for (name, script) in [("runs", "sleep 1000"), ("ended", "true")] {
        let flags = [&["run", "-d", "--name", name, "--network", "none"], &volume[..]].concat();
        lay.ok(&[&flags[..], &["busybox", "sh", "-c", script]].concat());
        if name == "ended" {
            lay.ok(&["wait", name]);
        }
        lay.ok(&["cp", &tree, &format!("{name}:/in")]);
        lay.ok(&["cp", &format!("{tree}/one"), &format!("{name}:/data/{name}")]);
        let back = lay.dir().join(format!("back-{name}"));
        lay.ok(&["cp", "-a", &format!("{name}:/in"), back.to_str().unwrap()]);
        assert_eq!(local(&back), local(Path::new(&tree)));
        assert_eq!(
            fs::metadata(back.join("one")).unwrap().ino(),
            fs::metadata(back.join("sub/same")).unwrap().ino()
        );
        let mtime = |path: &Path| fs::symlink_metadata(path).unwrap().mtime_nsec();
        for path in ["", "one", "link", "sub"] {
            assert_eq!(mtime(&back.join(path)), mtime(&Path::new(&tree).join(path)), "{path}");
        }
        // Through archives, and with names that lead through the container's own links.
        lay.ok(&["exec", "runs", "sh", "-c", "mkdir -p /real; ln -sfn /real /alias"]);
        let pipe = format!(
            "$lay cp {name}:/in/. - | tar -t | sort | head -3; tar -c -C {tree} --transform 's,^,alias/,' one | $lay cp - {name}:/"
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("lay={}; {pipe}", env!("CARGO_BIN_EXE_lay"))]);
        shell.env("LAY_ROOT", lay.root()).env("LAY_CONFIG", lay.dir().join("config.toml"));
        let out = shell.output().unwrap();
        assert!(out.status.success(), "{out:?}");
        assert_eq!(String::from_utf8_lossy(&out.stdout), "./\nlink\none\n");
    }
    assert_eq!(lay.ok(&["exec", "runs", "cat", "/real/one"]), "1");
    assert_eq!(lay.ok(&["exec", "runs", "stat", "-c", "%u:%g", "/in/sub/two"]), "1234:1235");
    assert_eq!(lay.ok(&["exec", "runs", "ls", "/data"]), "ended\nruns", "the volume was mounted for both");
    lay.run(&["cp", "-", "runs:/in/one"]).fails(1, "is not a directory");
    lay.run(&["cp", "runs:/in", "ended:/in"]).fails(1, "between containers");
    lay.run(&["cp", "a", "b"]).fails(1, "CONTAINER:PATH");
    lay.run(&["cp", "nobody:/x", "."]).fails(1, "no such container");
    lay.ok(&["rm", "-f", "runs", "ended"]);
    lay.ok(&["volume", "rm", "kept"]);
    lay.assert_clean();
}

#[test]
fn links_in_a_container_lead_nowhere_else() {
    let lay = Lay::new();
    let victim = lay.dir().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("passwd"), "of the host").unwrap();
    fs::write(lay.dir().join("evil"), "evil").unwrap();
    let evil = lay.dir().join("evil").display().to_string();
    let path = victim.display().to_string();
    let up = format!("../../../../../../..{path}");
    let script = format!(
        "ln -s {path} /abs; ln -s {up} /rel; ln -s /proc/1/root /magic; ln -s {path}/new /newfile; ln -s {path}/passwd /etc/leak"
    );
    for (name, end) in [("runs", "; sleep 1000"), ("ended", "")] {
        lay.ok(&[
            "run",
            "-d",
            "--name",
            name,
            "--network",
            "none",
            "busybox",
            "sh",
            "-c",
            &format!("{script}{end}"),
        ]);
        if end.is_empty() {
            lay.ok(&["wait", name]);
        }
        crate::support::eventually("the links are there", || {
            lay.run(&["cp", &format!("{name}:/etc/leak"), "-"]).code == 0
        });
        let at = |path: &str| format!("{name}:{path}");
        let out = lay.dir().join(format!("out-{name}")).display().to_string();
        for source in ["/abs/passwd", "/rel/passwd", "/magic/etc/passwd2", "/proc/1/cwd/etc/../abs/passwd"] {
            assert_ne!(lay.run(&["cp", &at(source), &out]).code, 0, "{source}");
        }
        assert_ne!(lay.run(&["cp", "-L", &at("/etc/leak"), &out]).code, 0);
        for target in ["/abs/x", "/rel/x", "/abs", "/rel", "/newfile", "/magic/x"] {
            lay.run(&["cp", &evil, &at(target)]);
        }
        let mut tar = tar::Builder::new(Vec::new());
        for entry in ["abs/x", "rel/x"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(4);
            header.set_mode(0o644);
            tar.append_data(&mut header, entry, &b"evil"[..]).unwrap();
        }
        fs::write(lay.dir().join("evil.tar"), tar.into_inner().unwrap()).unwrap();
        let mut command = lay.command(&["cp", "-", &at("/")]);
        command.stdin(fs::File::open(lay.dir().join("evil.tar")).unwrap()).output().unwrap();
        // What comes out as a link stays one, and nothing is written through it.
        lay.ok(&["cp", &at("/etc"), &out]);
        assert!(fs::symlink_metadata(format!("{out}/leak")).unwrap().is_symlink());
        let left: Vec<_> = fs::read_dir(&victim).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["passwd"]);
        assert_eq!(fs::read_to_string(victim.join("passwd")).unwrap(), "of the host");
    }
}

#[test]
fn a_container_that_races_gains_nothing() {
    let lay = Lay::new();
    let victim = lay.dir().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("secret"), "of the host").unwrap();
    fs::create_dir_all(lay.dir().join("push/d")).unwrap();
    fs::write(lay.dir().join("push/d/file"), "pushed").unwrap();
    // A directory and a link to the host's take each other's place all the time.
    let script = format!(
        "mkdir -p /race/d /race/a; echo mine > /race/d/secret; echo mine > /race/a/secret; ln -s {} /race/l; \
         while :; do mv /race/d /race/t; mv /race/l /race/d; mv /race/d /race/l; mv /race/t /race/d; done",
        victim.display()
    );
    lay.ok(&["run", "-d", "--name", "racer", "--network", "none", "busybox", "sh", "-c", &script]);
    let (out, push) = (lay.dir().join("out"), lay.dir().join("push/."));
    for _ in 0..60 {
        let _ = fs::remove_dir_all(&out);
        lay.run(&["cp", "racer:/race", out.to_str().unwrap()]);
        for path in ["d/secret", "t/secret", "l/secret"] {
            // A link that came out as one may lead to the victim here, which is what links do: look at real directories.
            let dir = out.join(path).parent().unwrap().to_path_buf();
            if fs::symlink_metadata(&dir).is_ok_and(|meta| meta.is_dir())
                && let Ok(text) = fs::read_to_string(out.join(path))
            {
                assert_eq!(text, "mine\n", "{path}");
            }
        }
        lay.run(&["cp", "racer:/race/d/secret", lay.dir().join("got").to_str().unwrap()]);
        if let Ok(text) = fs::read_to_string(lay.dir().join("got")) {
            assert_eq!(text, "mine\n");
        }
        lay.run(&["cp", push.to_str().unwrap(), "racer:/race"]);
        lay.run(&["cp", lay.dir().join("push/d/file").to_str().unwrap(), "racer:/race/d/file"]);
        assert!(!victim.join("file").exists());
    }
}

#[test]
fn what_comes_out_is_not_trusted() {
    let lay = Lay::new();
    let script = "cp /bin/busybox /su 2>/dev/null || cat /bin/busybox > /su; chmod 4755 /su; mkdir /n; mknod /n/null c 1 3; echo x > /n/x";
    lay.ok(&["run", "--name", "odd", "--network", "none", "busybox", "sh", "-c", script]);
    let path = |name: &str| lay.dir().join(name);
    lay.ok(&["cp", "odd:/su", path("su").to_str().unwrap()]);
    assert_eq!(fs::metadata(path("su")).unwrap().mode() & 0o7777, 0o755);
    lay.ok(&["cp", "-a", "odd:/su", path("su-a").to_str().unwrap()]);
    assert_eq!(fs::metadata(path("su-a")).unwrap().mode() & 0o7777, 0o4755);
    lay.ok(&["cp", "odd:/n", path("n").to_str().unwrap()]);
    assert!(path("n/x").exists() && !path("n/null").exists());
    let ro = ["run", "--name", "ro", "--read-only", "--network", "none", "busybox", "true"];
    lay.ok(&ro);
    lay.run(&["cp", path("su").to_str().unwrap(), "ro:/su"]).fails(1, "Read-only file system");
}
