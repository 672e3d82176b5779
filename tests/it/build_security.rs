//! Known attacks on image builders, each tried on the real binary (see `docs/security.md`).

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::security::Canary;
use crate::support::image::{Builder, Entry, layer};
use crate::support::lay::Out;
use crate::support::{Lay, Registry};

/// Builds a Containerfile in an empty context.
fn build(lay: &Lay, file: &str, more: &[&str]) -> Out {
    let dir = lay.dir().join("context");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("Containerfile"), file).unwrap();
    lay.run(&[&["build", "--progress", "plain"], more, &[dir.to_str().unwrap()]].concat())
}

#[test]
fn mount_points_that_are_swapped_while_they_are_used_lead_nowhere_else() {
    let (lay, canary) = (Lay::new(), Canary::new());
    let to = canary.path().display();
    // The directory of a mount point is replaced: what is cleaned up afterwards must not be looked for behind the link.
    let file = format!(
        "FROM busybox
RUN --mount=type=tmpfs,target=/a/dir/file --mount=type=bind,target=/a/passwd \\
    mv /a /moved; ln -s {to} /a; true
RUN --mount=type=cache,target=/cache --mount=type=tmpfs,target=/cache/dir/file --mount=type=tmpfs,target=/cache/sub/passwd \\
    mv /cache/dir /cache/moved && ln -s {to}/dir /cache/dir && mv /cache/sub /cache/other && ln -s {to} /cache/sub && echo swapped
RUN --mount=type=cache,target=/cache --mount=type=tmpfs,target=/cache/dir/file touch /cache/dir/file/planted; ls /cache/dir; true
"
    );
    let out = build(&lay, &file, &["-t", "swapped"]);
    assert!(out.stderr.contains(" swapped\n"), "{}", out.stderr);
    assert!(!out.stderr.contains("planted\n#"), "{}", out.stderr);
    canary.is_untouched();
    lay.assert_clean();
}

#[test]
fn caches_are_directories_of_the_store_whatever_they_are_called_or_hold() {
    let (lay, canary) = (Lay::new(), Canary::new());
    let to = canary.path().display();
    let up = "../".repeat(20);
    for id in [format!("{up}{to}/dir"), to.to_string(), "..".to_string(), "a/../../../../etc".to_string()] {
        let file = format!(
            "FROM busybox\nRUN --mount=type=cache,id={id},target=/cache echo planted > /cache/file; ls /cache > /seen\n"
        );
        build(&lay, &file, &["-t", "cached"]).expect(0);
        assert_eq!(lay.sh(&["--network", "none"], "cached", "cat /seen"), "file", "{id}");
    }
    canary.is_untouched();
    // Two stages share a cache, in which one of them swaps a directory and a link to the outside all the time.
    let file = format!(
        "FROM busybox AS swap
RUN --mount=type=cache,id=shared,target=/cache i=0; while [ $i -lt 300 ]; do \\
    rm -rf /cache/sub; ln -s {to} /cache/sub; rm /cache/sub; mkdir /cache/sub; i=$((i+1)); done; true
FROM busybox AS use
RUN --mount=type=cache,id=shared,target=/cache i=0; while [ $i -lt 300 ]; do \\
    echo planted > /cache/sub/passwd; cat /cache/sub/shadow; i=$((i+1)); done 2>/dev/null; true
RUN --mount=type=cache,id=shared,source=sub,target=/sub echo planted > /sub/shadow
FROM use
COPY --from=swap /bin/sh /bin/other
"
    );
    let out = build(&lay, &file, &[]).expect(0);
    assert!(
        !out.stderr.lines().any(|line| line.ends_with(" shadow") && !line.contains("RUN")),
        "{}",
        out.stderr
    );
    canary.is_untouched();
    lay.assert_clean();
}

#[test]
fn privileges_have_to_be_allowed_and_options_to_be_known() {
    let lay = Lay::new();
    for (flags, why) in [
        ("--security=insecure", "--allow security.insecure"),
        ("--network=host", "--allow network.host"),
        ("--mount=type=bind,target=/x,bind-propagation=shared", "bind-propagation"),
        ("--mount=type=bind,target=/x,bind-recursive=yes", "bind-recursive"),
        ("--mount=type=bind,target=/", "nothing can be mounted over the root"),
        ("--mount=type=bind,target=/../../x", "'..'"),
        ("--mount=type=volume,target=/x", "volume"),
        ("--device=/dev/kmsg", "--device"),
    ] {
        let out = build(&lay, &format!("FROM busybox\nRUN {flags} true\n"), &["-t", "never"]);
        assert!(out.code == 1 && out.stderr.contains(why), "{flags}: {}", out.stderr);
    }
    // Triggers of a base are the base's words, not the user's.
    let config = json!(["RUN --security=insecure id", "RUN --network=host id"]);
    for trigger in config.as_array().unwrap() {
        let image = Builder::busybox().with("OnBuild", json!([trigger]));
        Registry::shared().push("library/trigger:latest", &image);
        build(&lay, "FROM trigger\n", &["--pull", "-t", "never"]).fails(1, "--allow");
    }
    let seen = "FROM busybox\nRUN grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status; cat /proc/self/uid_map; cat /proc/sys/kernel/core_pattern > /dev/null; touch /proc/sys/kernel/core_pattern\n";
    let out = build(&lay, seen, &[]);
    assert!(
        out.code == 1
            && out.stderr.contains("CapEff:\t00000000a80425fb")
            && out.stderr.contains("Seccomp:\t2"),
        "{}",
        out.stderr
    );
    assert!(!out.stderr.contains("         0          0 4294967295"), "{}", out.stderr);
    lay.assert_clean();
}

