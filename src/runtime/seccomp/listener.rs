//! Handing a filter's listener to the agent that answers its questions (OCI runtime specification, `config-linux.md`,
//! "The Container Process State").

use std::collections::HashMap;
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use oci_spec::runtime::{ContainerProcessState, ContainerState, SECCOMP_FD_NAME, State};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::{Listener, Program};
use crate::runtime::error::Error;

/// Version of the specification that the state follows.
const VERSION: &str = "1.2.0";

/// Who answers the questions of a container's filter, and what it is told of the container.
#[derive(Debug)]
pub(in crate::runtime) struct Agent {
    listener: Listener,
    state: State,
}

impl Agent {
    /// The agent of a filter that asks; `pid` is the container's first process.
    pub fn of(
        program: Option<&Program>,
        id: &str,
        bundle: &Path,
        status: ContainerState,
        pid: i32,
    ) -> Option<Agent> {
        let listener = program?.listener.clone()?;
        let mut state = State::default();
        state.set_version(VERSION.to_string()).set_id(id.to_string()).set_status(status);
        state.set_pid(Some(pid)).set_bundle(bundle.to_path_buf());
        Some(Agent { listener, state })
    }

    /// The same, with the container's annotations.
    pub fn with_annotations(mut self, annotations: &Option<HashMap<String, String>>) -> Agent {
        self.state.set_annotations(annotations.clone());
        self
    }

    /// Tells it of a process of the container, and gives it the listener. One connection carries one state.
    ///
    /// # Errors
    /// [`Error::Listener`] when it cannot be told.
    pub fn tell(&self, pid: i32, fd: &OwnedFd) -> Result<(), Error> {
        let mut message = ContainerProcessState::default();
        message.set_version(VERSION.to_string()).set_fds(vec![SECCOMP_FD_NAME.to_string()]).set_pid(pid);
        message.set_metadata(self.listener.metadata.clone()).set_state(self.state.clone());
        let path = &self.listener.path;
        send(path, &message, fd).map_err(|source| Error::Listener { path: path.clone(), source })
    }
}

fn send(path: &Path, message: &ContainerProcessState, fd: &OwnedFd) -> io::Result<()> {
    let data = serde_json::to_vec(message)?;
    let mut stream = UnixStream::connect(path)?;
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = sendmsg(&stream, &[IoSlice::new(&data)], &mut control, SendFlags::NOSIGNAL)?;
    stream.write_all(&data[sent..])
}
