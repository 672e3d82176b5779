//! Layers as EROFS from the file, as EROFS through a loop device, as directories: the same root.

use crate::support::Lay;

#[test]
fn every_form_gives_the_same_root() {
    let mut seen = Vec::new();
    for (form, suffix) in [("erofs", ".erofs"), ("loop", ".erofs"), ("directory", "")] {
        let lay = Lay::new();
        let run = |args: &[&str]| {
            let out = lay.command(args).env("LAY_LAYER_FORM", form).output().unwrap();
            assert!(out.status.success(), "{form}: {}", String::from_utf8_lossy(&out.stderr));
            String::from_utf8(out.stdout).unwrap()
        };
        assert!(run(&["info"]).contains("LayerFormReason: as asked for"));
        run(&["pull", "-q", "layers"]);
        let names = std::fs::read_dir(lay.root().join("layers")).unwrap().flatten();
        assert!(names.into_iter().all(|e| e.file_name().to_str().unwrap().ends_with(suffix)));
        let script = "ls -lnR /bin /etc /root /tmp; cat /etc/motd2; stat -c %h /etc/motd; \
                      test -e /bin/true || echo hidden; echo x > /etc/motd && cat /etc/motd; rm /bin/false && ls /bin/false";
        let text = lay
            .command(&["run", "--rm", "--network", "none", "layers", "sh", "-c", script])
            .env("LAY_LAYER_FORM", form)
            .output()
            .unwrap();
        let text = String::from_utf8(text.stdout).unwrap();
        assert!(
            text.contains("second layer") && text.contains("hidden") && text.contains("\nx\n"),
            "{form}: {text}"
        );
        // Sizes of directories are each file system's own.
        let lines = text.lines().filter(|l| !l.starts_with('d') && !l.starts_with("total"));
        seen.push(
            lines
                .filter(|l| !l.contains("resolv.conf") && !l.contains("host"))
                .map(String::from)
                .collect::<Vec<_>>(),
        );
        lay.assert_clean();
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[test]
fn an_unknown_form_is_refused() {
    let lay = Lay::new();
    let out = lay.command(&["info"]).env("LAY_LAYER_FORM", "squashfs").output().unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).contains("erofs, loop or directory"));
    assert_eq!(out.status.code(), Some(1));
}

#[test]
fn a_store_whose_files_cannot_be_mounted_uses_loop_devices() {
    let lay = Lay::new();
    std::fs::create_dir(lay.root()).unwrap();
    // A mount namespace of its own, and a file system whose files no EROFS can be mounted from.
    let script = "mount -t tmpfs none \"$1\"; shift; lay=$1
        printf 'FROM layers\\nRUN echo built > /built\\n' | $lay build -q -t built - && $lay run --rm --network none built cat /etc/motd2 /built";
    let reference = lay.command(&[]);
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "sh", "-ec", script, "sh"]).arg(lay.root()).arg(reference.get_program());
    let out = command.envs(reference.get_envs().filter_map(|(k, v)| Some((k, v?)))).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(stdout.ends_with("second layer\nbuilt\n"), "{stdout}{stderr}");
}
