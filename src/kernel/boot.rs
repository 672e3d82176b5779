//! Which boot this is.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

/// Where the kernel tells it.
pub const PATH: &str = "/proc/sys/kernel/random/boot_id";

/// An id that no other boot of this machine has. It is read once.
///
/// # Errors
/// When there is no `/proc`.
pub fn id() -> io::Result<&'static str> {
    static ID: OnceLock<String> = OnceLock::new();
    match ID.get() {
        Some(id) => Ok(id),
        None => {
            let id = fs::read_to_string(Path::new(PATH))?;
            Ok(ID.get_or_init(|| id.trim().to_owned()))
        }
    }
}
