use super::*;

/// The test runner has threads, so a clone must be refused.
#[test]
fn a_process_with_threads_is_not_cloned() {
    let other = std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_millis(200)));
    assert!(matches!(clone(0), Err(Errno::BUSY)));
    other.join().unwrap();
}

#[test]
fn a_signal_reaches_the_process_behind_a_pidfd() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    assert_eq!(pidfd_send_signal(&pidfd, 1000), Err(Errno::INVAL));
    pidfd_send_signal(&pidfd, libc::SIGTERM).unwrap();
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
    assert_eq!(pidfd_send_signal(&pidfd, libc::SIGTERM), Err(Errno::SRCH));
}
