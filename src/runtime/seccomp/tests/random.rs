//! Random rules, random calls.

use oci_spec::runtime::LinuxSeccomp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::machine::{Call, run};
use super::naive::decide;
use super::{AARCH64, ARM, X86, X86_64, program};
use crate::runtime::seccomp::arch::conventions;

const NAMES: [&str; 15] = [
    "read",
    "write",
    "open",
    "close",
    "rt_sigaction",
    "ioctl",
    "socket",
    "clone",
    "personality",
    "newfstatat",
    "execveat",
    "openat2",
    "futex_waitv",
    "socketcall",
    "mystery",
];

/// Values about which comparisons may err.
fn value() -> impl Strategy<Value = u64> {
    let edges = [0, 1, 2, 0x7fff_ffff, 0xffff_ffff, 1 << 32, (1 << 32) + 1, 2 << 32, 1 << 63, u64::MAX];
    (prop::sample::select(edges.to_vec()), 0..3u64)
        .prop_map(|(edge, more)| edge.wrapping_add(more).wrapping_sub(1))
}

fn argument() -> impl Strategy<Value = Value> {
    let operators = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
    (0..6usize, value(), value(), prop::sample::select(operators.to_vec())).prop_map(
        |(index, first, second, op)| {
            let second = if op == "MASKED_EQ" { first & second } else { second };
            json!({"index": index, "value": first, "valueTwo": second, "op": format!("SCMP_CMP_{op}")})
        },
    )
}

fn action() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["ALLOW", "ERRNO", "TRAP", "LOG", "KILL_PROCESS", "TRACE"])
}

fn rule() -> impl Strategy<Value = Value> {
    let names = prop::collection::vec(prop::sample::select(NAMES.to_vec()), 1..4);
    let args = prop_oneof![Just(vec![]), prop::collection::vec(argument(), 1..4)];
    (names, action(), args).prop_map(
        |(names, action, args)| json!({"names": names, "action": format!("SCMP_ACT_{action}"), "args": args}),
    )
}

fn rules() -> impl Strategy<Value = Value> {
    let architectures = ["X86_64", "X86", "X32", "AARCH64", "ARM"].map(|name| format!("SCMP_ARCH_{name}"));
    let architectures = prop::sample::subsequence(architectures.to_vec(), 0..=5);
    (action(), architectures, prop::collection::vec(rule(), 0..12)).prop_map(
        |(default, architectures, syscalls)| {
            let default = format!("SCMP_ACT_{default}");
            json!({"defaultAction": default, "architectures": architectures, "syscalls": syscalls})
        },
    )
}

fn call() -> impl Strategy<Value = (&'static str, Call)> {
    let place = prop::sample::select(vec![
        ("x86_64", X86_64, 0u32),
        ("x86_64", X86_64, 0x4000_0000),
        ("x86_64", X86, 0),
        ("aarch64", AARCH64, 0),
        ("aarch64", ARM, 0),
        ("x86_64", 0x8000_0016, 0),
    ]);
    let number = prop_oneof![Just(None), (0..550u32).prop_map(Some)];
    (place, number, prop::sample::select(NAMES.to_vec()), prop::array::uniform6(value())).prop_map(
        |((machine, audit, bit), number, name, mut args)| {
            let fits = conventions(machine).iter().filter(|c| c.audit == audit);
            let known = fits.flat_map(|c| (c.calls)()).find(|(n, m)| n & 0x4000_0000 == bit && *m == name);
            let number = number.map(|n| n | bit).or(known.map(|(number, _)| number)).unwrap_or(bit);
            if matches!(audit, X86 | ARM) {
                // Registers of 32 bits.
                args = args.map(|arg| arg & 0xffff_ffff);
            }
            (machine, Call { audit, number, args })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn programs_decide_as_the_rules_read(rules in rules(), calls in prop::collection::vec(call(), 12)) {
        let seccomp: LinuxSeccomp = serde_json::from_value(rules.clone()).unwrap();
        let programs = ["x86_64", "aarch64"].map(|machine| (machine, program(&rules, machine)));
        for (machine, call) in calls {
            let expected = decide(&seccomp, machine, &call);
            let program = &programs.iter().find(|(name, _)| *name == machine).unwrap().1;
            prop_assert_eq!(run(program, &call).0, expected, "{:x?}", call);
        }
    }
}
