//! What joining a container to a bridge and taking it away costs, in this network namespace, where nothing may be that is called
//! `lbattach0`. Prints a table. usage: attach [ROUNDS]

use std::error::Error;
use std::fs::File;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use lay::network::{
    Bridge, Endpoint, PortMapping, attach, detach, ensure_bridge, publish, remove_bridge, unpublish,
};
use nix::sched::{CloneFlags, unshare};

/// How long each part took.
type Parts = [Duration; 3];

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(20), |text| text.parse())?;
    let bridge = Bridge { name: "lbattach0".to_owned(), ..Bridge::of("10.110.40.0/24".parse()?) };
    ensure_bridge(&bridge)?;
    println!("| | join | publish | leave |\n|---|---|---|---|");
    for (ports, what) in [(&[][..], "no port"), (&["18080:80"], "one port")] {
        let mut endpoint = Endpoint::new("bench".to_owned(), bridge.clone(), "10.110.40.2".parse()?);
        for text in ports {
            endpoint.ports.extend(PortMapping::parse(text)?);
        }
        for (ends, how) in [(true, "the container has ended"), (false, "it goes on")] {
            let times = (0..rounds).map(|_| round(&endpoint, ends)).collect::<Result<Vec<_>, _>>()?;
            let median = |part: usize| {
                let mut column: Vec<Duration> = times.iter().map(|parts| parts[part]).collect();
                column.sort();
                column[rounds / 2].as_secs_f64() * 1e3
            };
            println!("| {what}, {how} | {:.2} ms | {:.2} ms | {:.2} ms |", median(0), median(1), median(2));
        }
    }
    remove_bridge(&bridge)?;
    Ok(())
}

/// One container's way in and out.
fn round(endpoint: &Endpoint, ends: bool) -> Result<Parts, Box<dyn Error>> {
    let netns = namespace()?;
    let start = Instant::now();
    ensure_bridge(&endpoint.bridge)?;
    attach(netns.as_fd(), endpoint, None)?;
    let joined = start.elapsed();
    let published = publish(endpoint)?;
    let open = start.elapsed();
    if ends {
        drop(netns);
        let freed = unpublish(endpoint)?;
        let closed = start.elapsed();
        // The kernel frees them while the rest of the way down goes on.
        drop(freed);
        thread::sleep(Duration::from_millis(100));
        return Ok([joined, open - joined, closed - open]);
    }
    detach(None, endpoint)?;
    drop(published);
    Ok([joined, open - joined, start.elapsed() - open])
}

/// An empty network namespace.
fn namespace() -> Result<File, Box<dyn Error>> {
    let made = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        File::open("/proc/thread-self/ns/net")
    });
    Ok(made.join().map_err(|_| "the thread panicked")??)
}
