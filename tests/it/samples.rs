//! `Containerfiles/`: every sample is built, and what comes out does what it is for.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::registry::has_centos;
use crate::support::{Lay, debian, eventually, output};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("Containerfiles").join(name)
}

#[track_caller]
fn build(lay: &Lay, name: &str, more: &[&str]) -> String {
    let context = sample(name);
    let fixed = ["build", "--progress", "plain", "-t", name];
    lay.run(&[&fixed, more, &[context.to_str().unwrap()]].concat()).expect(0).stderr
}

#[test]
fn httpd_on_centos_serves_its_page() {
    if !has_centos() {
        return;
    }
    let lay = Lay::new();
    let progress = build(&lay, "centos-httpd", &[]);
    assert!(progress.contains("Syntax OK"), "{progress}");
    lay.ok(&["run", "-d", "--name", "web", "-p", "127.0.0.1::80", "centos-httpd"]);
    let ports = lay.ok(&["ps", "--format", "{{.Ports}}"]);
    let url = format!("http://{}/", ports.split("->").next().unwrap());
    let get = || std::process::Command::new("curl").args(["-fsi", &url]).output().unwrap();
    eventually("httpd answers", || get().status.success());
    let answer = String::from_utf8_lossy(&get().stdout).into_owned();
    assert!(answer.contains("Server: Apache\r\n") && answer.contains("from a Containerfile"), "{answer}");
    // The signal of the image ends httpd in peace.
    lay.ok(&["stop", "web"]);
    assert_eq!(lay.ok(&["inspect", "-f", "{{.State.ExitCode}}", "web"]), "0");
    lay.ok(&["rm", "web"]);
    lay.assert_clean();
}

#[test]
fn a_program_is_all_that_is_left_of_its_compiler() {
    let Some(archive) = debian() else { return };
    let lay = Lay::new();
    lay.ok(&["import", archive.to_str().unwrap(), "gcc:12"]);
    let progress = build(&lay, "c-scratch", &[]);
    assert!(!progress.contains("test"), "the target does not need that stage: {progress}");
    let counted =
        lay.run_with(&["run", "-i", "--rm", "--network", "none", "c-scratch"], "three little words\n");
    assert_eq!(counted.expect(0).stdout, "1 3 19\n");
    let context = sample("c-scratch");
    lay.ok(&["build", "-q", "--target", "test", context.to_str().unwrap()]);
    let out = lay.dir().join("out");
    lay.ok(&["build", "-q", "-o", out.to_str().unwrap(), context.to_str().unwrap()]);
    assert_eq!(output("ls", &["-A", out.to_str().unwrap()]), "wordcount\n");
    lay.assert_clean();
}

#[test]
fn packages_are_downloaded_once() {
    let Some(archive) = debian() else { return };
    let lay = Lay::new();
    lay.ok(&["import", archive.to_str().unwrap(), "debian:bookworm"]);
    let context = sample("debian-apt");
    let fixed = ["build", "--progress", "plain", "-t", "apt", "--build-arg", "PACKAGES=tree"];
    let first = lay.run(&[&fixed[..], &[context.to_str().unwrap()]].concat());
    if first.code != 0 && first.stderr.contains("Unable to locate package") {
        eprintln!("skipped: no mirror can be reached from a container: {}", first.stderr);
        return;
    }
    assert!(first.expect(0).stderr.contains("Setting up tree"));
    let left =
        "tree --version | head -1 | cut -c1-6; find /var/cache/apt /var/lib/apt/lists /var/log/apt -type f";
    assert_eq!(lay.sh(&["--network", "none"], "apt", left), "tree v");
    // All is at hand for the next build.
    let again =
        lay.run(&[&fixed[..], &["--no-cache", "--network", "none", context.to_str().unwrap()]].concat());
    let again = again.expect(0).stderr;
    assert!(again.contains("Setting up tree") && again.contains("Need to get 0 B/"), "{again}");
    lay.assert_clean();
}

#[test]
fn every_instruction_does_what_it_says() {
    let lay = Lay::new();
    build(&lay, "everything", &["--build-arg", "VERSION=2.5"]);
    assert_eq!(
        lay.ok(&["run", "--rm", "--network", "none", "everything", "more"]),
        "hello from 2.5, 1000:1000 in /data more"
    );
    let config: Value =
        serde_json::from_str(&lay.ok(&["inspect", "-f", "{{json .Config}}", "everything"])).unwrap();
    assert_eq!(config["Labels"], json!({"version": "2.5", "channel": "stable"}));
    assert_eq!(config["User"], "1000:1000");
    assert_eq!(config["StopSignal"], "SIGQUIT");
    assert_eq!(config["Volumes"], json!({"/data/state": {}}));
    assert_eq!(config["ExposedPorts"], json!({"5353/udp": {}, "8080/tcp": {}}));
    let second = 1_000_000_000u64;
    assert_eq!(
        config["Healthcheck"],
        json!({"Test": ["CMD", "true"], "Interval": 60 * second, "Timeout": 2 * second, "Retries": 2})
    );
    assert_eq!(lay.ok(&["inspect", "-f", "{{.Author}}", "everything"]), "Somebody <somebody@example.com>");
    let script = "cat both.txt unpacked/a/inside.txt /linked /with-parents/files/two.txt /etc/parts/VERBATIM \
                  /etc/parts/EXPANDED /etc/parts/platforms; ls /selected; ls -d /cache /scratch /files 2>/dev/null; stat -c %u:%g texts/one.txt";
    let run = ["run", "--rm", "--network", "none", "--entrypoint", "sh", "everything", "-c", script];
    assert_eq!(
        lay.run(&run).stdout,
        "one\ntwo\ninside\none\ntwo\n$VERSION as it is written\nlinux/amd64 as it is\nmade on linux/amd64 for linux/amd64\n\
         one.txt\ntwo.txt\n1000:1000\n"
    );
    // Triggers wait for the next build.
    let context = sample("everything");
    lay.ok(&["build", "-q", "--target", "onbuild", "-t", "triggers", context.to_str().unwrap()]);
    let child = lay.dir().join("Containerfile");
    std::fs::write(&child, "FROM triggers\n").unwrap();
    lay.ok(&["build", "-q", "-t", "child", "-f", child.to_str().unwrap(), context.to_str().unwrap()]);
    assert_eq!(
        lay.sh(&["--network", "none"], "child", "cat /from-trigger; stat -c %a /from-trigger"),
        "one\ntriggered\n600"
    );
    lay.assert_clean();
}
