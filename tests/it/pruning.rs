//! `lay prune` by kind, age and label, as Docker's users ask for it, and `lay du`, which says what there is to gain.

use serde_json::Value;

use crate::support::Lay;

fn names(lay: &Lay) -> Vec<String> {
    let text = lay.ok(&["images", "--format", "{{.Repository}}"]);
    let mut names: Vec<String> = text.lines().map(str::to_string).collect();
    names.sort();
    names
}

fn usage(lay: &Lay) -> Vec<Value> {
    lay.ok(&["system", "df", "--format", "json"])
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect()
}

#[test]
fn all_images_without_a_container_go_when_asked() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    lay.ok(&["pull", "-q", "layers"]);
    lay.ok(&["tag", "busybox", "second:1"]);
    lay.ok(&["run", "--name", "user", "--network", "none", "layers", "sh", "-c", ":"]);
    lay.ok(&["prune", "-f"]);
    assert_eq!(names(&lay), ["busybox", "layers", "second"]);
    lay.ok(&["image", "prune", "-a", "-f", "--filter", "label=no=such"]);
    lay.ok(&["image", "prune", "-a", "-f", "--filter", "until=1000000h"]);
    assert_eq!(names(&lay).len(), 3);
    let said = lay.ok(&["image", "prune", "--all", "--dry-run"]);
    assert!(said.contains("Would remove image busybox:latest\nWould remove image second:1\n"), "{said}");
    assert!(!said.contains("layers"), "{said}");
    assert_eq!(names(&lay).len(), 3, "a dry run removes nothing");
    lay.ok(&["image", "prune", "--all", "--force"]);
    assert_eq!(names(&lay), ["layers"]);
    lay.run(&["prune", "--filter", "colour=red"]).fails(1, "until=TIME");
    lay.ok(&["rm", "user"]);
    lay.ok(&["prune", "-af"]);
    assert!(names(&lay).is_empty());
    assert_eq!(std::fs::read_dir(lay.root().join("layers")).unwrap().count(), 0);
    lay.assert_clean();
}

#[test]
fn the_whole_system_is_pruned_as_with_docker() {
    let lay = Lay::new();
    lay.ok(&["network", "create", "lonely"]);
    lay.ok(&["volume", "create", "kept"]);
    let run = ["run", "--network", "none"];
    lay.ok(&[&run[..], &["--name", "ended", "-v", "/data", "--label", "team=a", "busybox", "true"]].concat());
    lay.ok(&[&run[..], &["-d", "--name", "alive", "-v", "/data", "busybox", "sleep", "100"]].concat());
    let volumes = || lay.ok(&["volume", "ls", "-q"]).lines().count();
    assert_eq!(volumes(), 3);
    lay.ok(&["system", "prune", "-f", "--filter", "label!=team"]);
    assert_eq!(lay.ok(&["ps", "-aq"]).lines().count(), 2);
    let said = lay.ok(&["system", "prune", "--dry-run", "--volumes", "--filter", "label=team"]);
    assert!(said.contains("Would remove container ended") && !said.contains("volume"), "{said}");
    let said = lay.ok(&["system", "prune", "--dry-run", "--volumes"]);
    assert!(said.contains("Would remove container ended"), "{said}");
    assert_eq!(said.matches("Would remove volume ").count(), 1, "{said}");
    assert_eq!(volumes(), 3);
    lay.ok(&["system", "prune", "--force"]);
    assert_eq!((lay.ok(&["ps", "-aq"]).lines().count(), volumes()), (1, 3), "volumes go only when asked");
    assert!(!lay.ok(&["network", "ls"]).contains("lonely"), "the network went with --filter label!=team");
    lay.ok(&["system", "prune", "-af", "--volumes"]);
    assert_eq!((names(&lay).len(), volumes()), (1, 2), "what the running container has, and what has a name");
    lay.ok(&["rm", "-fv", "alive"]);
    lay.ok(&["system", "prune", "-af", "--volumes"]);
    assert_eq!((names(&lay).len(), volumes()), (0, 1));
    lay.ok(&["volume", "rm", "kept"]);
    lay.assert_clean();
}

#[test]
fn what_is_on_disk_is_counted_by_kind() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    lay.ok(&["tag", "busybox", "again"]);
    let before = usage(&lay);
    let kinds: Vec<_> = before.iter().map(|row| row["Type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Images", "Containers", "Local Volumes", "Build Cache"]);
    let counts = |row: &Value| (row["TotalCount"].as_u64().unwrap(), row["Active"].as_u64().unwrap());
    assert_eq!(counts(&before[0]), (1, 0), "two names are one image");
    let bytes = |row: &Value, field: &str| row[field].as_u64().unwrap();
    assert_eq!(bytes(&before[0], "Bytes"), bytes(&before[0], "ReclaimableBytes"));
    let write = "dd if=/dev/zero of=/big bs=1M count=3 2>/dev/null; dd if=/dev/zero of=/vol/big bs=1M count=2 2>/dev/null";
    lay.ok(&["run", "--name", "one", "--network", "none", "-v", "vol:/vol", "busybox", "sh", "-c", write]);
    let after = usage(&lay);
    assert_eq!((counts(&after[0]), bytes(&after[0], "ReclaimableBytes")), ((1, 1), 0));
    assert_eq!(bytes(&after[0], "Bytes"), bytes(&before[0], "Bytes"));
    assert_eq!((counts(&after[1]), counts(&after[2])), ((1, 0), (1, 1)));
    assert!((3 << 20..4 << 20).contains(&bytes(&after[1], "ReclaimableBytes")), "{}", after[1]);
    assert!((2 << 20..3 << 20).contains(&bytes(&after[2], "Bytes")), "{}", after[2]);
    assert_eq!(bytes(&after[2], "ReclaimableBytes"), 0);
    // What is said to be reclaimable is what a prune gives back.
    lay.ok(&["rm", "one"]);
    let free = bytes(&usage(&lay)[0], "ReclaimableBytes");
    let said = lay.ok(&["prune", "--all", "--dry-run"]);
    let sum = said.lines().last().unwrap().strip_prefix("Would reclaim: ").unwrap();
    let table = lay.ok(&["du"]);
    assert!(table.starts_with("TYPE") && table.contains("Local Volumes"), "{table}");
    let shown = usage(&lay)[0]["Size"].as_str().unwrap().to_string();
    assert_eq!(sum[..3], shown[..3], "{free} {said}");
    lay.ok(&["volume", "rm", "vol"]);
}
