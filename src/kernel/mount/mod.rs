//! The new mount API: detached clones and id-mapped mounts.
