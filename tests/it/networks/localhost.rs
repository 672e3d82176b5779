//! Published ports by the host's ::1, which `localhost` is as often as 127.0.0.1.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Lay, eventually, within_netns};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

fn start(lay: &Lay, name: &str, flags: &[&str]) -> i32 {
    lay.ok(&[&["run", "-d", "--name", name], flags, &["busybox", "sleep", "1000"]].concat());
    pid(lay, name)
}

fn pid(lay: &Lay, name: &str) -> i32 {
    lay.ok(&["inspect", "-f", "{{.State.Pid}}", name]).parse().unwrap()
}

/// A service inside a container, by threads of this process. It is gone with this, and lets the container's network go.
struct Service {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    fn of(serve: impl Fn() + Send + 'static) -> Service {
        let over = Arc::new(AtomicBool::new(false));
        let seen = over.clone();
        let thread = std::thread::spawn(move || {
            while !seen.load(SeqCst) {
                serve();
            }
        });
        Service { over, thread: Some(thread) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        let result = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(result, Some(Ok(()))));
    }
}

/// Says how much the client sent until it ended its side, and the client's address.
fn count(pid: i32, at: &str) -> Service {
    let listener = within_netns(pid, || TcpListener::bind(at).unwrap());
    listener.set_nonblocking(true).unwrap();
    Service::of(move || match listener.accept() {
        Ok((mut stream, client)) => {
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(LONG)).unwrap();
            let mut question = Vec::new();
            if stream.read_to_end(&mut question).is_ok() {
                let _ = write!(stream, "{} from {}", question.len(), client.ip());
            }
        }
        Err(_) => std::thread::sleep(Duration::from_millis(2)),
    })
}

