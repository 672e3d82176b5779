//! The system calls that a container may use unless told otherwise, by what they are for (syscalls(2)). What is not here
//! is refused: what changes or tells of the whole machine, what Docker's default refuses, and what is newer than that.

use oci_spec::runtime::Capability;

/// Allowed with any arguments. A name that an architecture does not have means nothing there.
pub const ALWAYS: [&str; 16] = [
    FILES,
    PATHS,
    DIRECTORIES,
    ATTRIBUTES,
    DESCRIPTORS,
    WAITING,
    MEMORY,
    PROCESSES,
    IDS,
    SIGNALS,
    TIME,
    SOCKETS,
    IPC,
    SCHEDULING,
    LOCKING,
    MACHINE,
];

const FILES: &str = "open openat openat2 creat close close_range read pread64 readv preadv preadv2 write pwrite64 writev \
    pwritev pwritev2 lseek _llseek truncate truncate64 ftruncate ftruncate64 fallocate sync fsync fdatasync syncfs \
    sync_file_range sync_file_range2 arm_sync_file_range readahead fadvise64 fadvise64_64 arm_fadvise64_64 copy_file_range \
    sendfile sendfile64 splice tee vmsplice flock";

const PATHS: &str = "link linkat symlink symlinkat unlink unlinkat rename renameat renameat2 readlink readlinkat access \
    faccessat faccessat2 mknod mknodat umask";

const DIRECTORIES: &str = "mkdir mkdirat rmdir getdents getdents64 getcwd chdir fchdir";

const ATTRIBUTES: &str = "stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs \
    fstatfs64 chmod fchmod fchmodat chown chown32 fchown fchown32 lchown lchown32 fchownat utime utimes futimesat utimensat \
    utimensat_time64 getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr llistxattr flistxattr removexattr \
    lremovexattr fremovexattr";

const DESCRIPTORS: &str = "dup dup2 dup3 pipe pipe2 fcntl fcntl64 ioctl eventfd eventfd2 signalfd signalfd4 inotify_init \
    inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark memfd_create memfd_secret pidfd_open pidfd_send_signal \
    timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64";

const WAITING: &str = "select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 epoll_create epoll_create1 \
    epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 io_setup io_destroy io_submit io_cancel \
    io_getevents io_pgetevents io_pgetevents_time64";

const MEMORY: &str = "brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall \
    membarrier remap_file_pages process_mrelease cacheflush riscv_flush_icache";

const PROCESSES: &str = "fork vfork execve execveat exit exit_group wait4 waitid waitpid prctl arch_prctl ptrace \
    set_thread_area get_thread_area set_tid_address set_tls modify_ldt breakpoint restart_syscall seccomp \
    landlock_create_ruleset landlock_add_rule landlock_restrict_self";

const IDS: &str = "getpid getppid gettid getpgid getpgrp setpgid getsid setsid getuid getuid32 geteuid geteuid32 getgid \
    getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32 setuid setuid32 setgid setgid32 setreuid \
    setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 \
    getgroups getgroups32 setgroups setgroups32 capget capset";

const SIGNALS: &str = "kill tkill tgkill pause alarm rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo \
    rt_tgsigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 sigaltstack sigprocmask sigreturn";

const TIME: &str = "time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep \
    clock_nanosleep_time64 clock_adjtime clock_adjtime64 adjtimex nanosleep times getitimer setitimer timer_create \
    timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64";

const SOCKETS: &str = "socketcall socketpair bind listen accept accept4 connect shutdown getsockname getpeername getsockopt \
    setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64";

const IPC: &str = "ipc msgget msgsnd msgrcv msgctl semget semop semctl semtimedop semtimedop_time64 shmget shmat shmdt \
    shmctl mq_open mq_unlink mq_getsetattr mq_notify mq_timedsend mq_timedsend_time64 mq_timedreceive \
    mq_timedreceive_time64";

const SCHEDULING: &str = "sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam \
    sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min \
    sched_rr_get_interval sched_rr_get_interval_time64 getpriority setpriority ioprio_get ioprio_set getcpu";

const LOCKING: &str = "futex futex_time64 futex_waitv get_robust_list set_robust_list rseq";

const MACHINE: &str = "uname sysinfo getrandom getrlimit ugetrlimit setrlimit prlimit64 getrusage";

/// Allowed to containers that have a capability which these calls need.
pub const WITH: [(Capability, &str); 14] = [
    (Capability::DacReadSearch, "open_by_handle_at"),
    (Capability::SysAdmin, SYS_ADMIN),
    (Capability::SysBoot, "reboot"),
    (Capability::SysChroot, "chroot"),
    (Capability::SysModule, "init_module finit_module delete_module"),
    (Capability::SysPacct, "acct"),
    (Capability::SysPtrace, "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev"),
    (Capability::SysRawio, "iopl ioperm"),
    (Capability::SysTime, "settimeofday stime clock_settime clock_settime64"),
    (Capability::SysTtyConfig, "vhangup"),
    (Capability::SysNice, "get_mempolicy set_mempolicy mbind"),
    (Capability::Syslog, "syslog"),
    (Capability::Bpf, "bpf"),
    (Capability::Perfmon, "perf_event_open"),
];

const SYS_ADMIN: &str = "clone clone3 unshare setns mount umount umount2 mount_setattr move_mount open_tree fsopen fsconfig \
    fsmount fspick name_to_handle_at fanotify_init quotactl quotactl_fd lookup_dcookie sethostname setdomainname syslog bpf \
    perf_event_open";

/// `clone(2)` makes a namespace with any of these: `CLONE_NEWNS`, `CLONE_NEWCGROUP`, `CLONE_NEWUTS`, `CLONE_NEWIPC`,
/// `CLONE_NEWUSER`, `CLONE_NEWPID` and `CLONE_NEWNET`.
pub const NEW_NAMESPACES: u64 = 0x7e02_0000;

/// Values of `personality(2)`: `PER_LINUX` and `PER_LINUX32`, each also with `UNAME26`, and the one that only asks.
pub const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The last address family that a socket may have (`AF_CAIF`). The first above is `AF_ALG`, the kernel's cryptography, and
/// `AF_VSOCK` follows, which leads to the hypervisor.
pub const LAST_FAMILY: u64 = 37;
