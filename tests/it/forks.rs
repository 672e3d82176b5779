//! Second containers from a first one's files, and the way back.

use crate::support::{Lay, eventually};

#[test]
fn a_fork_starts_from_the_files_as_they_are() {
    let lay = Lay::new();
    let script = "echo 1 > /own; busybox ln /own /twin; rm /etc/motd2 2>/dev/null; rm -rf /var/empty; mkdir /dir; echo v > /vol/file; \
                  busybox chown 5:6 /own; echo ready > /ready; sleep 1000";
    lay.ok(&[
        "run",
        "-d",
        "--name",
        "first",
        "--network",
        "none",
        "-v",
        "/vol",
        "busybox",
        "sh",
        "-c",
        script,
    ]);
    eventually("it is ready", || lay.run(&["exec", "first", "cat", "/ready"]).code == 0);
    let see = "stat -c '%u:%g %h' /own; cat /twin /vol/file; ls -d /dir";
    lay.ok(&["fork", "--name", "second", "first", "sh", "-c", &format!("({see}) > /seen; sleep 1000")]);
    eventually("it has looked", || lay.run(&["exec", "second", "cat", "/seen"]).stdout.lines().count() == 4);
    assert_eq!(lay.ok(&["exec", "second", "cat", "/seen"]), "5:6 2\n1\nv\n/dir");
    // From then on, each goes its own way, volumes without a name included.
    lay.ok(&["exec", "second", "sh", "-c", "echo 2 > /own; echo w > /vol/file"]);
    assert_eq!(lay.ok(&["exec", "first", "cat", "/own", "/vol/file"]), "1\nv");
    lay.ok(&["exec", "first", "rm", "/own"]);
    assert_eq!(lay.ok(&["exec", "second", "cat", "/own", "/twin"]), "2\n2");
    let removed = |name: &str| lay.ok(&["diff", name]).lines().filter(|l| l.starts_with('D')).count();
    assert_eq!(removed("second"), 0);
    lay.ok(&["rm", "-f", "-v", "first", "second"]);
    // Also from one that does not run.
    lay.ok(&[
        "run",
        "--name",
        "ended",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "rm /bin/false; echo kept > /kept",
    ]);
    lay.ok(&["fork", "--rm", "--name", "third", "ended", "sh", "-c", "ls /bin/false; cat /kept; sleep 100"]);
    assert!(lay.ok(&["diff", "third"]).contains("D /bin/false"));
    assert_eq!(lay.ok(&["exec", "third", "cat", "/kept"]), "kept");
    lay.run(&["fork", "--name", "third", "ended"]).fails(1, "third");
    lay.run(&["fork", "nobody"]).fails(1, "no such container");
    lay.ok(&["rm", "-f", "third", "ended"]);
    assert_eq!(lay.ok(&["volume", "ls", "-q"]), "");
    lay.assert_clean();
}

#[test]
fn a_container_goes_back_to_what_it_was() {
    let lay = Lay::new();
    lay.ok(&[
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "echo old > /file; rm /bin/false; sleep 1000",
    ]);
    eventually("it has begun", || lay.run(&["exec", "box", "cat", "/file"]).code == 0);
    assert_eq!(lay.ok(&["snapshot", "create", "box", "before"]), "before");
    lay.run(&["snapshot", "create", "box", "before"]).fails(1, "there is a snapshot before already");
    lay.ok(&["exec", "box", "sh", "-c", "echo new > /file; echo x > /more"]);
    assert!(lay.ok(&["snapshot", "create", "box"]).len() > 10, "named by the time");
    assert_eq!(lay.ok(&["snapshot", "ls", "-q", "box"]).lines().count(), 2);
    lay.run(&["snapshot", "rollback", "box", "before"]).fails(1, "running");
    lay.ok(&["stop", "-t", "0", "box"]);
    lay.run(&["snapshot", "rollback", "box", "nothing"]).fails(1, "no such snapshot: nothing");
    assert_eq!(lay.ok(&["snapshot", "rollback", "box", "before"]), "before");
    let changes = lay.ok(&["diff", "box"]);
    assert!(
        changes.contains("A /file") && changes.contains("D /bin/false") && !changes.contains("/more"),
        "{changes}"
    );
    lay.ok(&["commit", "box", "back"]);
    assert_eq!(
        lay.sh(&["--network", "none"], "back", "cat /file; ls /more /bin/false 2>/dev/null; true"),
        "old"
    );
    lay.ok(&["snapshot", "rm", "box", "before"]);
    assert_eq!(lay.ok(&["snapshot", "ls", "--format", "{{.Name}}", "box"]).lines().count(), 1);
    for bad in ["../x", ".", "a/b"] {
        assert_ne!(lay.run(&["snapshot", "rm", "box", bad]).code, 0, "{bad}");
    }
    lay.ok(&["rm", "box"]);
    lay.assert_clean();
}
