//! Architectures and their system calls.

use oci_spec::runtime::Arch;

/// Where the calls of x32 begin (`__X32_SYSCALL_BIT`, `arch/x86/include/uapi/asm/unistd.h`); they come with the
/// architecture x86-64.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// Where the calls that only 32-bit ARM has begin (`__ARM_NR_BASE`).
pub(super) const ARM_PRIVATE: u32 = 0x000f_0000;

/// One calling convention of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Convention {
    /// Its name in a specification.
    pub arch: Arch,
    /// What the kernel calls it (`AUDIT_ARCH_…`, `include/uapi/linux/audit.h`).
    pub audit: u32,
    /// Arguments have 64 bits. Those of x32 have 32, as in libseccomp.
    pub wide: bool,
    /// Its calls by ascending number.
    pub calls: fn() -> Vec<(u32, &'static str)>,
}

macro_rules! calls {
    ($arch:ident) => {{
        use syscalls::$arch::Sysno;
        let known = (0..=Sysno::last().id()).filter_map(|id| Sysno::new(id as usize));
        known.map(|call| (call.id().unsigned_abs(), call.name())).collect()
    }};
}

const X86_64: Convention =
    Convention { arch: Arch::ScmpArchX86_64, audit: 0xc000_003e, wide: true, calls: || calls!(x86_64) };
const X32: Convention = Convention { arch: Arch::ScmpArchX32, wide: false, calls: x32, ..X86_64 };
const X86: Convention =
    Convention { arch: Arch::ScmpArchX86, audit: 0x4000_0003, wide: false, calls: || calls!(x86) };
const AARCH64: Convention =
    Convention { arch: Arch::ScmpArchAarch64, audit: 0xc000_00b7, wide: true, calls: || calls!(aarch64) };
const ARM: Convention = Convention { arch: Arch::ScmpArchArm, audit: 0x4000_0028, wide: false, calls: arm };
const RISCV64: Convention =
    Convention { arch: Arch::ScmpArchRiscv64, audit: 0xc000_00f3, wide: true, calls: || calls!(riscv64) };

/// The conventions of a kind of machine, its own first. A specification may name others: no call of theirs can occur.
pub(super) fn conventions(machine: &str) -> &'static [Convention] {
    match machine {
        "x86_64" => &[X86_64, X32, X86],
        "x86" => &[X86],
        "aarch64" => &[AARCH64, ARM],
        "arm" => &[ARM],
        "riscv64" => &[RISCV64],
        _ => &[],
    }
}

/// Other names that specifications use: what libseccomp and the kernel's headers call the same call.
pub(super) fn alias(name: &str) -> Option<&'static str> {
    match name {
        "fstatat" => Some("newfstatat"),
        "arm_sync_file_range" => Some("sync_file_range2"),
        _ => None,
    }
}

/// Calls that x32 has under numbers of its own, from 512 on (`arch/x86/entry/syscalls/syscall_64.tbl`).
const X32_OWN: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

fn x32() -> Vec<(u32, &'static str)> {
    let shared = (X86_64.calls)().into_iter().filter(|(_, name)| !X32_OWN.contains(name));
    let own = (512..).zip(X32_OWN);
    shared.chain(own).map(|(number, name)| (X32_BIT | number, name)).collect()
}

fn arm() -> Vec<(u32, &'static str)> {
    let mut calls: Vec<(u32, &'static str)> = calls!(arm);
    let private =
        [(1, "breakpoint"), (2, "cacheflush"), (3, "usr26"), (4, "usr32"), (5, "set_tls"), (6, "get_tls")];
    calls.extend(private.map(|(number, name)| (ARM_PRIVATE + number, name)));
    calls
}

/// Calls that old interfaces of some architectures do for others: the interface, the other call, and its number there
/// (`include/uapi/linux/net.h` and `ipc.h`).
pub(super) const MULTIPLEXED: [(&str, &str, u32); 32] = [
    ("socketcall", "socket", 1),
    ("socketcall", "bind", 2),
    ("socketcall", "connect", 3),
    ("socketcall", "listen", 4),
    ("socketcall", "accept", 5),
    ("socketcall", "getsockname", 6),
    ("socketcall", "getpeername", 7),
    ("socketcall", "socketpair", 8),
    ("socketcall", "send", 9),
    ("socketcall", "recv", 10),
    ("socketcall", "sendto", 11),
    ("socketcall", "recvfrom", 12),
    ("socketcall", "shutdown", 13),
    ("socketcall", "setsockopt", 14),
    ("socketcall", "getsockopt", 15),
    ("socketcall", "sendmsg", 16),
    ("socketcall", "recvmsg", 17),
    ("socketcall", "accept4", 18),
    ("socketcall", "recvmmsg", 19),
    ("socketcall", "sendmmsg", 20),
    ("ipc", "semop", 1),
    ("ipc", "semget", 2),
    ("ipc", "semctl", 3),
    ("ipc", "semtimedop", 4),
    ("ipc", "msgsnd", 11),
    ("ipc", "msgrcv", 12),
    ("ipc", "msgget", 13),
    ("ipc", "msgctl", 14),
    ("ipc", "shmat", 21),
    ("ipc", "shmdt", 22),
    ("ipc", "shmget", 23),
    ("ipc", "shmctl", 24),
];
