//! `lay build` on what it cannot build: one clear message, nothing tagged, and a clean store.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::lay::Out;
use crate::support::{Lay, output};

/// A directory to build from.
pub fn context(lay: &Lay) -> PathBuf {
    let dir = lay.dir().join("context");
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// Builds what must fail.
#[track_caller]
fn fails(lay: &Lay, dir: &Path, file: &[u8], words: &[&str]) -> Out {
    std::fs::write(dir.join("Containerfile"), file).unwrap();
    let out = lay.run(&["build", "--progress", "plain", "-t", "never", dir.to_str().unwrap()]);
    assert!(![0, 101].contains(&out.code) && !out.stderr.contains("panicked"), "{}", out.stderr);
    let messages = out.stderr.lines().filter(|line| line.starts_with("lay: ")).count();
    assert_eq!(messages, 1, "{}", out.stderr);
    for word in words {
        assert!(out.stderr.contains(word), "'{word}' is not in: {}", out.stderr);
    }
    assert_ne!(lay.run(&["inspect", "never"]).code, 0, "{}", out.stderr);
    out
}

/// Nothing is left of a build, and what is there is whole.
#[track_caller]
pub fn is_clean(lay: &Lay) {
    assert!(lay.ok(&["check"]).ends_with("no problems"));
    assert_eq!(lay.ok(&["ps", "-aq"]), "");
    lay.assert_clean();
}

#[test]
fn files_that_are_no_containerfile() {
    let lay = Lay::new();
    let dir = context(&lay);
    let elf = std::fs::read("/bin/true").unwrap();
    let place = |line: usize, column: usize| format!("Containerfile:{line}:{column}: ");
    for (file, line, column, words) in [
        (elf.as_slice(), 1, 25, "this is no text"),
        (b"\xff\xfeF\x00", 1, 1, "no text"),
        (b"", 1, 1, "no instructions"),
        (b"\n\n# only a comment\n", 1, 1, "no instructions"),
        (b"FROM busybox\nRUNN true\n", 2, 1, "unknown instruction \"RUNN\" (did you mean RUN?)"),
        (b"FROM busybox\n  COPY --form=a b c\n", 2, 8, "unknown flag --form of COPY (did you mean from?)"),
        (b"FROM busybox\nRUN --mount=type=cash,target=/c true\n", 2, 5, "cash"),
        (b"FROM busybox\nRUN <<END\ntrue\n", 2, 5, "no line \"END\" ends it"),
        (b"FROM busybox\nENV A=${B:-c\n", 2, 7, "ENV"),
        (b"RUN true\n", 1, 1, "RUN before the first FROM"),
    ] {
        let out = fails(&lay, &dir, file, &[words, &place(line, column)]);
        assert!(out.stderr.len() < 1000, "{}", out.stderr);
    }
    let endless = [b"FROM busybox\nRUN ".as_slice(), &vec![b'x'; 2 << 20]].concat();
    fails(&lay, &dir, &endless, &["Containerfile:2:1: the line is longer than 1048576 bytes"]);
    let long = b"# a comment\n".repeat(6 << 20);
    fails(&lay, &dir, &long, &["the file is longer than 67108864 bytes"]);
    is_clean(&lay);
}

#[test]
fn unusual_files_that_are_fine() {
    let lay = Lay::new();
    let dir = context(&lay);
    let dir = dir.to_str().unwrap();
    let build = |file: &[u8]| {
        std::fs::write(format!("{dir}/Containerfile"), file).unwrap();
        lay.run(&["build", "-q", dir]).expect(0).stdout
    };
    let plain = build(b"FROM busybox\nENV A=b C=d\nRUN echo it > /file\n");
    let dressed =
        b"\xef\xbb\xbfFROM busybox\r\nENV A=b \\\r\n  # a comment inside\r\n C=d\r\nRUN echo it > /file\r\n";
    assert_eq!(build(dressed), plain);
    assert_eq!(
        build(
            &[
                b"FROM busybox\n".as_slice(),
                &b"# line\n\n".repeat(50_000),
                b"ENV A=b C=d\nRUN echo it > /file"
            ]
            .concat()
        ),
        plain
    );
    // One instruction of 100,000 lines.
    let many = b"# a comment inside\n".repeat(99_990);
    assert_eq!(
        build(&[b"FROM busybox\nENV A=b \\\n".as_slice(), &many, b" C=d\nRUN echo it > /file\n"].concat()),
        plain
    );
    // So many instructions are more than an image can tell of.
    let pair = |i: u32| format!("LABEL key=a-value-with-some-length\nENV VARIABLE{i}=a-value\n");
    let file: String = std::iter::once("FROM busybox\n".to_owned()).chain((0..50_000).map(pair)).collect();
    std::fs::write(format!("{dir}/Containerfile"), file).unwrap();
    lay.run(&["build", "-q", "-t", "never", dir]).fails(1, "too many instructions");
    is_clean(&lay);
}

#[test]
fn names_that_nobody_gave() {
    let lay = Lay::new();
    let dir = context(&lay);
    fails(
        &lay,
        &dir,
        b"FROM busybox AS build\nFROM busybox\nCOPY --from=bulid /bin/sh /\n",
        &["3:1", "did you mean the stage build?"],
    );
    fails(&lay, &dir, b"ARG BASE=busybox\nFROM ${BSAE}\n", &["2:1", "did you mean BASE?"]);
    fails(&lay, &dir, b"FROM busybox\nRUN echo ${WHO:?nobody is named} $\n", &["exit code 2"]);
    fails(&lay, &dir, b"FROM busybox\nENV A=\"${WHO:?nobody is named}\"\n", &["2:", "nobody is named"]);
    let path = dir.to_str().unwrap();
    lay.run(&["build", "--target", "bild", path]).fails(1, "no stage \"bild\"");
    // A variable that nothing sets is empty, as with Docker, and told.
    std::fs::write(dir.join("Containerfile"), "FROM busybox\nARG NAME=x\nLABEL who=$NMAE\n").unwrap();
    let out = lay.run(&["build", path]).expect(0);
    assert!(
        out.stderr.contains("warning: Containerfile:3") && out.stderr.contains("did you mean $NAME?"),
        "{}",
        out.stderr
    );
    is_clean(&lay);
}

#[test]
fn sources_outside_of_the_context() {
    let lay = Lay::new();
    let dir = context(&lay);
    let outside = lay.dir().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "the canary").unwrap();
    symlink(&outside, dir.join("absolute")).unwrap();
    symlink("../outside", dir.join("relative")).unwrap();
    symlink("../outside/secret", dir.join("file")).unwrap();
    let to = outside.display();
    for source in [
        "../outside/secret",
        "absolute/secret",
        "relative/secret",
        "file",
        &format!("{to}/secret"),
        "relative/*",
    ] {
        for instruction in ["COPY", "ADD"] {
            fails(
                &lay,
                &dir,
                format!("FROM busybox\n{instruction} {source} /\n").as_bytes(),
                &["2:1", "not in the build context"],
            );
        }
        let mount = format!("FROM busybox\nRUN --mount=type=bind,source={source},target=/x cat /x\n");
        fails(&lay, &dir, mount.as_bytes(), &["2:1"]);
    }
    // The same of a stage: what its links name is looked for inside of it.
    let stage = format!(
        "FROM busybox AS evil\nRUN ln -s {to} /absolute && ln -s ../../../../{to} /relative && ln -s {to}/secret /file\n"
    );
    for source in ["/absolute/secret", "/relative/secret", "/file", &format!("/../../../{to}/secret")] {
        fails(
            &lay,
            &dir,
            format!("{stage}FROM busybox\nCOPY --from=evil {source} /\n").as_bytes(),
            &["4:1", "not in stage evil"],
        );
        let mount = format!(
            "{stage}FROM busybox\nRUN --mount=type=bind,from=evil,source={source},target=/x cat /x\n"
        );
        fails(&lay, &dir, mount.as_bytes(), &["4:1"]);
    }
    // Destinations too: a link of the image leads nowhere but inside.
    let file = format!(
        "FROM busybox\nRUN mkdir -p /in && ln -s ../../../../../..{to} /in/out\nCOPY Containerfile /in/out/planted\nADD Containerfile /in/out/\n"
    );
    std::fs::write(dir.join("Containerfile"), file).unwrap();
    lay.ok(&["build", "-q", "-t", "inside", dir.to_str().unwrap()]);
    assert_eq!(lay.sh(&["--network", "none"], "inside", &format!("ls {to}")), "Containerfile\nplanted");
    // So does the directory that results are written to, and the ignore file hides what it says.
    assert_eq!(output("ls", &["-A", outside.to_str().unwrap()]), "secret\n");
    is_clean(&lay);
}

