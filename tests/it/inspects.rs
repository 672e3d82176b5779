//! What scripts read with `--format`: templates that are written for Docker, and Docker's names of fields.

use crate::support::Lay;

/// Templates of Docker's manual and of scripts that are passed on.
#[test]
fn scripts_for_docker_read_containers() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "web"]);
    let port = lay.net().split('.').map(|n| n.parse::<u32>().unwrap()).sum::<u32>() + 21_000;
    let publish = format!("127.0.0.1:{port}:80");
    lay.ok(&[
        "run",
        "-d",
        "--name",
        "one",
        "--network",
        "web",
        "-p",
        &publish,
        "--expose",
        "81",
        "-l",
        "org.a=b",
        "-e",
        "A=1",
        "-v",
        "data:/data:ro",
        "-m",
        "64m",
        "--cpus",
        "0.5",
        "--stop-signal",
        "INT",
        "--log-opt",
        "max-size=1m",
        "busybox",
        "sh",
        "-c",
        "sleep 100",
    ]);
    let read = |template: &str| lay.ok(&["inspect", "-f", template, "one"]);
    let address = read("{{.NetworkSettings.Networks.web.IPAddress}}");
    assert_eq!(read("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"), address);
    assert_eq!(
        read("{{range $k, $v := .NetworkSettings.Networks}}{{$k}}={{$v.IPAddress}}{{end}}"),
        format!("web={address}")
    );
    let published = "{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}";
    assert_eq!(read(published), port.to_string());
    let all =
        "{{range $p, $c := .NetworkSettings.Ports}}{{$p}}{{if $c}}>{{(index $c 0).HostIp}}{{end}} {{end}}";
    assert_eq!(read(all), "80/tcp>127.0.0.1 81/tcp");
    assert_eq!(
        read("{{json .HostConfig.PortBindings}}"),
        format!("{{\"80/tcp\":[{{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"{port}\"}}]}}")
    );
    assert_eq!(read("{{range .Config.Env}}{{println .}}{{end}}").lines().next(), Some("A=1"));
    assert_eq!(read("{{index .Config.Labels \"org.a\"}}"), "b");
    assert_eq!(read("{{.Path}} {{.Args}} {{.Config.Cmd}}"), "sh [-c sleep 100] [sh -c sleep 100]");
    assert_eq!(read("{{if .State.Running}}up{{else}}down{{end}}"), "up");
    assert_eq!(read("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}"), "none");
    assert_eq!(
        read("{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.RW}}{{end}} {{.HostConfig.Binds}}"),
        "volume data /data false [data:/data:ro]"
    );
    assert_eq!(
        read(
            "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.Privileged}} {{.Config.StopSignal}}"
        ),
        "67108864 500000000 false SIGINT"
    );
    assert_eq!(
        read("{{.HostConfig.LogConfig.Type}} {{.HostConfig.LogConfig.Config}}"),
        "json-file map[max-size:1048576]"
    );
    for path in ["{{.LogPath}}", "{{.HostsPath}}", "{{.ResolvConfPath}}", "{{.NetworkSettings.SandboxKey}}"] {
        let path = read(path);
        assert!(std::fs::symlink_metadata(&path).is_ok(), "{path}");
    }
    let row = lay.ok(&["ps", "--format", "{{.Names}} {{.Label \"org.a\"}} {{upper .State}}"]);
    assert_eq!(row, "one b RUNNING");
    let subnet = lay.ok(&["network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}}{{end}}", "web"]);
    assert!(subnet.ends_with("/24"), "{subnet}");

    lay.ok(&["stop", "-t", "0", "one"]);
    assert_eq!(
        read("{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{end}}{{.NetworkSettings.Ports}}"),
        "web map[]"
    );
    lay.ok(&["rm", "one"]);
    lay.ok(&["network", "rm", "web"]);
    lay.assert_clean();
}

#[test]
fn a_container_that_never_ran_has_docker_s_times() {
    let lay = Lay::new();
    lay.ok(&["create", "--name", "new", "--entrypoint", "/bin/echo", "busybox"]);
    let read = |template: &str| lay.ok(&["inspect", "-f", template, "new"]);
    let never = "0001-01-01T00:00:00Z";
    assert_eq!(read("{{.State.StartedAt}} {{.State.FinishedAt}}"), format!("{never} {never}"));
    assert_eq!(read("{{.Config.Entrypoint}} {{json .Config.Cmd}}"), "[/bin/echo] null");
    assert_eq!(read("{{slice .Id 0 12}}"), read("{{.Config.Hostname}}"));
    lay.run(&["inspect", "-f", "{{.Nope}}", "new"]).fails(1, "there is no field 'Nope'");
    lay.run(&["inspect", "-f", "{{range .Config.Env}}", "new"]).fails(1, "without {{end}}");
}
