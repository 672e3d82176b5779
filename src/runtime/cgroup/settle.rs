//! Moving a process into a group costs a grace period of the kernel's RCU, some milliseconds, unless another process was
//! moved a moment ago (`cgroup_threadgroup_rwsem`, `kernel/cgroup/cgroup.c`). A move that changes nothing, made while there
//! is other work to do, takes that wait out of the way of the one that counts.

use std::sync::Mutex;
use std::thread::JoinHandle;

use super::file;
use super::find::Hierarchies;

/// The move that is under way.
static PENDING: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

/// Moves this process, in a thread of its own, to where it is already. If that fails, nothing is lost but time.
pub fn settle() {
    if let (Ok(mut pending), Ok(thread)) =
        (PENDING.lock(), std::thread::Builder::new().name("settle".to_string()).spawn(stay))
    {
        *pending = Some(thread);
    }
}

/// Waits for the move's end, if there is one: a process that is to be cloned has no other thread.
pub fn settled() {
    if let Some(thread) = PENDING.lock().ok().and_then(|mut pending| pending.take()) {
        let _ = thread.join();
    }
}

fn stay() {
    let Ok(on) = Hierarchies::detect() else { return };
    let Ok(own) = std::fs::read_to_string("/proc/self/cgroup") else { return };
    let Some(hierarchy) = on.v2().or_else(|| on.iter().next()) else { return };
    let Some(path) = own.lines().find_map(|line| path_in(line, hierarchy)) else { return };
    let procs = hierarchy.mount.join(path.trim_start_matches('/')).join("cgroup.procs");
    let _ = file::write(&procs, &std::process::id().to_string());
}

/// The path of a line of `/proc/PID/cgroup` (cgroups(7)) that belongs to the hierarchy.
fn path_in<'a>(line: &'a str, hierarchy: &super::Hierarchy) -> Option<&'a str> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    let is_this = match hierarchy.version {
        super::Version::V2 => controllers.is_empty(),
        super::Version::V1 => {
            controllers.split(',').any(|name| hierarchy.controllers.iter().any(|c| c.name() == name))
        }
    };
    is_this.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::super::{Hierarchy, Version};
    use super::*;

    #[test]
    fn this_process_is_found_and_stays_where_it_is() {
        let unified = Hierarchy {
            mount: "/sys/fs/cgroup/unified".into(),
            version: Version::V2,
            controllers: Vec::new(),
        };
        assert_eq!(path_in("0::/a:b/c", &unified), Some("/a:b/c"));
        assert_eq!(path_in("4:memory:/x", &unified), None);
        let controllers = vec![super::super::Controller::Memory];
        let memory = Hierarchy { mount: "/sys/fs/cgroup/memory".into(), version: Version::V1, controllers };
        assert_eq!(path_in("4:memory:/x", &memory), Some("/x"));
        assert_eq!(path_in("0::/x", &memory), None);
        let own = || std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let before = own();
        settle();
        settled();
        assert_eq!(own(), before);
    }
}
