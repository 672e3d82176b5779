//! `lay build`: images as Docker's builder makes them, kept results, and what must not happen.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Lay, with_docker};

/// A context with files of several kinds.
fn context(lay: &Lay, containerfile: &str) -> PathBuf {
    let dir = lay.dir().join("context");
    std::fs::create_dir_all(dir.join("app/deep")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
    write("Containerfile", containerfile);
    write("app/one.txt", "one\n");
    write("app/deep/two.txt", "two\n");
    write("app/skip.log", "never\n");
    write(".containerignore", "**/*.log\n");
    let _ = std::os::unix::fs::symlink("one.txt", dir.join("app/link"));
    dir
}

fn build(lay: &Lay, context: &Path, more: &[&str]) -> String {
    let args = [&["build", "--progress", "plain"], more, &[context.to_str().unwrap()]].concat();
    lay.run(&args).expect(0).stderr
}

fn id(lay: &Lay, image: &str) -> String {
    lay.ok(&["inspect", "-f", "{{.Id}}", image])
}

const WHOLE: &str = "FROM busybox AS base
ARG WHO=nobody
ENV GREETING=\"hello ${WHO}\" PATH=/bin:/opt
LABEL tier=test
WORKDIR /srv
COPY app app/
COPY --chown=5:6 --chmod=640 app/one.txt /owned
RUN echo \"$GREETING\" > greeting && rm /etc/motd2 2>/dev/null; mkdir -p deep/er && busybox ln greeting twin
RUN <<EOF
echo here > /document
EOF
FROM base
COPY --from=base /srv/greeting /copied
USER 1000
EXPOSE 80/tcp
ENTRYPOINT [\"cat\"]
CMD [\"/copied\"]
";

/// Names, kinds, modes, owners, link counts and content of what a build made.
const LISTING: &str = "cd / && find srv owned document copied | sort | while read f; do \
    stat -c '%n %F %a %u:%g %h' $f; [ -f $f ] && cat $f; done; true";

#[test]
fn a_containerfile_becomes_what_docker_makes_of_it() {
    let lay = Lay::new();
    let dir = context(&lay, WHOLE);
    std::fs::copy(dir.join("Containerfile"), dir.join("Dockerfile")).unwrap();
    std::fs::copy(dir.join(".containerignore"), dir.join(".dockerignore")).unwrap();
    build(&lay, &dir, &["-t", "ours", "--build-arg", "WHO=world"]);
    assert_eq!(lay.ok(&["run", "--rm", "--network", "none", "ours"]), "hello world");
    let run = ["run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh"];
    let ours = lay.ok(&[&run[..], &["ours", "-c", LISTING]].concat());
    let config = |text: &str| -> Value {
        let value: Value = serde_json::from_str(text).unwrap();
        let field = |name: &str| value[name].clone();
        Value::from(
            ["Env", "Cmd", "Entrypoint", "WorkingDir", "User", "ExposedPorts", "Labels"].map(field).to_vec(),
        )
    };
    let our_config = config(&lay.ok(&["inspect", "-f", "{{json .Config}}", "ours"]));
    let archive = lay.dir().join("busybox.tar").display().to_string();
    lay.ok(&["save", "-o", &archive, "busybox"]);
    with_docker(&[], |docker| {
        docker.ok(&["load", "-q", "-i", &archive]);
        let group = docker.cgroup();
        let fixed = ["build", "-q", "--network", "none", "--cgroup-parent", &group, "-t", "theirs"];
        // The classic builder knows no here-documents, and modes of copies not either.
        let plain = WHOLE.replace("RUN <<EOF\necho here > /document\nEOF\n", "RUN echo here > /document\n");
        let plain = plain.replace(" --chmod=640", "").replace("USER 1000", "RUN chmod 640 /owned\nUSER 1000");
        std::fs::write(dir.join("Dockerfile"), plain).unwrap();
        docker.ok(&[&fixed[..], &["--build-arg", "WHO=world", dir.to_str().unwrap()]].concat());
        let theirs = docker.ok(&[&run[..], &["theirs", "-c", LISTING]].concat());
        let kept = |text: &str| {
            text.lines().filter(|line| !line.contains(" directory ")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(kept(&ours), kept(theirs.trim_end()));
        let their_config = config(&docker.ok(&["image", "inspect", "-f", "{{json .Config}}", "theirs"]));
        assert_eq!(our_config, their_config);
    });
    lay.assert_clean();
}

#[test]
fn what_did_not_change_is_not_run_again() {
    let lay = Lay::new();
    let dir = context(
        &lay,
        "FROM busybox\nRUN echo first\nCOPY app/one.txt /one\nRUN echo second\nCOPY app/deep /deep\nRUN echo third\n",
    );
    let cached = |progress: &str| progress.matches("CACHED").count();
    assert_eq!(cached(&build(&lay, &dir, &["-t", "a"])), 0);
    assert_eq!(cached(&build(&lay, &dir, &["-t", "b"])), 5);
    assert_eq!(id(&lay, "a"), id(&lay, "b"));
    // Times do not count, content does.
    std::fs::write(dir.join("app/one.txt"), "one\n").unwrap();
    assert_eq!(cached(&build(&lay, &dir, &["-t", "b"])), 5);
    std::fs::write(dir.join("app/deep/two.txt"), "other\n").unwrap();
    assert_eq!(cached(&build(&lay, &dir, &["-t", "b"])), 3);
    assert_ne!(id(&lay, "a"), id(&lay, "b"));
    assert_eq!(cached(&build(&lay, &dir, &["-t", "b", "--no-cache"])), 0);
    // Results that are kept survive a collection; images made of them too.
    lay.ok(&["rmi", "a", "b"]);
    lay.ok(&["prune", "-f"]);
    assert_eq!(cached(&build(&lay, &dir, &["-t", "b"])), 5);
    assert!(lay.ok(&["check"]).ends_with("no problems"));
    lay.assert_clean();
}

#[test]
fn the_same_context_gives_the_same_image_anywhere() {
    let ids: Vec<String> = (0..2)
        .map(|_| {
            let lay = Lay::new();
            let dir = context(&lay, WHOLE);
            build(&lay, &dir, &["-t", "same"]);
            id(&lay, "same")
        })
        .collect();
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn failures_leave_nothing_and_secrets_stay_out() {
    let lay = Lay::new();
    let secret = lay.dir().join("secret");
    std::fs::write(&secret, "hunter2-and-more").unwrap();
    let dir = context(
        &lay,
        "FROM busybox\nRUN --mount=type=secret,id=key cat /run/secrets/key | wc -c > /length\n",
    );
    let flag = format!("id=key,src={}", secret.display());
    build(&lay, &dir, &["-t", "quiet", "--secret", &flag]);
    assert_eq!(
        lay.sh(&["--network", "none"], "quiet", "cat /length; ls /run/secrets 2>/dev/null | wc -l"),
        "16\n0"
    );
    let archive = lay.dir().join("quiet.tar");
    lay.ok(&["save", "-o", archive.to_str().unwrap(), "quiet"]);
    let bytes = std::fs::read(&archive).unwrap();
    assert!(!bytes.windows(16).any(|window| window == b"hunter2-and-more"));
    for (text, why) in [
        ("FROM busybox\nRUN echo before; exit 7\n", "exit code 7"),
        ("FROM busybox\nCOPY ../../etc/passwd /\n", "not in the build context"),
        ("FROM busybox\nCOPY nothing /\n", "nothing"),
        ("FROM busybox\nRUNN x\n", "did you mean RUN"),
        ("FROM nowhere.invalid/none\n", "nowhere.invalid"),
        ("", "Containerfile"),
    ] {
        std::fs::write(dir.join("Containerfile"), text).unwrap();
        let out = lay.run(&["build", "-t", "never", dir.to_str().unwrap()]);
        assert!(out.code != 0 && out.stderr.contains(why), "{text}: {}", out.stderr);
        assert!(!out.stderr.contains("panicked"));
        assert_ne!(lay.run(&["inspect", "never"]).code, 0, "{text}");
    }
    // A link in the context leads nowhere outside of it.
    let _ = std::os::unix::fs::symlink("/etc", dir.join("out"));
    std::fs::write(dir.join("Containerfile"), "FROM busybox\nCOPY out/passwd /stolen\n").unwrap();
    assert_ne!(lay.run(&["build", "-t", "never", dir.to_str().unwrap()]).code, 0);
    lay.assert_clean();
}

#[test]
fn a_source_that_is_a_symlink_is_what_it_leads_to() {
    let lay = Lay::new();
    let file = "FROM busybox AS other
RUN echo there > /there && ln -s /there /absolute && ln -s ../there /etc/relative && ln -s /etc /directory
FROM busybox
COPY app/link /from-context
ADD app/link /added
COPY --from=other /absolute /etc/relative /copied/
COPY --from=other /directory/relative /below
RUN stat -c '%n %F' /from-context /added /copied/* /below && cat /from-context /added /copied/* /below
";
    let dir = context(&lay, file);
    let told = build(&lay, &dir, &["--no-cache"]);
    let expected = ["/from-context", "/added", "/copied/absolute", "/copied/relative", "/below"];
    for name in expected {
        assert!(told.contains(&format!(" {name} regular file")), "{told}");
    }
    assert_eq!(told.matches(" one\n").count(), 2, "{told}");
    assert_eq!(told.matches(" there\n").count(), 3, "{told}");
    lay.assert_clean();
}

#[test]
fn steps_can_be_looked_into() {
    let lay = Lay::new();
    let file = "FROM busybox\nRUN echo one > /one\nENV NAME=value\nWORKDIR /srv\nRUN echo two > two; cat /one; exit 3\n";
    let dir = context(&lay, file);
    let path = dir.to_str().unwrap();
    // A shell where it failed, with what was there.
    let args = ["--debug", "build", "--progress", "plain", path];
    let out = lay.run_with(&args, "cat /one two; echo $NAME $(pwd)\nexit 5\n").expect(3);
    assert_eq!(out.stdout, "one\ntwo\nvalue /srv\n", "{}", out.stderr);
    assert!(out.stderr.contains("a shell where the step failed"), "{}", out.stderr);
    // What was carried out before is kept, and can be run by its id.
    let out = lay.run(&["build", "--progress", "plain", path]).expect(3).stderr;
    let ids: Vec<&str> =
        out.lines().filter_map(|line| line.split_once(" CACHED ")).map(|(_, id)| id).collect();
    assert_eq!(ids.len(), 2, "{out}");
    assert_eq!(lay.ok(&["run", "--rm", "--network", "none", ids[0], "sh", "-c", "cat /one; pwd"]), "one\n/");
    assert_eq!(
        lay.ok(&["run", "--rm", "--network", "none", ids[1], "sh", "-c", "echo $NAME; pwd"]),
        "value\n/srv"
    );
    let id = lay.ok(&["run", "-d", "--network", "none", ids[1], "sleep", "100"]);
    lay.ok(&["rm", "-f", &id]);
    lay.run(&["run", "--pull", "never", "--rm", "0123456789ab"]).fails(125, "no such image");
    lay.assert_clean();
}
