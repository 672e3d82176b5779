//! `lay build` that is interrupted or killed, or finds the disk full: a clean store.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::build_bad_input::{context, is_clean};
use crate::support::{Lay, eventually, output};

/// A command that no other test on this machine runs.
fn sleep(lay: &Lay) -> String {
    format!("sleep 91{:03}", lay.slot)
}

/// Starts a build two of whose commands wait, and gives the process when they have begun.
fn waiting(lay: &Lay, dir: &Path) -> std::process::Child {
    let sleep = sleep(lay);
    let file = format!(
        "FROM busybox AS one\nRUN echo first > /first\nRUN echo begun; {sleep}\nFROM busybox AS two\nRUN echo begun; {sleep}\n\
         FROM one\nCOPY --from=two /bin/sh /\n"
    );
    std::fs::write(dir.join("Containerfile"), file).unwrap();
    let log = lay.dir().join("log");
    let mut command = lay.command(&["build", "--progress", "plain", "-t", "never", dir.to_str().unwrap()]);
    let child = command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    eventually("both stages run", || {
        std::fs::read_to_string(&log).unwrap().lines().filter(|line| line.ends_with(" begun")).count() == 2
    });
    child
}

#[test]
fn builds_that_are_interrupted_or_killed() {
    let lay = Lay::new();
    let dir = context(&lay);
    let ours = || output("ps", &["-eo", "args"]).lines().filter(|line| line.contains(&sleep(&lay))).count();
    for signal in ["INT", "TERM", "HUP"] {
        let mut child = waiting(&lay, &dir);
        output("kill", &[&format!("-{signal}"), &child.id().to_string()]);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
        let log = std::fs::read_to_string(lay.dir().join("log")).unwrap();
        assert!(log.ends_with("lay: build interrupted\n"), "{log}");
        eventually("its commands are gone", || ours() == 0);
        is_clean(&lay);
    }
    // Nobody is left to clean up after this one; the next command does.
    let mut child = waiting(&lay, &dir);
    output("kill", &["-KILL", &child.id().to_string()]);
    child.wait().unwrap();
    eventually("its commands are gone", || ours() == 0);
    lay.ok(&["prune", "-f"]);
    is_clean(&lay);
    assert_ne!(lay.run(&["inspect", "never"]).code, 0);
    std::fs::write(dir.join("Containerfile"), "FROM busybox\nRUN true\n").unwrap();
    lay.ok(&["build", "-q", dir.to_str().unwrap()]);
    is_clean(&lay);
}

#[test]
fn a_full_disk() {
    let lay = Lay::new();
    let dir = context(&lay);
    let root = lay.root();
    std::fs::create_dir(&root).unwrap();
    std::fs::write(dir.join("big"), vec![1; 8 << 20]).unwrap();
    for instruction in ["COPY big /", "RUN dd if=/dev/zero of=/big bs=1M count=32"] {
        std::fs::write(dir.join("Containerfile"), format!("FROM busybox\n{instruction}\n")).unwrap();
        // A small file system in a mount namespace that goes with the command.
        let script = format!(
            "truncate -s 14M {0}.image && mkfs.ext4 -q -m 0 -O ^has_journal {0}.image && mount -o loop {0}.image {0} && {1} pull -q busybox && {1} build -t never {2}; code=$?
             {1} inspect never >/dev/null 2>&1 && echo TAGGED; {1} check; ls -A {0}/containers {0}/trash {0}/leases; exit $code",
            root.display(),
            env!("CARGO_BIN_EXE_lay"),
            dir.display()
        );
        let reference = lay.command(&[]);
        let mut command = Command::new("unshare");
        command.envs(reference.get_envs().filter_map(|(k, v)| Some((k, v?))));
        let out = command.args(["-m", "sh", "-c", &script]).output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.code() == Some(1), "{stdout}{stderr}");
        assert!(stderr.contains("No space left on device"), "{instruction}: {stderr}");
        assert!(
            !stdout.contains("TAGGED") && stdout.contains("no problems"),
            "{instruction}: {stdout}{stderr}"
        );
        let left: Vec<&str> = stdout
            .lines()
            .skip_while(|line| !line.ends_with("/containers:"))
            .filter(|line| !line.is_empty() && !line.ends_with(':'))
            .collect();
        assert_eq!(left, ["making.lock", "names"], "{instruction}");
        std::fs::remove_file(root.with_extension("image")).unwrap();
    }
}
