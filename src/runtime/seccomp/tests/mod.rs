//! Programs against what the rules say, call by call.

mod machine;
mod naive;
mod random;

use oci_spec::runtime::LinuxSeccomp;
use serde_json::{Value, json};

use super::arch::conventions;
use super::bpf::Code;
use super::{Rules, compile, translate};
use machine::{Call, run};

const X86_64: u32 = 0xc000_003e;
const X86: u32 = 0x4000_0003;
const AARCH64: u32 = 0xc000_00b7;
const ARM: u32 = 0x4000_0028;

const KILL: u32 = 0;
const ALLOW: u32 = 0x7fff_0000;
const fn errno(number: u32) -> u32 {
    0x0005_0000 | number
}

fn program(rules: &Value, machine: &str) -> Code {
    let seccomp: LinuxSeccomp = serde_json::from_value(rules.clone()).unwrap();
    translate(&seccomp, &Rules::new(&seccomp).unwrap(), machine).unwrap()
}

/// The verdict on one call.
fn verdict(rules: &Value, audit: u32, number: u32, args: &[u64]) -> u32 {
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    let machine = if matches!(audit, AARCH64 | ARM) { "aarch64" } else { "x86_64" };
    run(&program(rules, machine), &Call { audit, number, args: all }).0
}

fn refused(rules: &Value) -> String {
    let seccomp: LinuxSeccomp = serde_json::from_value(rules.clone()).unwrap();
    compile(&seccomp).unwrap_err().to_string()
}

/// A profile that forbids everything but `rules`.
fn only(rules: Value) -> Value {
    json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules})
}

#[test]
fn every_action_is_the_kernel_s() {
    // include/uapi/linux/seccomp.h
    let cases = [
        (json!("SCMP_ACT_KILL"), None, 0),
        (json!("SCMP_ACT_KILL_THREAD"), None, 0),
        (json!("SCMP_ACT_KILL_PROCESS"), None, 0x8000_0000),
        (json!("SCMP_ACT_TRAP"), None, 0x0003_0000),
        (json!("SCMP_ACT_ERRNO"), None, 0x0005_0001),
        (json!("SCMP_ACT_ERRNO"), Some(0), 0x0005_0000),
        (json!("SCMP_ACT_ERRNO"), Some(38), 0x0005_0026),
        (json!("SCMP_ACT_TRACE"), None, 0x7ff0_0001),
        (json!("SCMP_ACT_TRACE"), Some(7), 0x7ff0_0007),
        (json!("SCMP_ACT_LOG"), None, 0x7ffc_0000),
        (json!("SCMP_ACT_NOTIFY"), None, 0x7fc0_0000),
    ];
    for (action, errno, expected) in cases {
        let mut rule = json!({"names": ["read"], "action": action});
        if let Some(errno) = errno {
            rule["errnoRet"] = json!(errno);
        }
        let rules = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]});
        assert_eq!(verdict(&rules, X86_64, 0, &[]), expected, "{action} {errno:?}");
        assert_eq!(verdict(&rules, X86_64, 1, &[]), ALLOW);
    }
    let rules = json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 12});
    assert_eq!(verdict(&rules, X86_64, 1, &[]), errno(12));
}

