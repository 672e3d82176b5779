use std::collections::BTreeSet;

use super::*;

fn all_names() -> Vec<String> {
    let more = WITH.iter().map(|(_, list)| *list);
    ALWAYS.iter().copied().chain(more).flat_map(words).collect()
}

/// Names of the calls that are allowed, with or without conditions.
fn allowed(capabilities: &[Capability]) -> BTreeSet<String> {
    let rules = default(&capabilities.iter().copied().collect()).unwrap();
    let rules = rules.syscalls().clone().unwrap();
    let allowed = rules.iter().filter(|rule| rule.action() == Action::ScmpActAllow);
    allowed.flat_map(|rule| rule.names().clone()).collect()
}

/// A name that is misspelled would be ignored.
#[test]
fn every_name_is_a_system_call_s() {
    use syscalls::{arm, riscv64, x86, x86_64};
    // Those of arch/arm/include/uapi/asm/unistd.h, and one that headers have under two names.
    let elsewhere = ["breakpoint", "cacheflush", "set_tls", "sync_file_range2"];
    let exists = |name: &str| {
        name.parse::<x86_64::Sysno>().is_ok()
            || name.parse::<x86::Sysno>().is_ok()
            || name.parse::<arm::Sysno>().is_ok()
            || name.parse::<riscv64::Sysno>().is_ok()
            || elsewhere.contains(&name)
    };
    let unknown: Vec<String> = all_names().into_iter().filter(|name| !exists(name)).collect();
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn no_call_is_listed_twice() {
    let mut seen = BTreeSet::new();
    let always = ALWAYS.iter().copied().flat_map(words);
    let twice: Vec<String> = always.filter(|name| !seen.insert(name.clone())).collect();
    assert_eq!(twice, [""; 0]);
    let also_with: Vec<&str> = WITH
        .iter()
        .flat_map(|(_, list)| list.split_ascii_whitespace())
        .filter(|name| seen.contains(*name))
        .collect();
    assert_eq!(also_with, [""; 0], "a capability would change nothing");
}

#[test]
fn capabilities_open_what_needs_them() {
    let bare = allowed(&[]);
    for name in
        ["mount", "unshare", "setns", "bpf", "reboot", "init_module", "settimeofday", "kcmp", "chroot"]
    {
        assert!(!bare.contains(name), "{name}");
    }
    let all: Vec<Capability> = WITH.iter().map(|(capability, _)| *capability).collect();
    let never = [
        "keyctl",
        "add_key",
        "request_key",
        "io_uring_setup",
        "io_uring_enter",
        "userfaultfd",
        "kexec_load",
        "swapon",
        "pivot_root",
        "nfsservctl",
        "vm86",
        "uselib",
        "ustat",
        "sysfs",
        "_sysctl",
        "move_pages",
    ];
    for name in never {
        assert!(!allowed(&all).contains(name), "{name}");
    }
    assert!(allowed(&[Capability::SysAdmin]).is_superset(&words("mount unshare bpf setns").collect()));
    assert!(allowed(&[Capability::SysChroot]).contains("chroot"));
    assert!(allowed(&[Capability::Syslog]).contains("syslog"));
}

#[test]
fn the_runtime_takes_it() {
    for capabilities in [&[][..], &[Capability::SysAdmin], &[Capability::SysPtrace, Capability::Bpf]] {
        let rules = default(&capabilities.iter().copied().collect()).unwrap();
        crate::runtime::compile(&rules).unwrap();
    }
}
