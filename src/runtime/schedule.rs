//! `process.scheduler` and `process.ioPriority`, in the kernel's numbers.

use oci_spec::runtime::{IOPriorityClass, LinuxIOPriority, LinuxSchedulerFlag, LinuxSchedulerPolicy};

use super::error::Error;
use crate::kernel::process::Scheduler;

/// Reads a scheduler (sched_setattr(2)).
///
/// # Errors
/// [`Error::Spec`] for a policy or flag that Linux does not have.
pub fn scheduler(wanted: &oci_spec::runtime::Scheduler) -> Result<Scheduler, Error> {
    use LinuxSchedulerPolicy as Policy;
    let policy = match wanted.policy() {
        Policy::SchedOther => libc::SCHED_OTHER,
        Policy::SchedFifo => libc::SCHED_FIFO,
        Policy::SchedRr => libc::SCHED_RR,
        Policy::SchedBatch => libc::SCHED_BATCH,
        Policy::SchedIdle => libc::SCHED_IDLE,
        Policy::SchedDeadline => libc::SCHED_DEADLINE,
        // Its number is reserved, and no kernel has it.
        Policy::SchedIso => return Err(bad("SCHED_ISO is not implemented by Linux".to_string())),
    };
    let mut flags = 0;
    for flag in wanted.flags().iter().flatten() {
        flags |= flag_bit(*flag) as u64;
    }
    let priority = wanted.priority().unwrap_or(0);
    Ok(Scheduler {
        policy: policy.unsigned_abs(),
        flags,
        nice: wanted.nice().unwrap_or(0),
        priority: u32::try_from(priority).map_err(|_| bad(format!("priority {priority} is negative")))?,
        runtime: wanted.runtime().unwrap_or(0),
        deadline: wanted.deadline().unwrap_or(0),
        period: wanted.period().unwrap_or(0),
    })
}

fn flag_bit(flag: LinuxSchedulerFlag) -> libc::c_int {
    use LinuxSchedulerFlag as Flag;
    match flag {
        Flag::SchedResetOnFork => libc::SCHED_FLAG_RESET_ON_FORK,
        Flag::SchedFlagReclaim => libc::SCHED_FLAG_RECLAIM,
        Flag::SchedFlagDLOverrun => libc::SCHED_FLAG_DL_OVERRUN,
        Flag::SchedFlagKeepPolicy => libc::SCHED_FLAG_KEEP_POLICY,
        Flag::SchedFlagKeepParams => libc::SCHED_FLAG_KEEP_PARAMS,
        Flag::SchedFlagUtilClampMin => libc::SCHED_FLAG_UTIL_CLAMP_MIN,
        Flag::SchedFlagUtilClampMax => libc::SCHED_FLAG_UTIL_CLAMP_MAX,
    }
}

fn bad(reason: String) -> Error {
    Error::Spec { field: "process.scheduler", reason }
}

/// Reads a priority for input and output (ioprio_set(2)): the class above the level, 13 bits wide.
///
/// # Errors
/// [`Error::Spec`] for a level that is not 0 to 7.
pub fn io_priority(wanted: &LinuxIOPriority) -> Result<u16, Error> {
    let class: u16 = match wanted.class() {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    };
    match u16::try_from(wanted.priority()) {
        Ok(level @ 0..=7) => Ok(class << 13 | level),
        _ => {
            let reason = format!("priority {} is not 0 to 7", wanted.priority());
            Err(Error::Spec { field: "process.ioPriority", reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernel_s() {
        let read = |json: &str| io_priority(&serde_json::from_str(json).unwrap());
        assert_eq!(read(r#"{"class": "IOPRIO_CLASS_BE", "priority": 4}"#).unwrap(), 0x4004);
        assert_eq!(read(r#"{"class": "IOPRIO_CLASS_IDLE", "priority": 0}"#).unwrap(), 0x6000);
        assert!(read(r#"{"class": "IOPRIO_CLASS_RT", "priority": 8}"#).is_err());
        let read = |json: &str| scheduler(&serde_json::from_str(json).unwrap());
        let fifo = read(r#"{"policy": "SCHED_FIFO", "priority": 10, "flags": ["SCHED_RESET_ON_FORK"]}"#);
        let fifo = fifo.unwrap();
        assert_eq!((fifo.policy, fifo.priority, fifo.flags), (1, 10, 1));
        assert!(read(r#"{"policy": "SCHED_ISO"}"#).is_err());
        assert!(read(r#"{"policy": "SCHED_RR", "priority": -1}"#).is_err());
    }
}
