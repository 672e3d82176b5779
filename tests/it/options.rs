//! Flags of `lay run`: image mounts, label files, times to stop, quotas.

use std::time::Instant;

use serde_json::Value;

use crate::support::Lay;

#[test]
fn an_image_is_mounted_to_be_read() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "layers"]);
    let net = ["--network", "none"];
    let mount = |more: &str| format!("type=image,source=layers,target=/other{more}");
    let all = mount("");
    let script =
        "cat /other/etc/motd; stat -c %u:%g /other/etc/motd; ls /other/bin/true 2>&1; touch /other/x 2>&1";
    let out =
        lay.run(&[&["run", "--rm"], &net[..], &["--mount", &all, "busybox", "sh", "-c", script]].concat());
    assert!(out.stdout.starts_with("second layer\n0:0\n"), "{out:?}");
    assert!(
        out.stdout.contains("bin/true: No such file") && out.stdout.contains("Read-only file system"),
        "{out:?}"
    );
    for (sub, script) in [("etc", "cat /other/motd"), ("/etc/motd", "cat /other")] {
        let part = mount(&format!(",subpath={sub}"));
        assert_eq!(lay.sh(&[&net[..], &["--mount", &part]].concat(), "busybox", script), "second layer");
    }
    // A link in the image leads to nothing of the host.
    let outside = mount(",image-subpath=../../../etc/hostname");
    lay.run(&[&["run", "--rm"], &net[..], &["--mount", &outside, "busybox", "true"]].concat())
        .fails(125, "etc/hostname");
    let missing = "type=image,source=nosuch,target=/x";
    lay.run(&["run", "--rm", "--mount", missing, "busybox", "true"]).fails(125, "nosuch");
    // It stays as long as the container does.
    lay.ok(
        &[&["run", "-d", "--name", "user"], &net[..], &["--mount", &all, "busybox", "sleep", "100"]].concat()
    );
    lay.run(&["rmi", "layers"]).fails(1, "user");
    let mounts = lay.ok(&["inspect", "-f", "{{json .Mounts}}", "user"]);
    let mounts: Value = serde_json::from_str(&mounts).unwrap();
    assert_eq!((mounts[0]["Type"].as_str(), mounts[0]["Source"].as_str()), (Some("image"), Some("layers")));
    lay.ok(&["rm", "-f", "user"]);
    lay.assert_clean();
}

#[test]
fn labels_come_from_files_and_flags() {
    let lay = Lay::new();
    let file = lay.dir().join("labels");
    std::fs::write(&file, "# a comment\nteam=a\n\nbare\nover=file\n").unwrap();
    let flags = ["--label-file", file.to_str().unwrap(), "-l", "over=flag"];
    let cid = lay.dir().join("cid");
    let args = [
        &["run", "--name", "some", "--network", "none", "--cidfile", cid.to_str().unwrap()],
        &flags[..],
        &["busybox", "true"],
    ];
    lay.ok(&args.concat());
    let labels: Value =
        serde_json::from_str(&lay.ok(&["inspect", "-f", "{{json .Config.Labels}}", "some"])).unwrap();
    assert_eq!(labels, serde_json::json!({"team": "a", "bare": "", "over": "flag"}));
    let id = lay.ok(&["inspect", "-f", "{{.Id}}", "some"]);
    assert_eq!(std::fs::read_to_string(cid).unwrap(), id);
    lay.run(&["run", "--rm", "--label-file", "/nosuch", "busybox", "true"]).fails(125, "/nosuch");
}

#[test]
fn a_container_says_how_long_it_may_take_to_stop() {
    let lay = Lay::new();
    let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let flags = ["run", "-d", "--name", "slow", "--network", "none", "--stop-timeout", "1"];
    lay.ok(&[&flags[..], &["busybox", "sh", "-c", script]].concat());
    lay.ready("slow");
    let start = Instant::now();
    lay.ok(&["stop", "slow"]);
    let took = start.elapsed().as_secs_f32();
    assert!((1.0..6.0).contains(&took), "{took}");
    let flags =
        ["run", "-d", "--name", "hup", "--network", "none", "--stop-signal", "HUP", "--stop-timeout", "-1"];
    lay.ok(&[
        &flags[..],
        &["busybox", "sh", "-c", "trap 'sleep 0.3; exit 5' HUP; echo ready; while :; do sleep 0.05; done"],
    ]
    .concat());
    lay.ready("hup");
    lay.ok(&["stop", "hup"]);
    assert_eq!(lay.ok(&["wait", "hup"]), "5");
}

/// Where there are quotas of projects, `tests/vm` tries what they do.
#[test]
fn a_file_system_without_quotas_is_told_of() {
    let lay = Lay::new();
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let run = |size: &str| {
        let mut command =
            lay.command(&["run", "--rm", "--network", "none", "--storage-opt", size, "busybox", "true"]);
        command.env("LAY_ROOT", dir.path()).output().unwrap()
    };
    let out = run("size=10m");
    let words = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        out.status.code() == Some(125) && words.contains("prjquota") && words.contains("keeps no quotas"),
        "{words}"
    );
    let left = std::fs::read_dir(dir.path().join("containers"))
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().len() == 64);
    assert_eq!(left.count(), 0);
    assert_eq!(std::fs::read_dir(dir.path().join("containers/names")).unwrap().count(), 0);
    assert!(String::from_utf8_lossy(&run("colour=red").stderr).contains("size=BYTES"));
}
