//! What a supervisor does when its container has ended, or did not start.

use super::error::Error;
use super::events::note_end;
use super::exit::Exit;
use super::launch::Environment;
use super::record::Container;
use super::state::Mark;
use super::teardown::{forget, forget_behind, teardown, teardown_and_remove};

/// Records the end, takes everything down, and removes the container if that was asked.
pub(super) fn finish(env: &Environment, container: &Container, code: i32) -> Result<Exit, Error> {
    let exit = take_down(env, container, code)?;
    container.write_exit(&exit)?;
    note_end(env, container, &exit);
    if goes(container) {
        forget_behind(env, container)?;
    }
    Ok(exit)
}

/// Takes a container down whose process is gone; how it ended.
pub(super) fn take_down(env: &Environment, container: &Container, code: i32) -> Result<Exit, Error> {
    let down = teardown(env, container)?;
    Ok(Exit::now(code, down.oom_killed, ""))
}

/// Removes a container that was to be removed at its end.
pub(super) fn remove_if_asked(env: &Environment, container: &Container) -> Result<(), Error> {
    if goes(container) { forget(env, container) } else { Ok(()) }
}

/// Whether a container is removed at its end: not one that ends in order to be started again.
fn goes(container: &Container) -> bool {
    container.record.options.auto_remove && !container.is_marked(Mark::Again)
}

/// A start that failed leaves an exit record (so that `lay ps -a` tells why), or nothing with `--rm`.
pub(super) fn failed_start(env: &Environment, container: &Container, error: Error) -> Error {
    let recorded = if container.record.options.auto_remove {
        teardown_and_remove(env, container)
    } else {
        container.write_exit(&Exit::now(i32::from(error.exit_code()), false, crate::error::chain(&error)))
    };
    match recorded {
        Ok(()) => error,
        Err(cleanup) => Error::Cleanup { error: Box::new(error), cleanup: Box::new(cleanup) },
    }
}
