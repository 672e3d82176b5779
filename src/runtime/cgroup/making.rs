//! Making a group while there is other work to do: ten hierarchies take two milliseconds, most of them the memory
//! controller's.

use std::thread::{Builder, JoinHandle};

use oci_spec::runtime::LinuxResources;

use super::{Cgroup, Result};

/// A group that is being made. Dropping it waits until it is there, or is not.
#[derive(Debug)]
pub struct Making(Option<JoinHandle<Result<Cgroup>>>);

impl Making {
    /// Begins to make a group, as [`Cgroup::create`] does; none if there can be no thread.
    pub fn begin(path: &str, resources: &LinuxResources) -> Option<Making> {
        let (path, resources) = (path.to_string(), resources.clone());
        let work = move || Cgroup::create(&path, &resources);
        let thread = Builder::new().name("cgroup".to_string()).spawn(work).ok()?;
        Some(Making(Some(thread)))
    }

    /// Waits for it. No thread is left after that.
    ///
    /// # Errors
    /// As [`Cgroup::create`].
    pub fn finish(mut self) -> Option<Result<Cgroup>> {
        let made = self.0.take()?.join();
        Some(made.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}
