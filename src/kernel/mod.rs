//! Thin safe wrappers over system calls that `rustix` and `nix` lack, and the little that all others ask of a machine.

pub mod binary;
pub mod boot;
pub mod bpf;
pub mod file;
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
