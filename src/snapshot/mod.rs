//! Layers to a mounted root: EROFS, directory, overlay, id-mapped mounts.
