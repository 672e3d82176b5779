//! One loop, without threads, that carries bytes and signals between a container and the outside until it ends.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::error::Error;
use super::files::write_all;
use super::health::Clock;
use super::launch::Connection;
use super::logs::{Stream, Writer};
use super::monitor::{Door, Hub, Wish};
use super::networks;
use super::record::Container;
use super::streams::Streams;
use super::terminal::copy_window_size;
use crate::kernel::memory::poll_lean;
use crate::network::{End, Relay};
use crate::runtime::Process;

/// Bytes moved at a time.
const CHUNK: usize = 64 * 1024;
/// As much is taken from those who type before the container reads it.
const TYPED: usize = 1 << 20;

/// Signals that a foreground `lay` passes on to the container.
const FORWARDED: [Signal; 11] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGCONT,
    Signal::SIGWINCH,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
];

/// Blocks the forwarded signals, from before the container exists, and receives them as a descriptor.
pub fn receive_signals() -> Result<SignalFd, Error> {
    let mut set = SigSet::empty();
    for signal in FORWARDED {
        set.add(signal);
    }
    let failed = |e: nix::Error| Error::System("receive signals", e.into());
    set.thread_block().map_err(failed)?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map_err(failed)
}

/// What a container prints, on its way to the outside.
struct Output<'a> {
    stream: Stream,
    from: OwnedFd,
    to: Option<BorrowedFd<'a>>,
    /// The container has closed it, or nobody outside wants it any more.
    closed: bool,
}

/// What the user types, on its way to the container; from those who are attached if from nowhere else.
struct Input<'a> {
    from: Option<BorrowedFd<'a>>,
    to: OwnedFd,
    pending: Vec<u8>,
    ended: bool,
    /// A terminal's end of input is a character; a pipe's is its closing.
    terminal: bool,
}

/// The loop's parts.
pub struct Pump<'a> {
    outputs: Vec<Output<'a>>,
    input: Option<Input<'a>>,
    log: Option<Writer>,
    signals: Option<&'a SignalFd>,
    console: Option<BorrowedFd<'a>>,
    /// What is carried; one for all outputs.
    buffer: Vec<u8>,
    service: Option<Service<'a>>,
    relay: Option<(&'a Container, &'a mut Relay)>,
}

/// What only a monitor does.
struct Service<'a> {
    container: &'a Container,
    hub: &'a mut Hub,
    clock: Option<&'a mut Clock>,
}

/// Where the outside is: the standard descriptors of this process, or nowhere.
#[derive(Clone, Copy, Default)]
pub struct Outside<'a> {
    /// Where stdin comes from.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Where stdout goes.
    pub stdout: Option<BorrowedFd<'a>>,
    /// Where stderr goes.
    pub stderr: Option<BorrowedFd<'a>>,
}

