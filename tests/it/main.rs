//! The real binary against real things: a registry, the CentOS image, namespaces, control groups, bridges.
//!
//! Every test has a store, a bridge, a subnet and a control group of its own, so that all run side by side. They need
//! root and Debian's `docker-registry`, `skopeo` and `busybox-static` (see `scripts/install-deps`).

mod archives;
mod bad_input;
mod builds;
mod durability;
mod flags;
mod forks;
mod forms;
mod groups;
mod images;
mod isolation;
mod lifecycle;
mod memory;
mod network;
mod networks;
mod oci;
mod peers;
mod pull;
mod pushes;
mod resources;
mod rootless;
mod run;
mod seccomp;
mod security;
mod support;
mod userns;
mod volumes;
