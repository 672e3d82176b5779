//! Configuration files: `/etc/lay/config.toml`, the user's own, `LAY_CONFIG`.
