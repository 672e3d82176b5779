//! Thin safe wrappers over system calls that `rustix` and `nix` lack.

pub mod bpf;
pub mod mount;
pub mod process;
pub mod seccomp;
pub mod tree;
pub mod userns;
