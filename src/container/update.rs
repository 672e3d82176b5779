//! New limits for a container that exists.

use super::error::Error;
use super::files::write_json;
use super::record::{Container, Status};
use super::resources::Resources;
use super::spec::limits;

/// Changes the limits that are given: at once where the container runs, and for its next start.
///
/// # Errors
/// When limits contradict each other or the kernel refuses one; nothing has changed then.
pub fn update(container: &mut Container, limits: &Resources) -> Result<(), Error> {
    let mut wanted = container.record.options.resources.clone();
    wanted.merge(limits);
    wanted.check()?;
    if let Status::Running(running) = container.status()? {
        running.group()?.update(&limits::changes(limits)?)?;
    }
    container.record.options.resources = wanted;
    write_json(&container.path("container.json"), &container.record)
}
