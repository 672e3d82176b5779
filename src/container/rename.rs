//! Another name for a container.

use super::error::Error;
use super::events::note_container;
use super::files::write_json;
use super::launch::Environment;
use super::networks::renamed as renamed_on_networks;
use super::record::Container;

/// Gives a container another name. Its old one is free then.
///
/// # Errors
/// When the name is taken or no name; nothing has changed then.
pub fn rename(env: &Environment, container: &Container, name: &str) -> Result<(), Error> {
    let mut record = container.record.clone();
    let name = name.strip_prefix('/').unwrap_or(name);
    if record.name == name {
        return Err(Error::NameInUse { name: name.to_string(), id: container.short_id().to_string() });
    }
    let old = std::mem::replace(&mut record.name, env.containers.reserve_name(Some(name), &record.id)?);
    if let Err(error) = write_json(&container.path("container.json"), &record) {
        env.containers.release_name(name, &record.id)?;
        return Err(error);
    }
    env.containers.release_name(&old, &record.id)?;
    let renamed = Container { record, ..container.clone() };
    renamed_on_networks(env, &renamed)?;
    note_container(env, &renamed, "rename", &[("oldName", old)]);
    Ok(())
}