#[test]
fn images_that_claim_to_be_results_are_none() {
    let lay = Lay::new();
    let file = "FROM busybox\nRUN echo good > /file\n";
    build(&lay, file, &["-t", "honest"]).expect(0);
    let archive = lay.dir().join("honest.tar");
    lay.ok(&["save", "-o", archive.to_str().unwrap(), "honest"]);
    // An image with the same history and other files.
    let planted = Builder::busybox().layer(layer(&[Entry::File("file", b"evil\n", 0o644)]));
    let dir = lay.dir().join("planted");
    planted.write(&dir);
    forge(&dir, &lay.ok(&["inspect", "-f", "{{json .History}}", "honest"]));
    let other = Lay::new();
    other.ok(&["load", "-i", dir.to_str().unwrap()]);
    let layout = format!("type=local,src={}", dir.display());
    for more in [&[][..], &["--cache-from", &layout]] {
        let out = build(&other, file, &[&["-t", "mine"], more].concat()).expect(0);
        assert!(!more.is_empty() || !out.stderr.contains("CACHED"), "{}", out.stderr);
        assert_eq!(other.sh(&["--network", "none"], "mine", "cat /file"), "good");
    }
    // What says nothing of files is still the image's own: no result brings it along.
    for test in ["true", "false"] {
        let file =
            format!("FROM busybox\nHEALTHCHECK CMD {test}\nONBUILD RUN {test}\nRUN echo good > /file\n");
        build(&other, &file, &["-t", "checked"]).expect(0);
        let config: Value =
            serde_json::from_str(&other.ok(&["inspect", "-f", "{{json .Config}}", "checked"])).unwrap();
        assert_eq!(config["Healthcheck"]["Test"], json!(["CMD-SHELL", test]));
        assert_eq!(config["OnBuild"], json!([format!("RUN {test}")]));
    }
    other.assert_clean();
}

/// Gives the image of a layout another history.
fn forge(dir: &std::path::Path, history: &str) {
    let blob = |digest: &Value| -> PathBuf { dir.join("blobs/sha256").join(&digest.as_str().unwrap()[7..]) };
    let read = |path: &PathBuf| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let put = |value: &Value, entry: &mut Value| {
        let bytes = value.to_string().into_bytes();
        let digest = crate::support::image::digest(&bytes);
        std::fs::write(dir.join("blobs/sha256").join(&digest[7..]), &bytes).unwrap();
        entry["digest"] = json!(digest);
        entry["size"] = json!(bytes.len());
    };
    let path = dir.join("index.json");
    let mut index = read(&path);
    let mut manifest = read(&blob(&index["manifests"][0]["digest"]));
    let mut config = read(&blob(&manifest["config"]["digest"]));
    config["history"] = serde_json::from_str(history).unwrap();
    put(&config, &mut manifest["config"]);
    put(&manifest, &mut index["manifests"][0]);
    std::fs::write(&path, index.to_string()).unwrap();
}

#[test]
fn archives_and_repositories_stay_where_they_are_put() {
    let (lay, canary) = (Lay::new(), Canary::new());
    let to = canary.path().display().to_string();
    let passwd = format!("{to}/passwd");
    let archive = layer(&[
        Entry::Link("link", &to),
        Entry::File("link/passwd", b"planted", 0o644),
        Entry::Link("up", "../../../../../../../../../.."),
        Entry::File("up/shadow", b"planted", 0o644),
        Entry::File("../../../../../../../../../../tmp/planted-by-lay", b"planted", 0o644),
        Entry::Hard("hard", &passwd),
    ]);
    let dir = lay.dir().join("context");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("a.tar"), &archive).unwrap();
    // Whether it is refused or put inside is a matter of taste; outside nothing may change.
    let out = build(&lay, "FROM busybox\nADD a.tar /unpacked/\n", &["-t", "unpacked"]);
    assert!(!out.stderr.contains("panicked"), "{}", out.stderr);
    // The same as the context itself.
    let script = format!("cat {} | exec \"$@\"", dir.join("a.tar").display());
    let command = lay.command(&["build", "-"]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script, "sh"]).arg(command.get_program()).args(command.get_args());
    let said = shell.envs(command.get_envs().filter_map(|(k, v)| Some((k, v?)))).output().unwrap();
    assert!(!said.status.success() && String::from_utf8_lossy(&said.stderr).starts_with("lay: "));
    canary.is_untouched();
    assert!(!std::path::Path::new("/tmp/planted-by-lay").exists());
    // Words of an address are none of git's options, and only git's own transports are used.
    for address in [
        format!("https://127.0.0.1:1/x.git#--upload-pack=touch {to}/planted"),
        format!("--upload-pack=touch {to}/planted"),
        format!("ext::sh -c touch% {to}/planted"),
        "https://127.0.0.1:1/x.git#main:../../etc".to_string(),
    ] {
        let out = lay.run(&["build", "--", &address]);
        assert!(out.code == 1 && out.stderr.starts_with("lay: cannot"), "{address}: {}", out.stderr);
        canary.is_untouched();
    }
    lay.assert_clean();
}
