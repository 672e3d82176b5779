//! The real binary against real things: a registry, the CentOS image, namespaces, control groups, bridges.
//!
//! Every test has a store, a bridge, a subnet and a control group of its own, so that all run side by side. They need
//! root and Debian's `docker-registry`, `skopeo` and `busybox-static` (see `scripts/install-deps`).

mod archives;
mod bad_input;
mod build_bad_input;
mod build_cache;
mod build_contexts;
mod build_cut_short;
mod build_flags;
mod build_given;
mod build_known;
mod build_outputs;
mod build_security;
mod builds;
mod copies;
mod damage;
mod docker_words;
mod durability;
mod flags;
mod forks;
mod forms;
mod groups;
mod images;
mod inspects;
mod isolation;
mod life;
mod lifecycle;
mod logging;
mod memory;
mod network;
mod networks;
mod oci;
mod oci_attacks;
mod options;
mod peers;
mod pruning;
mod pull;
mod pushes;
mod resources;
mod rootless;
mod run;
mod samples;
mod seccomp;
mod security;
mod shells;
mod support;
mod userns;
mod volumes;
mod watching;
