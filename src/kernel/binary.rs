//! The program that this process runs, and those who may see it by `/proc/PID/exe`.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use nix::fcntl::AtFlags;
use rustix::fs::{CWD, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::mount::{Change, Error, clone_at, set_attributes};

/// Executes this program anew, with the same arguments, from a mount of its own that is read-only, and returns if it is on such a
/// one already. Who opened it by `/proc/PID/exe` cannot open it for writing then, not even when it has ended.
///
/// # Errors
/// When there can be no such mount.
pub fn protect() -> Result<(), Error> {
    let own = Path::new("/proc/self/exe");
    let failed = |source: Errno| Error::Clone { path: own.to_owned(), source };
    if rustix::fs::statvfs(own).map_err(failed)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    let mount = clone_at(CWD, own, false)?;
    let change = Change { set: MountAttrFlags::MOUNT_ATTR_RDONLY, ..Change::default() };
    set_attributes(&mount, &change, false)?;
    let text = |text: OsString| CString::new(text.into_vec()).map_err(|_| failed(Errno::INVAL));
    let args = std::env::args_os().map(text).collect::<Result<Vec<_>, _>>()?;
    let env = std::env::vars_os().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        text(name)
    });
    let env = env.collect::<Result<Vec<_>, _>>()?;
    match nix::unistd::execveat(&mount, c"", &args, &env, AtFlags::AT_EMPTY_PATH) {
        Ok(never) => match never {},
        Err(e) => Err(failed(Errno::from_raw_os_error(e as i32))),
    }
}
