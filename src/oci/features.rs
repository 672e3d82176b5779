//! `features`

use serde_json::json;

use super::error::Error;
use super::list::print_json;

/// Prints what this runtime can do (runtime-spec, "Features Structure").
pub fn features() -> Result<u8, Error> {
    let capabilities: Vec<String> = caps::all().iter().map(ToString::to_string).collect();
    print_json(&json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": crate::runtime::SPEC_VERSION,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": [
            "async", "atime", "bind", "defaults", "dev", "diratime", "exec", "idmap", "noatime", "nodev", "nodiratime",
            "noexec", "norelatime", "nosuid", "nosymfollow", "private", "ratime", "rbind", "rdev", "relatime", "remount",
            "ridmap", "rnoatime", "rnodev", "rnoexec", "rnosuid", "ro", "rprivate", "rro", "rshared", "rslave",
            "runbindable", "rw", "shared", "slave", "strictatime", "suid", "symfollow", "tmpcopyup", "unbindable",
        ],
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": capabilities,
            "cgroup": {"v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": false},
            "seccomp": {"enabled": true},
            "apparmor": {"enabled": true},
            "selinux": {"enabled": true},
            "intelRdt": {"enabled": false},
            "mountExtensions": {"idmap": {"enabled": true}},
        },
        "annotations": {"org.lay.version": env!("CARGO_PKG_VERSION")},
    }))
    .map(|()| 0)
}
