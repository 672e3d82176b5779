//! Attacks on the runtime by bundles and from inside, where nobody stands between: what Docker or Podman would refuse before, a
//! bundle may say.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::oci::Bundle;
use crate::support::{Lay, output};

fn bind(source: &Path, destination: &str) -> Value {
    json!({"destination": destination, "type": "bind", "source": source, "options": ["bind"]})
}

fn add(spec: &mut Value, mount: Value) {
    spec["mounts"].as_array_mut().unwrap().push(mount);
}

/// Leaves out mounts at and below a directory.
fn without(spec: &mut Value, directory: &str) {
    spec["mounts"]
        .as_array_mut()
        .unwrap()
        .retain(|m| !m["destination"].as_str().unwrap().starts_with(directory));
}

#[test]
fn names_and_parameters_of_the_host_stay() {
    let bundle = Bundle::new();
    let read = |path: &str| std::fs::read_to_string(path).unwrap().trim().to_string();
    let namespaces = |spec: &Value| spec["linux"]["namespaces"].as_array().unwrap().clone();
    // What would be set is what is there, so that a failure does no harm.
    let host = read("/proc/sys/kernel/hostname");
    for path in [None, Some("/proc/self/ns/uts")] {
        bundle.configure("true", |spec| {
            let mut list = namespaces(spec);
            list.retain(|n| n["type"] != "uts");
            list.extend(path.map(|path| json!({"type": "uts", "path": path})));
            spec["linux"]["namespaces"] = json!(list);
            spec["hostname"] = json!(host);
        });
        bundle.fails(&["run", "--bundle", bundle.bundle(), "names"], "it would be the host's");
    }
    let cases = [
        ("network", "net.ipv4.tcp_fin_timeout", "/proc/sys/net/ipv4/tcp_fin_timeout"),
        ("ipc", "kernel.shmmni", "/proc/sys/kernel/shmmni"),
        ("uts", "kernel.domainname", "/proc/sys/kernel/domainname"),
    ];
    for (kind, key, path) in cases {
        bundle.configure("true", |spec| {
            spec["linux"]["namespaces"] =
                json!(["pid", "network", "ipc", "uts", "mount"].map(|name| json!({"type": name})));
            spec["hostname"] = json!("");
            spec["linux"]["sysctl"] = json!({key: read(path)});
        });
        bundle.ok(&["run", "--bundle", bundle.bundle(), "own"]);
        bundle.configure("true", |spec| {
            let mut list = namespaces(spec);
            list.retain(|n| n["type"] != kind);
            spec["linux"]["namespaces"] = json!(list);
        });
        bundle.fails(&["run", "--bundle", bundle.bundle(), "host"], "would be the host's");
    }
    let value = format!("net.ipv4.tcp_fin_timeout={}", read("/proc/sys/net/ipv4/tcp_fin_timeout"));
    let shared = ["run", "--rm", "--userns", "host", "--network", "host", "--sysctl", &value];
    bundle.lay.run(&[&shared[..], &["busybox", "true"]].concat()).fails(125, "would be the host's");
}

