//! The runtime core: one OCI `Spec` in, one process out.

pub mod cgroup;