/// What it answers.
fn ask(address: &str, question: &[u8]) -> std::io::Result<String> {
    let address: SocketAddr = address.parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, LONG)?;
    stream.set_read_timeout(Some(LONG))?;
    stream.write_all(question)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn refused(address: &str) -> bool {
    ask(address, b"").is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn localhost_leads_in_by_both_families() {
    let lay = Lay::new();
    let port = 28_000 + lay.slot;
    let published = format!("{port}:80");
    let pid = start(&lay, "web", &["-p", &published]);
    let service = count(pid, "0.0.0.0:80");
    // The end of what a client says does not end the answer, however much it was.
    let question = vec![b'q'; 3 << 20];
    let gateway = format!("{}.1", lay.net());
    for address in ["[::1]", "127.0.0.1"] {
        let answer = ask(&format!("{address}:{port}"), &question).unwrap();
        assert_eq!(answer, format!("{} from {gateway}", question.len()), "{address}");
    }
    assert_eq!(lay.ok(&["port", "web"]), format!("80/tcp -> 0.0.0.0:{port}"), "as it was asked for");
    // Who has it is told, whether it is a container or not.
    let again = |publish: &str| lay.run(&["run", "--rm", "-p", publish, "busybox", "true"]);
    again(&format!("[::1]:{port}:80"))
        .fails(125, &format!("port [::1]:{port}/tcp is already in use by container web"));
    drop(service);
    lay.ok(&["rm", "-f", "web"]);
    assert!(refused(&format!("[::1]:{port}")), "it ends with its container");
    let holder = TcpListener::bind(format!("[::1]:{port}")).unwrap();
    again(&published).fails(125, &format!("(pid {})", std::process::id()));
    drop(holder);
    again(&published).expect(0);
    lay.assert_clean();
}

#[test]
fn a_network_with_ipv6_is_led_into_by_its_own_loopback_too() {
    let lay = Lay::new();
    let port = 28_200 + lay.slot;
    lay.ok(&["network", "create", "--ipv6", "six"]);
    let pid = start(&lay, "both", &["--network", "six", "-p", &format!("{port}:80")]);
    let six = lay.ok(&["inspect", "-f", "{{.NetworkSettings.GlobalIPv6Address}}", "both"]);
    let service = count(pid, &format!("[{six}]:80"));
    let answer = ask(&format!("[::1]:{port}"), b"1234").unwrap();
    assert!(answer.starts_with("4 from fd"), "by IPv6, where there is somebody: {answer}");
    drop(service);
    lay.ok(&["rm", "-f", "both"]);
    // Somebody who knows IPv4 alone is found, too.
    let pid = start(&lay, "four", &["--network", "six", "-p", &format!("{port}:80")]);
    let service = count(pid, "0.0.0.0:80");
    let answer = ask(&format!("[::1]:{port}"), b"1234").unwrap();
    assert!(answer.starts_with("4 from 10."), "{answer}");
    drop(service);
    // Nobody at all is the end of the connection.
    lay.ok(&["rm", "-f", "four"]);
    start(&lay, "none", &["--network", "six", "-p", &format!("{port}:80")]);
    let error = ask(&format!("[::1]:{port}"), b"").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    lay.ok(&["rm", "-f", "none"]);
    lay.ok(&["network", "rm", "six"]);
    lay.assert_clean();
}

#[test]
fn addresses_of_ipv6_lead_into_a_network_without() {
    let lay = Lay::new();
    let port = 28_400 + lay.slot;
    let loopback = ["-p", &format!("[::1]:{port}:80")];
    let every = ["-p", &format!("[::]:{port}:80")];
    // Each family for itself: neither gets in the other's way.
    let both = ["-p", &format!("{port}:80"), "-p", &format!("[::]:{port}:80")];
    for flags in [&loopback[..], &every, &both] {
        let pid = start(&lay, "web", flags);
        let service = count(pid, "0.0.0.0:80");
        let answer = ask(&format!("[::1]:{port}"), b"123").unwrap();
        assert!(answer.starts_with("3 from "), "{flags:?}: {answer}");
        assert_eq!(refused(&format!("127.0.0.1:{port}")), flags.len() == 2, "{flags:?}");
        drop(service);
        lay.ok(&["rm", "-f", "web"]);
    }
    lay.assert_clean();
}

/// Sends back what comes, inside a container.
fn echo(pid: i32, at: &str) -> Service {
    let inside = within_netns(pid, || UdpSocket::bind(at).unwrap());
    inside.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    Service::of(move || {
        let mut buffer = [0; 2048];
        if let Ok((length, client)) = inside.recv_from(&mut buffer) {
            let _ = inside.send_to(&buffer[..length], client);
        }
    })
}

fn comes_back(socket: &UdpSocket) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut buffer = [0; 16];
    (0..60).any(|_| {
        socket.send(b"hello").unwrap();
        socket.recv(&mut buffer).is_ok_and(|length| &buffer[..length] == b"hello")
    })
}

#[test]
fn datagrams_to_localhost() {
    let lay = Lay::new();
    let port = 28_600 + lay.slot;
    lay.ok(&["network", "create", "--ipv6", "six"]);
    for network in ["bridge", "six"] {
        let pid = start(&lay, "dns", &["--network", network, "-p", &format!("{port}:53/udp")]);
        let service = echo(pid, "0.0.0.0:53");
        let clients = [0; 3].map(|_| UdpSocket::bind("[::1]:0").unwrap());
        for client in &clients {
            client.connect(format!("[::1]:{port}")).unwrap();
            assert!(comes_back(client), "{network}");
        }
        drop(service);
        lay.ok(&["rm", "-f", "dns"]);
    }
    lay.ok(&["network", "rm", "six"]);
    lay.assert_clean();
}

#[test]
fn in_the_foreground_too() {
    let lay = Lay::new();
    let port = 28_800 + lay.slot;
    let args = ["run", "--rm", "--name", "web", "-p", &format!("{port}:80"), "busybox", "sleep", "1000"];
    let mut run = lay.command(&args).stdout(Stdio::null()).spawn().unwrap();
    eventually("it runs", || lay.run(&["exec", "web", "true"]).code == 0);
    let service = count(pid(&lay, "web"), "0.0.0.0:80");
    assert!(ask(&format!("[::1]:{port}"), b"12").unwrap().starts_with("2 from "));
    drop(service);
    lay.ok(&["kill", "web"]);
    assert_eq!(run.wait().unwrap().code(), Some(137));
    lay.assert_clean();
}

