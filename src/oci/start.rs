//! `start`

use super::error::Error;
use super::record::{Containers, Status};
use crate::runtime::gate;

/// Opens the gate at which a container waits, then runs the hooks for that.
pub fn start(containers: &Containers, id: &str) -> Result<u8, Error> {
    let container = containers.find(id)?;
    let status = container.status();
    if status != Status::Created {
        return Err(Error::Status { what: "start", id: id.to_string(), status: status.name() });
    }
    let spec = container.spec()?;
    gate::open(&container.dir, &spec, &container.subject(), container.record.process.pid)?;
    let hooks = spec.hooks().as_ref().and_then(|hooks| hooks.poststart().as_ref());
    container.subject().run(hooks, "running", container.record.process.pid)?;
    Ok(0)
}
