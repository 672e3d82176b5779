//! Other ids for one thread, with all its capabilities (credentials(7), capabilities(7)).

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::thread::CapabilitiesSecureBits;

/// Takes ids for what the calling thread does from now on, and keeps its capabilities. There is no way back but the thread's
/// end: other threads are not touched.
///
/// # Errors
/// What could not be done, and why.
pub fn take_ids(uid: Uid, gid: Gid) -> Result<(), (&'static str, Errno)> {
    let step = |step| move |e| (step, e);
    let bits = rustix::thread::capabilities_secure_bits().map_err(step("read the secure bits"))?;
    rustix::thread::set_capabilities_secure_bits(bits | CapabilitiesSecureBits::NO_SETUID_FIXUP)
        .map_err(step("keep capabilities"))?;
    rustix::thread::set_thread_res_gid(None, gid, None)
        .map_err(step("take the group of the container's root"))?;
    rustix::thread::set_thread_res_uid(None, uid, None).map_err(step("take the ids of the container's root"))
}
