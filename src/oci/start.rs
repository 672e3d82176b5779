//! `start`

use super::error::Error;
use super::record::{Containers, Status};
use crate::runtime::gate;

/// How long a process that could not execute its command may take to end, in milliseconds.
const PATIENCE_MS: u32 = 2000;

/// Opens the gate at which a container waits, then runs the hooks for that.
pub fn start(containers: &Containers, id: &str) -> Result<u8, Error> {
    let container = containers.find(id)?;
    let status = container.status();
    if status != Status::Created {
        return Err(Error::Status { what: "start", id: id.to_string(), status: status.name() });
    }
    let spec = container.spec()?;
    let process = &container.record.process;
    if let Err(error) = gate::open(&container.dir, &spec, &container.subject(), process.pid) {
        // Whoever asked may remove it at once, so it is to be gone.
        for _ in 0..PATIENCE_MS {
            if !process.is_alive() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        return Err(error.into());
    }
    let hooks = spec.hooks().as_ref().and_then(|hooks| hooks.poststart().as_ref());
    container.subject().run(hooks, "running", process.pid)?;
    Ok(0)
}
