//! Processes: `clone3`, descriptors, pidfds.
