//! Another name for a container.

use super::error::Error;
use super::events::note_container;
use super::launch::Environment;
use super::networks::renamed as renamed_on_networks;
use super::record::Container;

/// Gives a container another name. Its old one is free then.
///
/// # Errors
/// When the name is taken or no name; nothing has changed then.
pub fn rename(env: &Environment, container: &Container, name: &str) -> Result<(), Error> {
    let name = name.strip_prefix('/').unwrap_or(name);
    let mut renamed = container.clone();
    let mut reserved = false;
    let old = renamed.change(|record| {
        if record.name == name {
            return Err(Error::NameInUse { name: name.to_string(), id: container.short_id().to_string() });
        }
        let new = env.containers.reserve_name(Some(name), &record.id)?;
        reserved = true;
        Ok(std::mem::replace(&mut record.name, new))
    });
    if old.is_err() && reserved {
        env.containers.release_name(name, &container.record.id)?;
    }
    let old = old?;
    env.containers.release_name(&old, &container.record.id)?;
    renamed_on_networks(env, &renamed)?;
    note_container(env, &renamed, "rename", &[("oldName", old)]);
    Ok(())
}
