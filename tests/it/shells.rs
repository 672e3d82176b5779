//! Completions as shells ask for them, and manual pages.

use std::process::Command;

use crate::support::{Lay, output};

/// What is offered for the last of some words.
fn offered(lay: &Lay, words: &[&str]) -> Vec<String> {
    let mut command = lay.command(&[&["--", "lay"], words].concat());
    command.env("LAY_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    command.env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "true");
    let out = command.current_dir(lay.dir()).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_string).collect()
}

#[test]
fn names_are_completed() {
    let lay = Lay::new();
    assert_eq!(offered(&lay, &["rm", ""]).iter().filter(|o| !o.starts_with('-')).count(), 0);
    assert!(!lay.root().exists(), "a question makes no store");
    let script = ["--network", "none", "busybox", "sleep", "100"];
    let id = lay.ok(&[&["run", "-d", "--name", "web-one"], &script[..]].concat());
    lay.ok(&["run", "--name", "web-two", "--network", "none", "busybox", "true"]);
    lay.ok(&["volume", "create", "data"]);
    lay.ok(&["group", "create", "batch", "--cpus", "1"]);
    assert_eq!(offered(&lay, &["rm", "we"]), ["web-one", "web-two"]);
    assert_eq!(offered(&lay, &["stop", "we"]), ["web-one"], "one that runs");
    assert_eq!(offered(&lay, &["rm", "web-two", "web-o"]), ["web-one"]);
    assert_eq!(offered(&lay, &["logs", "-f", &id[..5]]), [&id[..12]]);
    assert_eq!(offered(&lay, &["run", "--rm", "bus"]), ["busybox:latest"]);
    assert_eq!(offered(&lay, &["volume", "rm", "d"]), ["data"]);
    assert_eq!(offered(&lay, &["run", "--group", "b"]), ["batch"]);
    assert_eq!(offered(&lay, &["cp", "web-o"]), ["web-one:"]);
    std::fs::create_dir(lay.dir().join("website")).unwrap();
    assert_eq!(offered(&lay, &["cp", "webs"]), ["website/"]);
    assert_eq!(offered(&lay, &["volu"]), ["volume"]);
    assert_eq!(offered(&lay, &["logs", "--ti"]), ["--timestamps"]);
    lay.ok(&["rm", "-f", "web-one", "web-two"]);
    lay.ok(&["group", "rm", "batch"]);
}

#[test]
fn shells_take_the_scripts() {
    let lay = Lay::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = lay.ok(&["completion", shell]);
        assert!(script.contains("LAY_COMPLETE"), "{script}");
        let path = lay.dir().join(shell);
        std::fs::write(&path, script).unwrap();
        // Those that are not installed cannot be asked.
        if Command::new(shell).arg("--version").output().is_ok() {
            output(shell, &["-n", path.to_str().unwrap()]);
        }
    }
    lay.run(&["completion", "tcsh"]).fails(125, "tcsh");
    let ask = format!(
        "PATH={}:$PATH; . {}; COMP_WORDS=(lay volu); COMP_CWORD=1; COMP_TYPE=9; $(complete -p lay | sed 's/.*-F \\([^ ]*\\) .*/\\1/') lay volu lay; echo \"${{COMPREPLY[@]}}\"",
        std::path::Path::new(env!("CARGO_BIN_EXE_lay")).parent().unwrap().display(),
        lay.dir().join("bash").display()
    );
    assert_eq!(output("bash", &["-c", &ask]).trim(), "volume");
}

#[test]
fn every_command_has_a_manual_page() {
    let lay = Lay::new();
    let dir = lay.dir().join("man1");
    lay.ok(&["man", dir.to_str().unwrap()]);
    for page in ["lay.1", "lay-run.1", "lay-volume-create.1", "lay-cp.1"] {
        assert!(dir.join(page).exists(), "{page}");
    }
    let text = std::fs::read_to_string(dir.join("lay-logs.1")).unwrap();
    assert!(
        text.contains(".TH")
            && text.contains("Examples:")
            && text.contains("rotation") | text.contains("since"),
        "{text}"
    );
    assert!(!dir.join("lay-monitor.1").exists() && !dir.join("lay-help.1").exists());
}
