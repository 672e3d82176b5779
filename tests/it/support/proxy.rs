//! A proxy before the registry that does what bad networks and bad registries do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Another answer: status line, headers, body.
    Answer(&'static str, &'static str, Vec<u8>),
    /// The connection breaks after so many bytes of the body.
    Cut(usize),
    /// The last byte of the body is another one.
    Corrupt,
    /// The body ends so many bytes early, and the length says so.
    Short(usize),
    /// The body goes on for so many bytes, and the length says so.
    Long(usize),
    /// Bytes a second, so that there is time to do something meanwhile.
    Slow(usize),
}

/// A fault for requests whose path holds some words, for so many times.
struct Rule {
    words: String,
    times: usize,
    fault: Fault,
}

/// What came by.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub range: Option<String>,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    seen: Vec<Seen>,
}

/// The proxy; its threads end with the test's process.
#[derive(Clone)]
pub struct Proxy {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// A proxy before this address that does nothing bad yet.
    pub fn before(upstream: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let proxy = Proxy { address, state: Arc::default() };
        let (state, upstream) = (Arc::clone(&proxy.state), upstream.to_string());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, upstream) = (Arc::clone(&state), upstream.clone());
                // A broken connection is what some tests want.
                std::thread::spawn(move || drop(serve(stream, &upstream, &state)));
            }
        });
        proxy
    }

    /// From now on, requests whose path holds `words` go wrong, `times` times.
    pub fn fault(&self, words: &str, times: usize, fault: Fault) {
        self.state.lock().unwrap().rules.push(Rule { words: words.to_string(), times, fault });
    }

    /// All that came by and holds these words.
    pub fn seen(&self, words: &str) -> Vec<Seen> {
        self.state.lock().unwrap().seen.iter().filter(|s| s.path.contains(words)).cloned().collect()
    }
}

fn serve(mut client: TcpStream, upstream: &str, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_string();
    let header = |name: &str| {
        let line = head.lines().find(|l| l.to_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim().to_string())
    };
    let fault = {
        let mut state = state.lock().unwrap();
        state.seen.push(Seen { path: path.clone(), range: header("range") });
        let rule = state.rules.iter_mut().find(|r| r.times > 0 && path.contains(&r.words));
        rule.map(|rule| {
            rule.times -= 1;
            rule.fault.clone()
        })
    };
    if let Some(Fault::Answer(status, headers, body)) = &fault {
        write!(
            client,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
            body.len()
        )?;
        return client.write_all(body);
    }
    let mut server = TcpStream::connect(upstream)?;
    let request: String = head
        .trim_end()
        .lines()
        .filter(|l| !l.to_lowercase().starts_with("connection:"))
        .flat_map(|l| [l, "\r\n"])
        .collect();
    write!(server, "{request}Connection: close\r\n\r\n")?;
    let mut server = BufReader::new(server);
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        if server.read_line(&mut answer)? == 0 {
            return Ok(());
        }
    }
    let length = answer
        .lines()
        .find_map(|l| l.to_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let mut with_length = |length: usize| -> std::io::Result<()> {
        let other = answer.trim_end().lines().filter(|l| {
            let l = l.to_lowercase();
            !l.starts_with("content-length:") && !l.starts_with("connection:")
        });
        let head: String = other.flat_map(|l| [l, "\r\n"]).collect();
        write!(client, "{head}Content-Length: {length}\r\nConnection: close\r\n\r\n")
    };
    let length = length.unwrap_or(0);
    match fault {
        None => {
            with_length(length)?;
            std::io::copy(&mut server, &mut client)?;
        }
        Some(Fault::Cut(at)) => {
            with_length(length)?;
            std::io::copy(&mut server.take(at as u64), &mut client)?;
        }
        Some(Fault::Slow(rate)) => {
            with_length(length)?;
            let mut piece = vec![0; rate / 20];
            loop {
                let read = server.read(&mut piece)?;
                if read == 0 {
                    break;
                }
                client.write_all(&piece[..read])?;
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
        Some(fault) => {
            let mut body = Vec::new();
            server.read_to_end(&mut body)?;
            match fault {
                Fault::Corrupt => *body.last_mut().unwrap() ^= 1,
                Fault::Short(by) => body.truncate(body.len() - by),
                Fault::Long(by) => body.resize(body.len() + by, 0),
                _ => {}
            }
            with_length(body.len())?;
            client.write_all(&body)?;
        }
    }
    client.flush()
}
