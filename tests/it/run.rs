//! `lay run`: flags, streams, exit codes. Expected values are Docker's.

use std::io::{Read, Write};
use std::process::Stdio;

use crate::support::{Lay, eventually};

const ALONE: [&str; 2] = ["--network", "none"];

#[test]
fn exit_codes_are_the_command_s_or_docker_s() {
    let lay = Lay::new();
    let code =
        |script: &str| lay.run(&["run", "--rm", "--network", "none", "busybox", "sh", "-c", script]).code;
    assert_eq!(code("exit 0"), 0);
    assert_eq!(code("exit 42"), 42);
    assert_eq!(code("sh -c 'kill -TERM $$'; exit $?"), 143);
    lay.run(&["run", "--rm", "--network", "none", "busybox", "nosuch"]).fails(127, "nosuch");
    lay.run(&["run", "--rm", "--network", "none", "busybox", "/etc/passwd"]).fails(126, "/etc/passwd");
    lay.run(&["run", "--rm", "--network", "none", "busybox", "/etc"]).fails(126, "/etc");
    lay.run(&["run", "--nosuchflag", "busybox"]).fails(125, "--nosuchflag");
    lay.run(&["run", "--rm", "--cpus", "x", "busybox"]).fails(125, "--cpus");
    lay.assert_clean();
}

#[test]
fn stdin_stdout_and_stderr_pass_through() {
    let lay = Lay::new();
    let out = lay.run_with(
        &["run", "-i", "--rm", "--network", "none", "busybox", "sh", "-c", "cat; echo error >&2"],
        "some\ninput",
    );
    assert_eq!((out.stdout.as_str(), out.code), ("some\ninput", 0));
    assert!(out.stderr.ends_with("error\n"), "{}", out.stderr);
    assert_eq!(lay.sh(&ALONE, "busybox", "cat | wc -c"), "0", "without -i there is no input");
    let large = "x".repeat(3_000_000);
    let out = lay.run_with(&["run", "-i", "--rm", "--network", "none", "busybox", "cat"], &large);
    assert!(out.stdout == large, "{} bytes came back", out.stdout.len());
}

#[test]
fn the_image_s_configuration_holds_unless_flags_say_else() {
    let lay = Lay::new();
    let run = |args: &[&str]| lay.ok(&[&["run", "--rm", "--network", "none"], args].concat());
    assert_eq!(run(&["configured"]), "entry cmd");
    assert_eq!(run(&["configured", "mine"]), "entry mine");
    assert_eq!(run(&["--entrypoint", "/bin/pwd", "configured"]), "/work/here");
    assert_eq!(run(&["--entrypoint", "/bin/pwd", "-w", "/tmp", "configured"]), "/tmp");
    assert_eq!(
        run(&["--entrypoint", "/bin/id", "configured"]),
        "uid=1000(alice) gid=39(video) groups=39(video)"
    );
    assert_eq!(run(&["--entrypoint", "", "configured", "echo", "bare"]), "bare");
}

#[test]
fn users_are_looked_up_in_the_image() {
    let lay = Lay::new();
    let id = |user: &str| lay.sh(&["--network", "none", "-u", user], "busybox", "id; echo $HOME");
    assert_eq!(id("alice"), "uid=1000(alice) gid=1001(alice) groups=10(wheel),1001(alice)\n/home/alice");
    assert_eq!(id("1000"), id("alice"));
    assert_eq!(id("alice:video"), "uid=1000(alice) gid=39(video) groups=39(video)\n/home/alice");
    assert_eq!(id("7:8"), "uid=7 gid=8 groups=8\n/");
    for user in ["bob", "alice:nogroup", "4294967296"] {
        lay.run(&["run", "--rm", "-u", user, "busybox"]).fails(125, "cannot run busybox");
    }
}

