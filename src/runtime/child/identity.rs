//! Ids and capabilities: first the container's root, at last the command's user.

use nix::unistd::{Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::{Named, Outcome};
use crate::kernel::userns;
use crate::runtime::plan::{Capabilities, Plan, ProcessPlan};

/// Takes the ids of the user namespace's root; before, this process has ids that do not exist in it, or its
/// user's own.
pub(super) fn become_root(plan: &Plan) -> Outcome<()> {
    if plan.uid_mappings.is_empty() && !userns::keeps_ids() {
        return Ok(());
    }
    become_ids(0, 0, &[])
}

/// Ids of user, group and supplementary groups.
pub(super) fn become_ids(uid: u32, gid: u32, groups: &[u32]) -> Outcome<()> {
    let groups: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
    match nix::unistd::setgroups(&groups) {
        // With a single id, there is but one group, and none can be set.
        Err(nix::Error::EPERM) if userns::single() => {}
        result => result.step(|| "set the supplementary groups".to_string())?,
    }
    let gid = Gid::from_raw(gid);
    nix::unistd::setresgid(gid, gid, gid).step(|| format!("become group {gid}"))?;
    let uid = Uid::from_raw(uid);
    nix::unistd::setresuid(uid, uid, uid).step(|| format!("become user {uid}"))
}

/// Becomes the command's user, with its capabilities and no more (capabilities(7), "Effect of user ID changes").
pub(super) fn become_user(process: &ProcessPlan) -> Outcome<()> {
    if let Some(umask) = process.umask {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask));
    }
    let capabilities = process.capabilities;
    if let Some(capabilities) = &capabilities {
        drop_bounding(capabilities.bounding)?;
    }
    rustix::thread::set_keep_capabilities(true).step(|| "keep its capabilities".to_string())?;
    become_ids(process.uid, process.gid, &process.groups)?;
    rustix::thread::set_keep_capabilities(false).step(|| "drop its capabilities".to_string())?;
    let filters = process.seccomp.is_some() && !process.no_new_privileges;
    let more = if filters { CapabilitySet::SYS_ADMIN } else { CapabilitySet::empty() };
    match &capabilities {
        Some(capabilities) => take(capabilities, more)?,
        None if filters => make_effective(more)?,
        None => {}
    }
    if process.no_new_privileges {
        rustix::thread::set_no_new_privs(true).step(|| "forbid new privileges".to_string())?;
    }
    Ok(())
}

fn drop_bounding(keep: CapabilitySet) -> Outcome<()> {
    for bit in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        // The kernel's last capability is where it begins to say EINVAL.
        match rustix::thread::capability_is_in_bounding_set(capability) {
            Ok(true) if !keep.contains(capability) => {
                rustix::thread::remove_capability_from_bounding_set(capability)
                    .step(|| format!("drop capability {bit}"))?;
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    Ok(())
}

/// Takes the wanted capabilities, and `more` until the command is executed: the kernel works out what that has from the
/// bounding, inheritable and ambient sets alone (capabilities(7), "Transformation of capabilities during execve()").
fn take(wanted: &Capabilities, more: CapabilitySet) -> Outcome<()> {
    let now = rustix::thread::capabilities(None).step(|| "read its capabilities".to_string())?;
    // A capability that this process does not have cannot be passed on.
    let permitted = wanted.permitted & now.permitted;
    let sets = CapabilitySets {
        effective: (wanted.effective & permitted) | (more & now.permitted),
        permitted: permitted | (more & now.permitted),
        inheritable: wanted.inheritable & (permitted | now.inheritable),
    };
    rustix::thread::set_capabilities(None, sets).step(|| "set its capabilities".to_string())?;
    rustix::thread::clear_ambient_capability_set().step(|| "clear the ambient capabilities".to_string())?;
    for capability in (wanted.ambient & sets.inheritable & permitted).iter() {
        rustix::thread::configure_capability_in_ambient_set(capability, true)
            .step(|| format!("raise the ambient capability {capability:?}"))?;
    }
    Ok(())
}

/// Makes capabilities effective that the process may use.
fn make_effective(more: CapabilitySet) -> Outcome<()> {
    let mut sets = rustix::thread::capabilities(None).step(|| "read its capabilities".to_string())?;
    sets.effective |= more & sets.permitted;
    rustix::thread::set_capabilities(None, sets).step(|| "set its capabilities".to_string())
}