impl<'a> Pump<'a> {
    /// Connects a container's streams with the outside and a log.
    pub fn new(
        streams: Streams,
        outside: Outside<'a>,
        log: Option<Writer>,
        signals: Option<&'a SignalFd>,
        console: Option<BorrowedFd<'a>>,
    ) -> Result<Pump<'a>, Error> {
        let buffer = vec![0; CHUNK];
        let mut pump = Pump {
            outputs: Vec::new(),
            input: None,
            log,
            signals,
            console,
            buffer,
            service: None,
            relay: None,
        };
        match streams {
            Streams::Pipes { stdin, stdout, stderr } => {
                pump.outputs.push(Output {
                    stream: Stream::Stdout,
                    from: stdout,
                    to: outside.stdout,
                    closed: false,
                });
                pump.outputs.push(Output {
                    stream: Stream::Stderr,
                    from: stderr,
                    to: outside.stderr,
                    closed: false,
                });
                if let Some(to) = stdin {
                    pump.input = Some(Input::new(outside.stdin, to, false)?);
                }
            }
            Streams::Terminal(master) => {
                let to = master.try_clone().map_err(|e| Error::System("duplicate the terminal", e))?;
                pump.input = Some(Input::new(outside.stdin, to, true)?);
                pump.outputs.push(Output {
                    stream: Stream::Stdout,
                    from: master,
                    to: outside.stdout,
                    closed: false,
                });
            }
        }
        Ok(pump)
    }

    /// Serves those who are attached, and asks after the container's health.
    pub fn serve(&mut self, container: &'a Container, hub: &'a mut Hub, clock: Option<&'a mut Clock>) {
        self.service = Some(Service { container, hub, clock });
    }

    /// Carries what comes to published ports and what no rule of the kernel leads to the container.
    pub fn relay(&mut self, container: &'a Container, connection: Option<&'a mut Connection>) {
        self.relay = connection.and_then(Connection::relay).map(|relay| (container, relay));
    }

    /// Carries what is there of a container that has ended.
    pub fn drain(mut self) -> Result<(), Error> {
        while !self.outputs.is_empty() {
            for index in 0..self.outputs.len() {
                self.carry(index)?;
            }
            self.outputs.retain(|output| !output.closed);
        }
        if let Some(log) = &mut self.log {
            log.finish();
        }
        Ok(())
    }

    /// Runs until the process has ended and all it printed has been carried out; returns its exit code.
    pub fn run(mut self, process: &Process) -> Result<i32, Error> {
        let mut ended = None;
        while ended.is_none() || !self.outputs.is_empty() {
            let ready = self.wait(process, ended.is_some())?;
            if ready.signals {
                self.forward_signals(process)?;
            }
            if ready.input {
                self.read_input();
            }
            if ready.input_space {
                self.write_input();
            }
            for index in ready.outputs {
                self.carry(index)?;
            }
            self.attend_to(ready.doors);
            if let Some((container, relay)) = &mut self.relay {
                relay.serve(&ready.ends, &|port| networks::leads(container, port), &mut self.buffer);
            }
            self.outputs.retain(|output| !output.closed);
            if ready.ended && ended.is_none() {
                ended = Some(process.wait().map_err(|e| Error::System("wait for the container", e))?);
                self.input = None;
            }
        }
        if let Some(log) = &mut self.log {
            log.finish();
        }
        Ok(ended.unwrap_or_default())
    }

    fn wait(&self, process: &Process, ended: bool) -> Result<Ready, Error> {
        let mut set: Vec<(Role, PollFd<'_>)> = Vec::with_capacity(6);
        let mut add = |role, fd, flags| set.push((role, PollFd::from_borrowed_fd(fd, flags)));
        if !ended {
            add(Role::Ended, process.pidfd(), PollFlags::IN);
        }
        if let Some(signals) = self.signals {
            add(Role::Signals, signals.as_fd(), PollFlags::IN);
        }
        let service = self.service.as_ref();
        if !service.is_some_and(|service| service.hub.is_full()) {
            for (index, output) in self.outputs.iter().enumerate() {
                add(Role::Output(index), output.from.as_fd(), PollFlags::IN);
            }
        }
        let typed = self.input.as_ref().map_or(0, |input| input.pending.len());
        match &self.input {
            Some(input) if typed > 0 => add(Role::InputSpace, input.to.as_fd(), PollFlags::OUT),
            Some(Input { from: Some(from), ended: false, .. }) => add(Role::Input, *from, PollFlags::IN),
            _ => {}
        }
        for (door, fd, flags) in service.into_iter().flat_map(|service| service.hub.doors()) {
            let flags = if typed > TYPED { flags - PollFlags::IN } else { flags };
            add(Role::Door(door), fd, flags);
        }
        let relay = self.relay.as_ref().map(|(_, relay)| &**relay);
        for (end, fd, flags) in relay.into_iter().flat_map(Relay::ends) {
            add(Role::Relay(end), fd, flags);
        }
        let clock = service.and_then(|service| service.clock.as_ref()).map(|clock| clock.next());
        let next = clock.into_iter().chain(relay.and_then(Relay::next)).min();
        let timeout =
            next.and_then(|at| Timespec::try_from(at.saturating_duration_since(Instant::now())).ok());
        let (roles, mut fds): (Vec<Role>, Vec<PollFd<'_>>) = set.into_iter().unzip();
        loop {
            match poll_lean(&mut fds, timeout.as_ref()) {
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(e) => return Err(Error::System("wait for the container's streams", e.into())),
            }
        }
        let ready = fds.iter().zip(roles).filter(|(fd, _)| !fd.revents().is_empty());
        Ok(ready.fold(Ready::default(), |ready, (fd, role)| ready.with(role, fd.revents())))
    }

    fn forward_signals(&mut self, process: &Process) -> Result<(), Error> {
        let Some(signals) = self.signals else { return Ok(()) };
        while let Ok(Some(info)) = signals.read_signal() {
            match (info.ssi_signo as i32, self.console) {
                (libc::SIGWINCH, Some(console)) => copy_window_size(console),
                (libc::SIGWINCH, None) => {}
                // It may have ended just now.
                (signal, _) => drop(process.kill(signal)),
            }
        }
        Ok(())
    }

    fn read_input(&mut self) {
        let Some(input) = &mut self.input else { return };
        let Some(from) = input.from else { return };
        let mut buffer = vec![0; CHUNK];
        match rustix::io::read(from, &mut buffer[..]) {
            Ok(0) | Err(Errno::IO) => {
                input.ended = true;
                if !input.terminal {
                    self.input = None;
                }
                return;
            }
            Ok(read) => input.pending.extend_from_slice(&buffer[..read]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.input = None,
        }
        self.write_input();
    }

    fn write_input(&mut self) {
        let Some(input) = &mut self.input else { return };
        match rustix::io::write(&input.to, &input.pending) {
            Ok(written) => drop(input.pending.drain(..written)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            // The container no longer reads.
            Err(_) => self.input = None,
        }
        let is_over = |input: &Input<'_>| input.ended && input.pending.is_empty() && !input.terminal;
        if self.input.as_ref().is_some_and(is_over) {
            self.input = None;
        }
    }

    /// Deals with those who are attached, and with the clock.
    fn attend_to(&mut self, doors: Vec<Door>) {
        let Some(service) = &mut self.service else { return };
        let wishes: Vec<Wish> = doors.into_iter().flat_map(|door| service.hub.serve(door)).collect();
        service.hub.clear();
        if let Some(clock) = &mut service.clock {
            clock.tick(service.container);
        }
        let once = service.container.record.options.stdin_once;
        for wish in wishes {
            match (wish, &mut self.input) {
                (Wish::Input(data), Some(input)) if !input.ended => input.pending.extend_from_slice(&data),
                (Wish::EndOfInput, Some(input)) if once => input.ended = true,
                (Wish::Size(columns, rows), _) => {
                    let size = rustix::termios::Winsize {
                        ws_col: columns,
                        ws_row: rows,
                        ws_xpixel: 0,
                        ws_ypixel: 0,
                    };
                    let _ = self.console.map(|console| rustix::termios::tcsetwinsize(console, size));
                }
                _ => {}
            }
        }
        self.write_input();
    }

    /// Carries one piece of output; at its end, or when nobody takes it, the stream is closed.
    fn carry(&mut self, index: usize) -> Result<(), Error> {
        let output = &mut self.outputs[index];
        let read = match rustix::io::read(&output.from, &mut self.buffer[..]) {
            Ok(0) | Err(Errno::IO) => {
                output.closed = true;
                return Ok(());
            }
            Ok(read) => read,
            Err(Errno::INTR | Errno::AGAIN) => return Ok(()),
            Err(e) => return Err(Error::System("read the container's output", e.into())),
        };
        if let Some(log) = &mut self.log {
            log.write(output.stream, &self.buffer[..read]);
        }
        if let Some(service) = &mut self.service {
            service.hub.tell(output.stream, &self.buffer[..read]);
        }
        if let Some(to) = output.to
            && write_all(to, &self.buffer[..read]).is_err()
        {
            output.closed = true;
        }
        Ok(())
    }
}

impl<'a> Input<'a> {
    fn new(from: Option<BorrowedFd<'a>>, to: OwnedFd, terminal: bool) -> Result<Input<'a>, Error> {
        rustix::io::ioctl_fionbio(&to, true)
            .map_err(|e| Error::System("prepare the container's standard input", e.into()))?;
        Ok(Input { from, to, pending: Vec::new(), ended: false, terminal })
    }
}

#[derive(Default)]
struct Ready {
    ended: bool,
    signals: bool,
    input: bool,
    input_space: bool,
    outputs: Vec<usize>,
    doors: Vec<Door>,
    ends: Vec<(End, PollFlags)>,
}

impl Ready {
    fn with(mut self, role: Role, flags: PollFlags) -> Ready {
        match role {
            Role::Ended => self.ended = true,
            Role::Signals => self.signals = true,
            Role::Output(index) => self.outputs.push(index),
            Role::Input => self.input = true,
            Role::InputSpace => self.input_space = true,
            Role::Door(door) => self.doors.push(door),
            Role::Relay(end) => self.ends.push((end, flags)),
        }
        self
    }
}

enum Role {
    Ended,
    Signals,
    Output(usize),
    Input,
    InputSpace,
    Door(Door),
    Relay(End),
}
