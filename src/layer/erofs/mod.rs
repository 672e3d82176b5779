//! A writer of EROFS images.
