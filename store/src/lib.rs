//! The content-addressed image store: an OCI image layout on disk, indexed by sled.