#[test]
fn nothing_covers_what_proc_shows() {
    let bundle = Bundle::new();
    let fake = bundle.lay.dir().join("fake");
    std::fs::create_dir_all(fake.join("kernel")).unwrap();
    let link = bundle.path.join("rootfs/link");
    std::os::unix::fs::symlink("/proc/sys", &link).unwrap();
    let run = ["run", "--bundle", bundle.bundle(), "covered"];
    for place in ["/proc", "/proc/sys", "/proc/self/attr", "/proc/1", "/link"] {
        for mount in [bind(&fake, place), json!({"destination": place, "type": "tmpfs", "source": "tmpfs"})] {
            bundle.configure("true", |spec| add(spec, mount));
            bundle.fails(&run, "where the kernel's own /proc is to be seen");
            bundle.configure("true", |spec| drop(spec["mounts"].as_array_mut().unwrap().pop()));
        }
    }
    let uptime = bundle.lay.dir().join("uptime");
    std::fs::write(&uptime, "1.00 2.00\n").unwrap();
    bundle.configure("cat /proc/uptime", |spec| add(spec, bind(&uptime, "/proc/uptime")));
    assert_eq!(bundle.ok(&run), "1.00 2.00", "as lxcfs has it");
    bundle.configure("ls /proc/self/status", |spec| {
        without(spec, "/proc");
        let all = json!({"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]});
        spec["mounts"].as_array_mut().unwrap().insert(0, all);
    });
    assert_eq!(bundle.ok(&run), "/proc/self/status", "the host's own is the kernel's too");
}

#[test]
fn a_false_null_device_masks_nothing() {
    let bundle = Bundle::new();
    let dev = bundle.path.join("rootfs/dev");
    std::fs::create_dir_all(&dev).unwrap();
    for target in ["/proc/version", "/etc/passwd"] {
        let _ = std::fs::remove_file(dev.join("null"));
        std::os::unix::fs::symlink(target, dev.join("null")).unwrap();
        bundle.configure("cat /proc/keys", |spec| {
            without(spec, "/dev");
            spec["linux"]["maskedPaths"] = json!(["/proc/keys"]);
        });
        bundle.fails(&["run", "--bundle", bundle.bundle(), "masked"], "/dev/null is something else");
    }
}

#[test]
fn a_descriptor_that_the_caller_left_open_leads_nowhere() {
    let bundle = Bundle::new();
    let canary = bundle.lay.dir().join("canary");
    std::fs::create_dir(&canary).unwrap();
    let run = |why: &str| {
        let run = bundle.command(&["run", "--bundle", bundle.bundle(), "leaked"]);
        let mut shell = Command::new("sh");
        let script = format!("exec 9<'{}'; exec \"$0\" \"$@\"", canary.display());
        let out = shell.args(["-c", &script]).arg(run.get_program()).args(run.get_args()).output().unwrap();
        assert!(!out.status.success(), "{why}");
        assert_eq!(std::fs::read_dir(&canary).unwrap().count(), 0, "{why}");
    };
    bundle.configure("true", |spec| spec["process"]["cwd"] = json!("/proc/self/fd/9/new"));
    run("a working directory is made on the host");
    let link = bundle.path.join("rootfs/link");
    std::os::unix::fs::symlink("/proc/self/fd/9", &link).unwrap();
    bundle.configure("true", |spec| {
        spec["process"]["cwd"] = json!("/");
        add(spec, json!({"destination": "/link/new", "type": "tmpfs", "source": "tmpfs"}));
    });
    run("a mount point is made on the host");
    bundle.configure("true", |spec| {
        without(spec, "/link");
        without(spec, "/dev");
        spec["linux"]["devices"] = json!([{"path": "/link/new", "type": "c", "major": 1, "minor": 3}]);
        spec["linux"]["maskedPaths"] = json!([]);
    });
    run("a device is made on the host");
}

/// The program of `oci_attacks.c`, in a directory that others may enter.
fn holder(dir: &Path) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/oci_attacks.c");
    let target = dir.join("holder").display().to_string();
    output("cc", &["-O1", "-static", "-o", &target, source.to_str().unwrap()]);
    target
}

#[test]
fn who_joins_a_container_is_not_seen_or_at_least_not_written() {
    let lay = Lay::new();
    let volume = format!("{}:/holder:ro", holder(lay.dir()));
    // A copy that only this test executes: what others execute could not be written for that alone.
    let victim = lay.dir().join("victim");
    std::fs::copy(env!("CARGO_BIN_EXE_lay"), &victim).unwrap();
    let hash = || Sha256::digest(std::fs::read(&victim).unwrap()).to_vec();
    let before = hash();
    for (userns, visible) in [("auto", false), ("host", true)] {
        let flags = ["run", "-d", "--name", userns, "--userns", userns, "--cap-add", "SYS_PTRACE"];
        let more = ["--network", "none", "-v", &volume, "busybox", "/holder"];
        lay.ok(&[&flags[..], &more].concat());
        for _ in 0..40 {
            let exec = lay.command(&["exec", userns, "true"]);
            let env = exec.get_envs().filter_map(|(name, value)| value.map(|value| (name, value)));
            let mut same = Command::new(&victim);
            let status = same.args(exec.get_args()).envs(env).stdin(Stdio::null()).status().unwrap();
            assert!(status.success());
        }
        lay.ok(&["exec", userns, "touch", "/tmp/end"]);
        lay.ok(&["wait", userns]);
        let text = lay.ok(&["logs", userns]);
        assert!(!text.contains("written"), "{userns}: {text}");
        assert_eq!(text.lines().last() != Some("seen: 0"), visible, "{userns}: {text}");
        assert!(hash() == before, "{userns}: the host's binary was written");
        lay.ok(&["rm", userns]);
    }
}

#[test]
fn only_the_own_control_group_is_shown() {
    let bundle = Bundle::new();
    let script = "grep ' - cgroup ' /proc/self/mountinfo | cut -d' ' -f4 | sort -u; ls -d /sys/fs/cgroup/*/* | grep -c /lay-it-";
    let ids = json!([{"containerID": 0, "hostID": 1_500_000_000u32, "size": 65536}]);
    for own_users in [false, true] {
        bundle.configure(script, |spec| {
            let list = spec["linux"]["namespaces"].as_array_mut().unwrap();
            list.retain(|n| n["type"] != "cgroup");
            if own_users {
                list.push(json!({"type": "user"}));
                spec["linux"]["uidMappings"] = ids.clone();
                spec["linux"]["gidMappings"] = ids.clone();
            }
        });
        if own_users {
            output("chown", &["-R", "1500000000:1500000000", bundle.bundle()]);
        }
        let out = bundle.command(&["run", "--bundle", bundle.bundle(), "grouped"]).output().unwrap();
        let (text, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        let v1 = std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - cgroup ");
        let own = format!("{}/oci\n", bundle.lay.cgroup());
        assert_eq!(text, if v1 { own + "0\n" } else { "0\n".to_string() }, "{stderr}");
    }
}

#[test]
fn a_failure_inside_is_told_whatever_was_on_its_way() {
    let bundle = Bundle::new();
    bundle.configure("true", |spec| {
        let list = spec["linux"]["namespaces"].as_array_mut().unwrap();
        list.push(json!({"type": "user"}));
        let ids = json!([{"containerID": 0, "hostID": 1_500_000_000u32, "size": 65536}]);
        spec["linux"]["uidMappings"] = ids.clone();
        spec["linux"]["gidMappings"] = ids;
        add(spec, json!({"destination": "/opt", "type": "nosuchfs", "source": "none"}));
    });
    output("chown", &["-R", "1500000000:1500000000", bundle.bundle()]);
    for _ in 0..30 {
        bundle.fails(&["run", "--bundle", bundle.bundle(), "fails"], "cannot use file system nosuchfs");
    }
}