fn monitors(id: &str) -> Vec<Pid> {
    let out = std::process::Command::new("pgrep").args(["-f", &format!(" monitor .*{id}")]).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect()
}

#[test]
fn who_takes_a_killed_monitor_s_place_takes_its_ports() {
    let lay = Lay::new();
    let port = 29_000 + lay.slot;
    let pid = start(&lay, "web", &["-p", &format!("{port}:80")]);
    let service = count(pid, "0.0.0.0:80");
    let id = lay.ok(&["inspect", "-f", "{{.Id}}", "web"]);
    let answers = || ask(&format!("[::1]:{port}"), b"12").is_ok_and(|text| text.starts_with("2 from "));
    assert!(answers());
    // Its keeper is the other one, and older.
    let [_, monitor] = monitors(&id)[..] else { panic!("a monitor and a keeper") };
    kill_process(monitor, Signal::KILL).unwrap();
    eventually("the heir carries on", answers);
    let taken = || TcpListener::bind(format!("0.0.0.0:{port}")).is_err();
    assert!(taken(), "nobody else gets the port");
    for process in monitors(&id) {
        kill_process(process, Signal::KILL).unwrap();
    }
    eventually("both are gone", || monitors(&id).is_empty());
    eventually("nothing stays behind", || refused(&format!("[::1]:{port}")));
    lay.ok(&["ps"]);
    eventually("the next command mends it", answers);
    assert!(taken());
    drop(service);
    lay.ok(&["rm", "-f", "web"]);
    assert!(refused(&format!("[::1]:{port}")));
    lay.assert_clean();
}

#[test]
fn who_has_left_the_network_is_not_led_to() {
    let lay = Lay::new();
    let port = 29_200 + lay.slot;
    lay.ok(&["network", "create", "one"]);
    let ports = ["-p", &format!("{port}:80"), "-p", &format!("{port}:53/udp")];
    let pid = start(&lay, "web", &[&["--network", "one"], &ports[..]].concat());
    let _service = count(pid, "0.0.0.0:80");
    let address = lay.ok(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web"]);
    assert!(ask(&format!("[::1]:{port}"), b"12").is_ok());
    lay.ok(&["network", "disconnect", "one", "web"]);
    // Another container gets its address.
    let pid = start(&lay, "other", &["--network", &format!("one:ip={address}")]);
    let _services = (count(pid, "0.0.0.0:80"), echo(pid, "0.0.0.0:53"));
    let answer = ask(&format!("[::1]:{port}"), b"12");
    assert!(answer.is_err(), "{answer:?}");
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.connect(format!("[::1]:{port}")).unwrap();
    socket.send(b"hello").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(socket.recv(&mut [0; 16]).is_err());
}

#[test]
fn a_host_without_ipv6_misses_nothing() {
    let lay = Lay::new();
    lay.ok(&["pull", "-q", "busybox"]);
    // A network namespace stands for the host, and goes with the command.
    let run = |publish: &str| {
        let reference = lay.command(&["run", "--rm", "-p", publish, "busybox", "true"]);
        let mut command = std::process::Command::new("unshare");
        let off = "ip link set lo up && sysctl -qw net.ipv6.conf.all.disable_ipv6=1 && exec \"$@\"";
        command
            .args(["--net", "sh", "-c", off, "sh"])
            .arg(reference.get_program())
            .args(reference.get_args());
        command.envs(reference.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command.output().unwrap()
    };
    let out = run("8080:80");
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    let stderr = String::from_utf8_lossy(&run("[::1]:8080:80").stderr).into_owned();
    assert!(stderr.contains("reserve port [::1]:8080/tcp"), "{stderr}");
}
