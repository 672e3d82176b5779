//! What Docker's users type out of habit.

use crate::support::{Lay, eventually};

#[test]
fn commands_are_found_in_docker_s_groups() {
    let lay = Lay::new();
    let id = lay.ok(&[
        "container",
        "run",
        "-d",
        "--init=true",
        "--rm=false",
        "--name",
        "one",
        "busybox",
        "sleep",
        "100",
    ]);
    assert_eq!(lay.ok(&["container", "ls", "-q", "--no-trunc"]), id);
    assert_eq!(
        lay.ok(&["container", "inspect", "-f", "{{.HostConfig.Init}} {{.HostConfig.AutoRemove}}", "one"]),
        "true false"
    );
    assert_eq!(lay.ok(&["image", "ls", "-q"]), lay.ok(&["images", "-q"]));
    assert!(lay.ok(&["inspect", "bridge"]).contains("\"Subnet\""));
    assert!(
        lay.ok(&["version", "--format", "{{.Server.Version}}"]).starts_with(|c: char| c.is_ascii_digit())
    );
    assert_eq!(lay.ok(&["--version"]), lay.ok(&["-v"]));
    lay.ok(&["container", "stop", "--timeout", "0", "one"]);
    let images = lay.ok(&["images", "-q"]);
    assert!(lay.ok(&["container", "prune", "--force"]).contains("container one"));
    assert_eq!((lay.ok(&["ps", "-aq"]), lay.ok(&["images", "-q"])), (String::new(), images));
    lay.run(&["container", "nothing"]).fails(125, "unrecognized subcommand 'container'");
    lay.run(&["run", "--rm=maybe", "busybox", "true"]).fails(125, "unexpected value 'maybe'");
    lay.assert_clean();
}

#[test]
fn groups_are_added_to_the_user() {
    let lay = Lay::new();
    let flags = ["-u", "1000:5", "--group-add", "4242", "--group-add", "10"];
    assert_eq!(lay.sh(&flags, "busybox", "id -G"), "5 10 4242");
    lay.ok(&[&["run", "-d", "--name", "one"], &flags[..], &["busybox", "sleep", "100"]].concat());
    assert_eq!(lay.ok(&["exec", "-u", "7:7", "one", "id", "-G"]), "7 10 4242");
    let unknown = ["run", "--rm", "--group-add", "nobodyhere", "busybox", "true"];
    lay.run(&unknown).fails(125, "nobodyhere");
    lay.ok(&["rm", "-f", "one"]);
    lay.assert_clean();
}

#[test]
fn containers_are_filtered() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "web"]);
    lay.run(&["run", "--name", "first", "busybox", "sh", "-c", "exit 3"]).expect(3);
    lay.ok(&["create", "--name", "second", "-v", "data:/data", "-p", "80", "busybox", "true"]);
    lay.ok(&[
        "run",
        "--name",
        "third",
        "--network",
        "web",
        "busybox",
        "sh",
        "-c",
        "head -c 100000 /dev/zero >file",
    ]);
    let names = |filters: &[&str]| {
        let flags = filters.iter().flat_map(|filter| ["-f", filter]);
        let args: Vec<&str> = ["ps", "-a", "--format", "{{.Names}}"].into_iter().chain(flags).collect();
        lay.ok(&args).replace('\n', " ")
    };
    for (filters, expected) in [
        (&["exited=3"][..], "first"),
        (&["exited=0", "exited=3"], "third first"),
        (&["network=web"], "third"),
        (&["network=bridge"], "second first"),
        (&["volume=data"], "second"),
        (&["volume=/data"], "second"),
        (&["publish=80"], "second"),
        (&["publish=80/udp"], ""),
        (&["before=second"], "first"),
        (&["since=second"], "third"),
        (&["name=^second$"], "second"),
        (&["name=^econd"], ""),
    ] {
        assert_eq!(names(filters), expected, "{filters:?}");
    }
    lay.run(&["ps", "-f", "before=nobody"]).fails(1, "no such container: nobody");
    lay.run(&["ps", "-f", "color=blue"]).fails(1, "known are");
    assert_eq!(lay.ok(&["ps", "-l", "--format", "{{.Names}} {{.Networks}}"]), "third web");
    let size = lay.ok(&["ps", "-a", "-s", "-f", "name=third", "--format", "{{.Size}}"]);
    assert!(size.ends_with("kB") && size.starts_with('1'), "{size}");
    assert_eq!(
        lay.ok(&["ps", "-a", "-f", "name=second", "--format", "{{.Mounts}} {{.LocalVolumes}}"]),
        "data 1"
    );
    lay.ok(&["rm", "first", "second", "third"]);
    lay.ok(&["network", "rm", "web"]);
    lay.assert_clean();
}

#[test]
fn a_restart_policy_is_changed_while_the_container_runs() {
    let lay = Lay::new();
    lay.ok(&[
        "run",
        "-d",
        "--name",
        "one",
        "busybox",
        "sh",
        "-c",
        "echo ready; while ! test -e /go; do sleep 0.1; done; exit 3",
    ]);
    lay.ready("one");
    lay.ok(&["update", "--restart", "on-failure:2", "one"]);
    let read = |template: &str| lay.ok(&["inspect", "-f", template, "one"]);
    assert_eq!(read("{{.HostConfig.RestartPolicy.Name}} {{.State.Status}}"), "on-failure running");
    lay.ok(&["exec", "one", "touch", "/go"]);
    eventually("it was started twice again", || read("{{.RestartCount}} {{.State.Status}}") == "2 exited");
    lay.run(&["update", "--restart", "sometimes", "one"]).fails(125, "on-failure");
    lay.run(&["update", "one"]).fails(1, "nothing to update");
    lay.ok(&["create", "--rm", "--name", "gone", "busybox", "true"]);
    lay.run(&["update", "--restart", "always", "gone"]).fails(1, "--rm");
    lay.ok(&["rm", "one", "gone"]);
    lay.assert_clean();
}

#[test]
fn a_terminal_is_not_typed_at_by_a_pipe() {
    let lay = Lay::new();
    lay.run_with(&["run", "--rm", "-it", "busybox", "cat"], "text\n").fails(125, "not a terminal");
    assert_eq!(lay.run_with(&["run", "--rm", "-i", "busybox", "cat"], "text\n").expect(0).stdout, "text\n");
    lay.ok(&["run", "-d", "-it", "--name", "one", "busybox", "cat"]);
    lay.run_with(&["exec", "-it", "one", "cat"], "text\n").fails(1, "not a terminal");
    let file = lay.dir().join("variables");
    std::fs::write(&file, "A=1\nB=2\n").unwrap();
    let exec = ["exec", "--env-file", file.to_str().unwrap(), "-e", "B=3", "one", "sh", "-c", "echo $A $B"];
    assert_eq!(lay.ok(&exec), "1 3");
    lay.ok(&["rm", "-f", "one"]);
    lay.assert_clean();
}

#[test]
fn ports_of_the_host_s_network_need_not_be_published() {
    let lay = Lay::new();
    let args = ["run", "--rm", "--network", "host", "-p", "80:80", "busybox", "echo", "ran"];
    let out = lay.run(&args).fails(0, "published ports are discarded");
    assert_eq!(out.stdout, "ran\n");
    lay.run(&["run", "--rm", "--network", "none", "-p", "80:80", "busybox", "true"]).fails(125, "--publish");
    lay.assert_clean();
}