#[test]
fn the_environment_is_the_image_s_the_user_s_and_nobody_else_s() {
    let lay = Lay::new();
    let file = lay.dir().join("vars");
    std::fs::write(&file, "# no\nFILE=f\nBOTH=file\n").unwrap();
    let args = [
        "run",
        "--rm",
        "--network",
        "none",
        "--hostname",
        "box",
        "-e",
        "BOTH=flag",
        "-e",
        "FROM_HERE",
        "-e",
        "UNSET_HERE",
        "--env-file",
    ];
    let args = [&args[..], &[file.to_str().unwrap(), "--entrypoint", "/bin/env", "configured"]].concat();
    let out = lay
        .command(&args)
        .env("FROM_HERE", "here")
        .env("LEAK", "no")
        .env_remove("UNSET_HERE")
        .output()
        .unwrap();
    let mut lines: Vec<_> = std::str::from_utf8(&out.stdout).unwrap().lines().collect();
    lines.sort_unstable();
    let expected = [
        "BOTH=flag",
        "FILE=f",
        "FROM_HERE=here",
        "FROM_IMAGE=yes",
        "HOME=/home/alice",
        "HOSTNAME=box",
        "PATH=/bin",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn volumes_are_mounted_with_their_owners() {
    let lay = Lay::new();
    let host = lay.dir().join("host");
    std::fs::create_dir(&host).unwrap();
    std::fs::write(host.join("file"), "from the host").unwrap();
    std::os::unix::fs::chown(host.join("file"), Some(1000), Some(1001)).unwrap();
    let bind = format!("{}:/mnt/host", host.display());
    let script = "cat /mnt/host/file; stat -c ' %U:%G' /mnt/host/file; echo back > /mnt/host/new";
    assert_eq!(lay.sh(&["--network", "none", "-v", &bind], "busybox", script), "from the host alice:alice");
    assert_eq!(std::fs::read_to_string(host.join("new")).unwrap(), "back\n");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(host.join("new").metadata().unwrap().uid(), 0, "root inside is root in what is mounted");
    let read_only = format!("{bind}:ro");
    let out =
        lay.run(&["run", "--rm", "--network", "none", "-v", &read_only, "busybox", "touch", "/mnt/host/x"]);
    assert!(out.code != 0 && out.stderr.contains("Read-only file system"), "{out:?}");
    lay.sh(&["--network", "none", "-v", "named:/data"], "busybox", "echo kept > /data/file");
    assert_eq!(lay.sh(&["--network", "none", "-v", "named:/data"], "layers", "cat /data/file"), "kept");
    lay.run(&["run", "--rm", "-v", "/no/such/dir:/x", "busybox"]).fails(125, "/no/such/dir");
    lay.assert_clean();
}

#[test]
fn tmpfs_read_only_workdir_and_hostname() {
    let lay = Lay::new();
    let flags = [
        "--network",
        "none",
        "--read-only",
        "--tmpfs",
        "/scratch:size=1m",
        "-w",
        "/made/for/me",
        "--hostname",
        "box",
    ];
    let script = "pwd; hostname; touch /scratch/x && echo scratch; touch /x 2>&1; df -k /scratch | tail -n1 | grep -o 1024";
    let script = script.replace("tail -n1", "grep scratch");
    let text = lay.sh(&flags, "busybox", &script);
    assert!(text.starts_with("/made/for/me\nbox\nscratch\ntouch: /x: Read-only file system"), "{text}");
    assert!(text.ends_with("1024"), "{text}");
}

#[test]
fn init_reaps_orphans_and_forwards_signals() {
    let lay = Lay::new();
    let orphans = "sh -c 'sleep 0.1 & exit'; sleep 0.4; grep -l '^State:.Z' /proc/[0-9]*/status | wc -l; cat /proc/1/comm";
    assert_eq!(lay.sh(&["--network", "none", "--init"], "busybox", orphans), "0\nlay-init");
    let signalled = "trap 'echo forwarded; exit 6' TERM; kill -TERM 1; sleep 2";
    let out = lay.run(&["run", "--rm", "--init", "--network", "none", "busybox", "sh", "-c", signalled]);
    assert_eq!((out.stdout.as_str(), out.code), ("forwarded\n", 6));
}

#[test]
fn signals_to_lay_reach_the_container() {
    let lay = Lay::new();
    let script = "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = lay
        .command(&["run", "--rm", "--network", "none", "busybox", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; 6];
    stdout.read_exact(&mut first).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM)
        .unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("got it\n", Some(9)));
    lay.assert_clean();
}

#[test]
fn a_terminal_is_a_terminal() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let master =
        rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let size = rustix::termios::Winsize { ws_row: 33, ws_col: 111, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&master, size).unwrap();
    let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
    let slave = || std::fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let before = rustix::termios::tcgetattr(slave()).unwrap().local_modes;
    let script = "tty; stty size; test -t 0 && test -t 1 && echo isatty; read line; echo \"<$line>\"; exit 5";
    let mut child = lay
        .command(&["run", "-it", "--rm", "--network", "none", "busybox", "sh", "-c", script])
        .stdin(slave())
        .stdout(slave())
        .stderr(slave())
        .spawn()
        .unwrap();
    let mut terminal = std::fs::File::from(master);
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains("isatty") {
        let read = terminal.read(&mut buffer).unwrap();
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    terminal.write_all(b"typed\r").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let read = terminal.read(&mut buffer).unwrap();
    text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    assert!(text.starts_with("/dev/pts/0\r\n33 111\r\nisatty\r\n"), "{text:?}");
    assert!(text.contains("<typed>"), "{text:?}");
    assert_eq!(rustix::termios::tcgetattr(slave()).unwrap().local_modes, before, "the terminal is as it was");
}

#[test]
fn a_missing_image_is_pulled_and_pull_says_when() {
    let lay = Lay::new();
    lay.run(&["run", "--rm", "--pull", "never", "busybox", "true"]).fails(125, "no such image");
    let out = lay.run(&["run", "--rm", "--network", "none", "busybox", "echo", "ran"]).expect(0);
    assert_eq!(out.stdout, "ran\n");
    assert!(out.stderr.contains("Unable to find image 'busybox' locally"), "{}", out.stderr);
    assert_eq!(lay.run(&["run", "--rm", "--network", "none", "busybox", "echo", "ran"]).expect(0).stderr, "");
    lay.configure("[registry.\"docker.io\"]\nmirrors = [\"http://127.0.0.1:1\"]\n");
    lay.run(&["run", "--rm", "--pull", "always", "busybox", "true"]).fails(125, "refused");
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let mut child =
        lay.command(&["run", "--rm", "--name", "doomed", "busybox", "sleep", "100"]).spawn().unwrap();
    eventually("it runs", || lay.ok(&["ps", "-q"]).lines().count() == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("the container ends with its supervisor", || lay.ok(&["ps", "-aq"]).is_empty());
    lay.assert_clean();
}