#[test]
fn operators_compare_all_64_bits_unsigned() {
    let high = 1u64 << 32;
    let at = high + 5;
    let cases: [(&str, &[u64], &[u64]); 6] = [
        ("SCMP_CMP_EQ", &[at], &[5, at + 1, at + high, 0]),
        ("SCMP_CMP_NE", &[5, at + 1, at + high], &[at]),
        ("SCMP_CMP_GT", &[at + 1, 2 * high, u64::MAX], &[at, high + 4, 6, 0]),
        ("SCMP_CMP_GE", &[at, at + 1, 2 * high], &[high + 4, 0xffff_ffff]),
        ("SCMP_CMP_LT", &[high + 4, 0xffff_ffff, 0], &[at, at + 1, 2 * high, 2 * high + 1]),
        ("SCMP_CMP_LE", &[at, high + 4, 0xffff_ffff], &[at + 1, 2 * high, u64::MAX]),
    ];
    for (op, yes, no) in cases {
        let rules = only(json!([{"names": ["read"], "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 2, "value": at, "op": op}]}]));
        for arg in yes {
            assert_eq!(verdict(&rules, X86_64, 0, &[0, 0, *arg]), ALLOW, "{op} {arg:#x}");
        }
        for arg in no {
            assert_eq!(verdict(&rules, X86_64, 0, &[at, at, *arg]), errno(1), "{op} {arg:#x}");
        }
    }
    let masked = only(json!([{"names": ["read"], "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": high | 0xf0, "valueTwo": high | 0x10, "op": "SCMP_CMP_MASKED_EQ"}]}]));
    assert_eq!(verdict(&masked, X86_64, 0, &[high | 0x1f]), ALLOW);
    assert_eq!(verdict(&masked, X86_64, 0, &[0x1f]), errno(1));
    assert_eq!(verdict(&masked, X86_64, 0, &[high | 0x20]), errno(1));
}

#[test]
fn conditions_all_hold_rules_add_up_and_twice_the_same_argument_is_either() {
    let arg = |index: u32, value: u64| json!({"index": index, "value": value, "op": "SCMP_CMP_EQ"});
    let allow = |args: Value| json!({"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": args});
    let rules = only(json!([allow(json!([arg(0, 1), arg(1, 2)])), allow(json!([arg(2, 3), arg(2, 4)]))]));
    for (args, allowed) in [
        (&[1, 2, 0][..], true),
        (&[1, 0, 0], false),
        (&[0, 2, 0], false),
        (&[0, 0, 3], true),
        (&[0, 0, 4], true),
        (&[0, 0, 5], false),
    ] {
        let expected = if allowed { ALLOW } else { errno(1) };
        assert_eq!(verdict(&rules, X86_64, 0, args), expected, "{args:?}");
    }
}

#[test]
fn the_more_general_rule_wins_and_one_without_conditions_always() {
    let rule = |action: &str, args: Value| json!({"names": ["read"], "action": action, "args": args});
    let first = json!({"index": 0, "value": 1, "op": "SCMP_CMP_EQ"});
    let second = json!({"index": 1, "value": 2, "op": "SCMP_CMP_EQ"});
    let special = rule("SCMP_ACT_ALLOW", json!([first, second]));
    let general = rule("SCMP_ACT_TRAP", json!([first]));
    let plain = json!({"names": ["read"], "action": "SCMP_ACT_LOG"});
    for list in [json!([special, general]), json!([general, special])] {
        assert_eq!(verdict(&only(list), X86_64, 0, &[1, 2]), 0x0003_0000);
    }
    for list in [json!([special, plain]), json!([plain, special])] {
        assert_eq!(verdict(&only(list), X86_64, 0, &[1, 2]), 0x7ffc_0000);
    }
    // What repeats the default is not a rule.
    let idle = json!({"names": ["read"], "action": "SCMP_ACT_ERRNO"});
    assert_eq!(verdict(&only(json!([idle, special])), X86_64, 0, &[1, 2]), ALLOW);
}

#[test]
fn calls_of_other_architectures_are_killed_unless_listed() {
    let allow = json!([{"names": ["getpid", "rt_sigaction"], "action": "SCMP_ACT_ALLOW"}]);
    let native = only(allow.clone());
    let mut all = native.clone();
    all["architectures"] = json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_ARM"]);
    // arch/x86/entry/syscalls: getpid is 39, and 20 on x86; rt_sigaction is 13, and 512 on x32.
    assert_eq!(verdict(&native, X86_64, 39, &[]), ALLOW);
    assert_eq!(verdict(&native, X86, 20, &[]), KILL);
    assert_eq!(verdict(&native, X86_64, 0x4000_0000 + 39, &[]), KILL);
    assert_eq!(verdict(&native, 0x1234, 39, &[]), KILL);
    // A tracer's way to skip a call; libseccomp spares it.
    assert_eq!(verdict(&native, X86_64, u32::MAX, &[]), errno(38));
    assert_eq!(verdict(&all, X86, 20, &[]), ALLOW);
    assert_eq!(verdict(&all, X86, 39, &[]), errno(1));
    assert_eq!(verdict(&all, X86_64, 0x4000_0000 + 39, &[]), ALLOW);
    assert_eq!(verdict(&all, X86_64, 0x4000_0000 + 512, &[]), ALLOW);
    assert_eq!(verdict(&all, X86_64, 0x4000_0000 + 13, &[]), errno(1));
    assert_eq!(verdict(&all, X86_64, 512, &[]), errno(38), "x32's numbers are not x86-64's");
    // include/uapi/asm-generic/unistd.h, arch/arm/tools/syscall.tbl
    assert_eq!(verdict(&all, AARCH64, 172, &[]), ALLOW);
    assert_eq!(verdict(&all, ARM, 20, &[]), ALLOW);
    assert_eq!(verdict(&native, ARM, 20, &[]), KILL);
}

#[test]
fn calls_that_the_author_could_not_know_are_missing() {
    let rules = only(json!([{"names": ["faccessat2", "no_such_call"], "action": "SCMP_ACT_ALLOW"}]));
    assert_eq!(verdict(&rules, X86_64, 439, &[]), ALLOW);
    assert_eq!(verdict(&rules, X86_64, 438, &[]), errno(1));
    assert_eq!(verdict(&rules, X86_64, 440, &[]), errno(38));
    assert_eq!(verdict(&rules, X86_64, 9999, &[]), errno(38));
    let open = json!({"defaultAction": "SCMP_ACT_LOG", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]});
    assert_eq!(verdict(&open, X86_64, 440, &[]), 0x7ffc_0000);
}

#[test]
fn names_that_headers_disagree_about_mean_the_same() {
    let rules =
        only(json!([{"names": ["newfstatat", "sync_file_range2", "set_tls"], "action": "SCMP_ACT_ALLOW"}]));
    let mut rules = rules;
    rules["architectures"] = json!(["SCMP_ARCH_ARM"]);
    assert_eq!(verdict(&rules, AARCH64, 79, &[]), ALLOW);
    assert_eq!(verdict(&rules, ARM, 341, &[]), ALLOW);
    assert_eq!(verdict(&rules, ARM, 0x000f_0005, &[]), ALLOW);
    assert_eq!(verdict(&rules, ARM, 0x000f_0002, &[]), errno(1));
    assert_eq!(verdict(&rules, ARM, 342, &[]), errno(38));
}

#[test]
fn old_interfaces_follow_the_calls_that_they_do() {
    let mut rules = json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "syscalls": [
        {"names": ["connect", "shmat"], "action": "SCMP_ACT_ERRNO"}]});
    // include/uapi/linux/net.h: SYS_CONNECT is 3; ipc.h: SHMAT is 21; socketcall is 102 and ipc 117.
    assert_eq!(verdict(&rules, X86, 102, &[3]), errno(1));
    assert_eq!(verdict(&rules, X86, 102, &[2]), ALLOW);
    assert_eq!(verdict(&rules, X86, 117, &[21]), errno(1));
    assert_eq!(verdict(&rules, X86, 117, &[0x0001_0015]), errno(1), "the upper half is a version");
    rules["syscalls"][0]["args"] = json!([{"index": 0, "value": 3, "op": "SCMP_CMP_EQ"}]);
    assert_eq!(verdict(&rules, X86, 102, &[3]), ALLOW, "conditions cannot be looked at");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let with = |field: &str, value: Value| {
        let mut rules = json!({"defaultAction": "SCMP_ACT_ALLOW"});
        rules[field] = value;
        refused(&rules)
    };
    assert!(with("defaultErrnoRet", json!(1)).contains("SCMP_ACT_ALLOW takes no errnoRet"));
    assert!(with("defaultAction", json!("SCMP_ACT_NOTIFY")).contains("cannot be the default"));
    let rule = |rule: Value| with("syscalls", json!([rule]));
    assert!(rule(json!({"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4096})).contains("4096"));
    assert!(rule(json!({"names": ["sendmsg"], "action": "SCMP_ACT_NOTIFY"})).contains("sendmsg"));
    assert!(rule(json!({"names": ["read"], "action": "SCMP_ACT_NOTIFY"})).contains("listenerPath"));
    let args = json!([{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]);
    assert!(
        rule(json!({"names": ["read"], "action": "SCMP_ACT_TRAP", "args": args})).contains("no argument 6")
    );
    let many: Vec<Value> = (0..800).map(|n| json!({"index": 0, "value": n, "op": "SCMP_CMP_EQ"})).collect();
    let many = rule(json!({"names": ["read", "close"], "action": "SCMP_ACT_TRAP", "args": many}));
    assert!(many.contains("the kernel takes 4096"), "{many}");
}

#[test]
fn any_call_is_found_in_few_steps() {
    let names: Vec<&str> = (conventions("x86_64")[0].calls)().into_iter().map(|(_, name)| name).collect();
    // The worst case: every other call.
    let names: Vec<&str> = names.into_iter().step_by(2).collect();
    let program = program(&only(json!([{"names": names, "action": "SCMP_ACT_ALLOW"}])), "x86_64");
    for number in 0..470 {
        let (_, steps) = run(&program, &Call { audit: X86_64, number, args: [0; 6] });
        assert!(steps <= 16, "{number} takes {steps} steps");
    }
}
