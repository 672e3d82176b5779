//! New limits for a container that exists.

use super::error::Error;
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
    let running = match container.status()? {
        Status::Running(running) if *limits != Resources::default() => Some(running),
        _ => None,
    };
    container.change(|record| {
        let options = &mut record.options;
        if let Some(policy) = restart {
            if policy != RestartPolicy::No && options.auto_remove {
                return Err(Error::Flag {
                    flag: "--restart",
                    value: policy.to_string(),
                    reason: "the container is removed when it ends (--rm)".to_string(),
                });
            }
            options.restart = policy;
        }
        options.resources.merge(limits);
        options.resources.check()?;
        match &running {
            Some(running) => Ok(running.group()?.update(&limits::changes(limits)?)?),
            None => Ok(()),
        }
    })
}
