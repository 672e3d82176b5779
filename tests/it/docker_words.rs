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

#[test]
fn single_streams_are_connected() {
    let lay = Lay::new();
    let script = "cat; echo out; echo err >&2";
    let run = |streams: &[&str]| {
        let flags = streams.iter().flat_map(|stream| ["-a", *stream]);
        let args: Vec<&str> = ["run", "--rm", "--network", "none"].into_iter().chain(flags).collect();
        let out = lay.run(&[&args[..], &["busybox", "sh", "-c", script]].concat()).expect(0);
        (out.stdout.clone(), out.stderr.lines().filter(|line| *line == "err").count())
    };
    assert_eq!(run(&["stdout"]), ("out\n".to_string(), 0));
    assert_eq!(run(&["STDERR"]), (String::new(), 1));
    assert_eq!(run(&["stdin", "stdout", "stderr"]), ("out\n".to_string(), 1));
    lay.run(&["run", "-d", "-a", "stdout", "busybox", "true"]).fails(125, "cannot be used with");
    lay.run(&["run", "-a", "stdfoo", "busybox", "true"]).fails(125, "stdfoo");
    lay.assert_clean();
}

#[test]
fn a_container_has_a_domain_name_annotations_and_a_control_group_of_choice() {
    let lay = Lay::new();
    let parent = format!("{}/batch", lay.cgroup());
    let flags =
        ["--domainname", "example.test", "--annotation", "org.example.a=b=c", "--cgroup-parent", &parent];
    let script = "cat /proc/sys/kernel/domainname /proc/self/cgroup";
    let run = [&["run", "--name", "one", "--network", "none", "--cgroupns", "host"], &flags[..]].concat();
    let out = lay.ok(&[&run[..], &["busybox", "sh", "-c", script]].concat());
    let id = lay.ok(&["inspect", "-f", "{{.Id}}", "one"]);
    assert!(out.starts_with("example.test\n") && out.contains(&format!(":{parent}/{id}")), "{out}");
    let fields = "{{.Config.Domainname}} {{.HostConfig.CgroupParent}} {{json .HostConfig.Annotations}}";
    let expected = format!("example.test {parent} {{\"org.example.a\":\"b=c\"}}");
    assert_eq!(lay.ok(&["inspect", "-f", fields, "one"]), expected);
    let config = lay.root().join("containers").join(&id).join("config.json");
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(config).unwrap()).unwrap();
    assert_eq!(config["annotations"]["org.example.a"], "b=c");
    for bad in [&["--cgroup-parent", "../x"][..], &["--annotation", "=x"], &["--cgroup-parent", "/"]] {
        lay.run(&[&["run", "--rm"], bad, &["busybox", "true"]].concat()).fails(125, bad[1]);
    }
    lay.ok(&["rm", "one"]);
    let parents = lay.cgroups().into_iter().map(|path| path.join("batch"));
    parents.filter(|path| path.exists()).for_each(|path| std::fs::remove_dir(path).unwrap());
    lay.assert_clean();
}

#[test]
fn what_docker_has_and_lay_has_not_is_told() {
    let lay = Lay::new();
    for (flags, why) in [
        (&["--link", "a:b"][..], "--network-alias"),
        (&["--gpus", "all"], "--device"),
        (&["--runtime", "runsc"], "lay is the runtime itself"),
        (&["--volume-driver", "nfs"], "'local' alone"),
    ] {
        lay.run(&[&["run", "--rm"], flags, &["busybox", "true"]].concat()).fails(125, why);
    }
    let same = ["--volume-driver", "local", "--runtime", "lay", "--disable-content-trust"];
    lay.ok(&[&["run", "--rm", "--network", "none"], &same[..], &["busybox", "true"]].concat());
    lay.ok(&["create", "--name", "one", "-a", "stdout", "busybox", "true"]);
    assert!(lay.ok(&["stats", "-a", "--no-stream", "--format", "{{.Name}} {{.PIDs}}"]).contains("one 0"));
    assert_eq!(lay.ok(&["stats", "--no-stream", "--format", "{{.Name}}"]), "");
    lay.ok(&["commit", "--pause=false", "one", "made"]);
    let layers = || std::fs::read_dir(lay.root().join("layers")).unwrap().count();
    let before = layers();
    lay.ok(&["rm", "one"]);
    lay.ok(&["rmi", "--no-prune", "made", "busybox"]);
    assert_eq!(layers(), before);
    lay.ok(&["prune", "-f"]);
    assert_eq!(layers(), 0);
    lay.assert_clean();
}

#[test]
fn history_has_ids_and_plain_numbers() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "layers"]);
    let id = lay.ok(&["images", "-q", "layers"]);
    let ids = lay.ok(&["history", "-q", "layers"]);
    let mut ids = ids.lines();
    assert_eq!(ids.next(), Some(id.as_str()));
    assert!(ids.all(|id| id == "<missing>"));
    let exact = lay.ok(&["history", "--human=false", "--format", "{{.Size}}", "layers"]);
    assert!(exact.lines().all(|size| size.parse::<u64>().is_ok()), "{exact}");
    assert!(lay.ok(&["history", "-H", "layers"]).starts_with("IMAGE"));
}

#[test]
fn an_image_for_another_platform_is_not_taken_for_it() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    let run = ["run", "--rm", "--network", "none"];
    lay.ok(&[&run[..], &["--platform", "linux/amd64", "busybox", "true"]].concat());
    let other = [&run[..], &["--pull", "never", "--platform", "linux/s390x", "busybox", "true"]].concat();
    lay.run(&other).fails(125, "no such image");
    lay.run(&[&run[..], &["--platform", "linux/arm/v7/x", "busybox", "true"]].concat())
        .fails(125, "--platform");
}