#[test]
fn contexts_that_cannot_be_read() {
    let lay = Lay::new();
    let dir = context(&lay);
    let path = dir.to_str().unwrap();
    lay.run(&["build", "/nowhere/at/all"]).fails(1, "/nowhere/at/all");
    lay.run(&["build", path]).fails(1, "there is none, and no Dockerfile; name it with -f");
    std::fs::write(dir.join("Containerfile"), "FROM busybox\nCOPY . /all\n").unwrap();
    lay.run(&["build", &format!("{path}/Containerfile")]).fails(1, "it is no directory");
    lay.run(&["build", "-f", "/nowhere/file", path]).fails(1, "there is no such file");
    lay.run(&["build", "-f", path, path]).fails(1, "no regular file");
    // Root reads everything unless it has given that up.
    std::fs::create_dir(dir.join("locked")).unwrap();
    std::fs::write(dir.join("private"), "x").unwrap();
    std::fs::set_permissions(dir.join("private"), PermissionsExt::from_mode(0o000)).unwrap();
    output("chown", &["12345", &format!("{path}/private"), &format!("{path}/locked")]);
    let powerless = || {
        let command = lay.command(&["build", "-q", "-t", "never", path]);
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--bounding-set", "-dac_override,-dac_read_search", "--"]);
        setpriv.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
        let out = setpriv.envs(command.get_envs().filter_map(|(k, v)| Some((k, v?)))).output().unwrap();
        assert_eq!(out.status.code(), Some(1));
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    let said = powerless();
    assert!(said.contains("private") && said.contains("Permission denied"), "{said}");
    std::fs::remove_file(dir.join("private")).unwrap();
    std::fs::set_permissions(dir.join("locked"), PermissionsExt::from_mode(0o000)).unwrap();
    let said = powerless();
    assert!(said.contains("locked") && said.contains("Permission denied"), "{said}");
    // What is left out need not be readable.
    std::fs::write(dir.join(".containerignore"), "locked\n").unwrap();
    lay.ok(&["build", "-q", path]);
    // Repositories: one that has no Containerfile, no such branch, no such directory.
    let repository = format!("file://{}", lay.dir().join("repository.git").display());
    let script = "cd \"$1\" && git init -q --bare repository.git && git clone -q repository.git work 2>/dev/null && cd work &&
        echo x > file && git add file && git -c user.email=a@b -c user.name=c commit -q -m m && git push -q origin HEAD:refs/heads/main";
    output("sh", &["-ec", script, "sh", lay.dir().to_str().unwrap()]);
    for (reference, why) in [
        ("main", "cannot read Containerfile: there is none"),
        ("nothing", "'nothing'"),
        ("main:nowhere", "no directory \"nowhere\""),
    ] {
        let out = lay.run(&["build", &format!("{repository}#{reference}")]).fails(1, why);
        assert!(!out.stderr.contains("/containers/"), "{}", out.stderr);
    }
    // Standard input that is neither an archive nor a Containerfile, or a cut archive.
    lay.run_with(&["build", "-"], "\u{0}nothing").fails(1, "zero byte");
    let cut = format!("tar -C {path} -c . | head -c 700 | \"$@\"");
    let command = lay.command(&["build", "-"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", &cut, "sh"]).arg(command.get_program()).args(command.get_args());
    let out = shell.envs(command.get_envs().filter_map(|(k, v)| Some((k, v?)))).output().unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).starts_with("lay: cannot"), "{out:?}");
    is_clean(&lay);
}

#[test]
fn sockets_devices_and_files_that_change() {
    let lay = Lay::new();
    let dir = context(&lay);
    let _socket = UnixListener::bind(dir.join("socket")).unwrap();
    output("mkfifo", &[dir.join("pipe").to_str().unwrap()]);
    output("mknod", &[dir.join("device").to_str().unwrap(), "c", "1", "7"]);
    // Nothing is read from them: a build would hang, or never end.
    std::fs::write(dir.join("Containerfile"), "FROM busybox\nCOPY . /all\nRUN ls /all > /list\n").unwrap();
    lay.ok(&["build", "-q", "-t", "odd", dir.to_str().unwrap()]);
    assert_eq!(
        lay.sh(&["--network", "none"], "odd", "cat /list; stat -c %F /all/pipe /all/device"),
        "Containerfile\ndevice\npipe\nfifo\ncharacter special file"
    );
    fails(&lay, &dir, b"FROM busybox\nCOPY socket /\n", &["2:1", "it is a socket"]);
    fails(&lay, &dir, b"FROM busybox\nADD https://127.0.0.1:1/x /\n", &["2:1", "127.0.0.1:1"]);
    // A file that grows all the time is never copied half.
    let log = dir.join("log");
    let mut file = std::fs::File::create(&log).unwrap();
    file.write_all(&vec![b'x'; 64 << 20]).unwrap();
    let writer = std::thread::spawn(move || {
        while file.write_all(b"more\n").is_ok()
            && file.metadata().is_ok_and(|meta| meta.permissions().mode() & 1 == 0)
        {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    });
    fails(
        &lay,
        &dir,
        b"FROM busybox\nCOPY log /\n",
        &["2:1", "log changed while it was read; build again when it is at rest"],
    );
    std::fs::set_permissions(&log, PermissionsExt::from_mode(0o755)).unwrap();
    writer.join().unwrap();
    is_clean(&lay);
}

#[test]
fn a_command_that_fails() {
    let lay = Lay::new();
    let dir = context(&lay);
    let file =
        b"FROM busybox\nRUN echo kept > /kept\nRUN seq 1 100; echo the last words >&2; exit 42\nRUN never\n";
    let out =
        fails(&lay, &dir, file, &["Containerfile:3:1: the command failed with exit code 42", "3 | RUN seq"]);
    assert_eq!(out.code, 42);
    assert!(out.stderr.contains("#3 the last words\n#3 FAILED\n"), "{}", out.stderr);
    // Quiet builds show the end of what it printed.
    let path = dir.to_str().unwrap();
    let out = lay.run(&["build", "-q", path]);
    assert!(out.code == 42 && out.stdout.is_empty());
    assert!(
        !out.stderr.contains("\n80\n") && out.stderr.contains("\n100\nthe last words\nlay: "),
        "{}",
        out.stderr
    );
    // What went well before is not done again.
    std::fs::write(dir.join("Containerfile"), "FROM busybox\nRUN echo kept > /kept\n").unwrap();
    assert!(lay.run(&["build", "--progress", "plain", path]).stderr.contains("CACHED"));
    for (command, code, words) in [
        ("sh -c 'kill -9 $$'; exit $?", 137, "exit code 137"),
        ("/no/such/program", 127, "127"),
        ("[\"/no/such/program\"]", 127, "/no/such/program"),
        ("[\"/etc/passwd\"]", 126, "/etc/passwd"),
    ] {
        let out = fails(&lay, &dir, format!("FROM busybox\nRUN {command}\n").as_bytes(), &["2:1", words]);
        assert_eq!(out.code, code, "{command}: {}", out.stderr);
    }
    is_clean(&lay);
}
