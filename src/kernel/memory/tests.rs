use std::os::fd::AsFd;

use rustix::event::PollFlags;

use super::*;

fn wait(fd: impl AsFd, limit: Option<Duration>) -> usize {
    let limit = limit.map(|limit| Timespec::try_from(limit).unwrap());
    poll_lean(&mut [PollFd::new(&fd, PollFlags::IN)], limit.as_ref()).unwrap()
}

#[test]
fn a_wait_lasts_until_its_end_and_no_longer() {
    let (read, _write) = rustix::pipe::pipe().unwrap();
    for limit in [QUIET / 10, QUIET * 2] {
        let start = Instant::now();
        assert_eq!(wait(&read, Some(limit)), 0);
        assert!(start.elapsed() >= limit, "{limit:?}");
    }
}

#[test]
fn what_happens_early_or_late_ends_a_wait() {
    for pause in [Duration::ZERO, QUIET * 2] {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(pause);
            rustix::io::write(&write, b"x").unwrap();
            write
        });
        assert_eq!(wait(&read, None), 1);
        drop(writer.join().unwrap());
    }
}
