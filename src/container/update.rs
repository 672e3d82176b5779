//! New limits for a container that exists.

use super::error::Error;
use super::files::write_json;
use super::record::{Container, Status};
use super::resources::Resources;
use super::restart::RestartPolicy;
use super::spec::limits;

/// Changes the limits that are given: at once where the container runs, and for its next start. A restart policy counts
/// from the next end on, where a monitor watches over the container.
///
/// # Errors
/// When limits contradict each other, or a policy `--rm`, or the kernel refuses a limit; nothing has changed then.
pub fn update(
    container: &mut Container,
    limits: &Resources,
    restart: Option<RestartPolicy>,
) -> Result<(), Error> {
    if let Some(policy) = restart {
        if policy != RestartPolicy::No && container.record.options.auto_remove {
            return Err(Error::Flag {
                flag: "--restart",
                value: policy.to_string(),
                reason: "the container is removed when it ends (--rm)".to_string(),
            });
        }
        container.record.options.restart = policy;
    }
    let mut wanted = container.record.options.resources.clone();
    wanted.merge(limits);
    wanted.check()?;
    let running = match container.status()? {
        Status::Running(running) if *limits != Resources::default() => Some(running),
        _ => None,
    };
    if let Some(running) = running {
        running.group()?.update(&limits::changes(limits)?)?;
    }
    container.record.options.resources = wanted;
    write_json(&container.path("container.json"), &container.record)
}
