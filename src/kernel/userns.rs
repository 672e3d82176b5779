//! The user namespace that this process is in (user_namespaces(7)).

use std::sync::OnceLock;

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserNamespace {
    /// It is the machine's own, with all ids.
    pub initial: bool,
    /// How many user ids it has.
    pub ids: u64,
}

/// The namespace as it is when this is first asked: a process enters another before it does anything else.
pub fn current() -> UserNamespace {
    static CURRENT: OnceLock<UserNamespace> = OnceLock::new();
    *CURRENT.get_or_init(|| parse(&std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default()))
}

/// Whether this process is in a namespace below the machine's own, where the kernel gives even root less: no device nodes,
/// no `trusted` attributes, no mapped mounts, few file systems.
pub fn nested() -> bool {
    !current().initial
}

/// Whether there is but one id, so that no file can be given to anybody else.
pub fn single() -> bool {
    current().ids == 1
}

/// Whether this is a user who has the same number outside, and so is not root here, though it may do all that root may.
pub fn keeps_ids() -> bool {
    nested() && !rustix::process::geteuid().is_root()
}

/// Without a table, as where `/proc` is not mounted, it is taken for the machine's own.
fn parse(map: &str) -> UserNamespace {
    let counts: Vec<u64> =
        map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse().ok()).collect();
    let ids = counts.iter().sum();
    UserNamespace { initial: counts.is_empty() || ids >= u64::from(u32::MAX), ids }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_tell_which_it_is() {
        let initial = parse("         0          0 4294967295\n");
        assert_eq!((initial.initial, initial.ids), (true, 4_294_967_295));
        let ranges = parse("0 1000 1\n1 100000 65536\n");
        assert_eq!(ranges, UserNamespace { initial: false, ids: 65_537 });
        assert_eq!(parse("0 1000 1\n"), UserNamespace { initial: false, ids: 1 });
        assert!(parse("").initial);
    }
}
