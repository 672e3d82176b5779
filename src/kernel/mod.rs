//! Thin safe wrappers over system calls that `rustix` and `nix` lack.

pub mod binary;
pub mod bpf;
pub mod identity;
pub mod memory;
pub mod mount;
pub mod process;
pub mod quota;
pub mod release;
pub mod seccomp;
pub mod tree;
pub mod userns;
pub mod watch;
