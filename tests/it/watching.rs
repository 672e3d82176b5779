//! `lay events`, `top`, `port` and `wait --condition`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;

use crate::support::{Lay, eventually, with_docker};

fn start(lay: &Lay, name: &str, script: &str) -> String {
    lay.ok(&["run", "-d", "--name", name, "--network", "none", "busybox", "sh", "-c", script])
}

fn events(lay: &Lay, flags: &[&str]) -> Vec<String> {
    let fixed = ["events", "--since", "10m", "--until", "0s", "--format", "{{.Type}} {{.Action}}"];
    lay.ok(&[&fixed, flags].concat()).lines().map(str::to_string).collect()
}

#[test]
fn a_life_leaves_its_events() {
    let lay = Lay::new();
    let follower = {
        let mut child = lay.command(&["events", "--format", "json"]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines)
    };
    let (mut child, mut lines) = follower;
    eventually("the follower waits", || lay.root().join("events").exists());
    std::thread::sleep(std::time::Duration::from_millis(100));
    let id = start(&lay, "one", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done");
    lay.ready("one");
    lay.ok(&["exec", "one", "true"]);
    lay.ok(&["stop", "one"]);
    lay.ok(&["rm", "one"]);
    lay.ok(&["tag", "busybox", "other:1"]);
    lay.ok(&["rmi", "other:1"]);
    lay.ok(&["volume", "create", "vol"]);
    lay.ok(&["volume", "rm", "vol"]);
    let expected = [
        "image pull",
        "container create",
        "container start",
        "container exec_start: true",
        "container exec_die",
        "container kill",
        "container die",
        "container stop",
        "container destroy",
        "image tag",
        "image untag",
        "volume create",
        "volume destroy",
    ];
    assert_eq!(events(&lay, &[]), expected);
    let followed: Vec<Value> = lines
        .by_ref()
        .take(expected.len())
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let words =
        followed.iter().map(|e| format!("{} {}", e["Type"].as_str().unwrap(), e["Action"].as_str().unwrap()));
    assert_eq!(words.collect::<Vec<_>>(), expected, "as they happened");
    let die = followed.iter().find(|e| e["Action"] == "die").unwrap();
    assert_eq!(
        (die["Actor"]["ID"].as_str(), die["Actor"]["Attributes"]["exitCode"].as_str()),
        (Some(&*id), Some("3"))
    );
    assert_eq!(events(&lay, &["--filter", "type=volume"]).len(), 2);
    assert_eq!(events(&lay, &["--filter", "container=one", "--filter", "event=die"]), ["container die"]);
    assert_eq!(
        events(&lay, &["--filter", "event=die", "--filter", "event=tag"]),
        ["container die", "image tag"]
    );
    assert_eq!(events(&lay, &["--filter", "container=nobody"]).len(), 0);
    assert!(lay.ok(&["events", "--since", "1h", "--until", "10m"]).is_empty());
    lay.run(&["events", "--filter", "colour=red"]).fails(1, "colour");
    let begin = Instant::now();
    lay.ok(&["events", "--until", "1s"]);
    lay.assert_clean();
    assert!(begin.elapsed().as_secs() < 5);
}

/// What Docker tells of the same life: types, actions and attributes, but for its names of networks.
#[test]
fn events_are_those_of_docker() {
    let lay = Lay::new();
    let archive = lay.dir().join("busybox.tar");
    lay.ok(&["pull", "-q", "busybox"]);
    lay.ok(&["save", "-o", archive.to_str().unwrap(), "busybox"]);
    let run =
        ["run", "--name", "same", "--label", "a=b", "--network", "none", "busybox", "sh", "-c", "exit 4"];
    let told = |text: &str| -> Vec<Value> {
        let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        // Docker attaches, and has a network named none that is connected.
        let all = all.filter(|e| e["Type"] == "container" && e["Action"] != "attach");
        let keep = |e: Value| {
            serde_json::json!([
                e["Type"],
                e["Action"],
                e["status"],
                e["from"],
                e["scope"],
                e["Actor"]["Attributes"]
            ])
        };
        all.map(keep).collect()
    };
    assert_eq!(lay.run(&run).code, 4);
    lay.ok(&["rm", "same"]);
    let ours = told(&lay.ok(&["events", "--since", "10m", "--until", "0s", "--format", "json"]));
    with_docker(&[], |docker| {
        docker.ok(&["load", "-q", "-i", archive.to_str().unwrap()]);
        assert_eq!(docker.command(&run).output().unwrap().status.code(), Some(4));
        docker.ok(&["rm", "same"]);
        // Its end of the span is in whole seconds.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let theirs =
            told(&docker.ok(&["events", "--since", "10m", "--until", "0s", "--format", "{{json .}}"]));
        assert_eq!(ours, theirs);
    });
}

#[test]
fn top_shows_the_container_s_processes_alone() {
    let lay = Lay::new();
    start(&lay, "many", "sleep 4321 & sleep 4322 & wait");
    eventually("they run", || lay.ok(&["top", "many"]).lines().count() == 4);
    let text = lay.ok(&["top", "many"]);
    assert!(text.starts_with("UID") && text.contains("sleep 4321") && text.contains("sleep 4322"), "{text}");
    let table = lay.ok(&["top", "many", "-o", "pid,args"]);
    assert!(table.lines().next().unwrap().trim().starts_with("PID") && table.lines().count() == 4, "{table}");
    lay.run(&["top", "many", "-o", "args"]).fails(1, "no column PID");
    lay.run(&["top", "many", "--nonsense"]).fails(1, "ps: ");
    lay.ok(&["kill", "many"]);
    lay.ok(&["wait", "many"]);
    lay.run(&["top", "many"]).fails(1, "not running");
}

#[test]
fn ports_are_told() {
    let lay = Lay::new();
    lay.ok(&["run", "-d", "--name", "web", "-p", "127.0.0.1::80", "-p", "53/udp", "busybox", "sleep", "100"]);
    let all = lay.ok(&["port", "web"]);
    let lines: Vec<&str> = all.lines().collect();
    assert!(
        lines[0].starts_with("80/tcp -> 127.0.0.1:") && lines[1].starts_with("53/udp -> 0.0.0.0:"),
        "{all}"
    );
    assert_eq!(format!("80/tcp -> {}", lay.ok(&["port", "web", "80"])), lines[0]);
    assert_eq!(format!("53/udp -> {}", lay.ok(&["port", "web", "53/udp"])), lines[1]);
    lay.run(&["port", "web", "81"]).fails(1, "no public port '81/tcp' published for web");
}

#[test]
fn conditions_are_waited_for() {
    let lay = Lay::new();
    start(&lay, "job", "sleep 0.5; exit 7");
    let removed =
        lay.command(&["wait", "--condition", "removed", "job"]).stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(lay.ok(&["wait", "--condition", "next-exit", "job"]), "7");
    assert_eq!(lay.ok(&["wait", "job"]), "7");
    lay.ok(&["rm", "job"]);
    let out = removed.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), "7\n");
    lay.run(&["wait", "--condition", "rain", "job"]).fails(125, "rain");
}

#[test]
fn a_forced_removal_kills_once() {
    let lay = Lay::new();
    start(&lay, "one", "while :; do sleep 0.05; done");
    lay.ok(&["rm", "-f", "one"]);
    let all = events(&lay, &["--filter", "type=container"]);
    let expected = ["create", "start", "kill", "die", "destroy"].map(|action| format!("container {action}"));
    assert_eq!(all, expected, "as with Docker");
    lay.assert_clean();
}
