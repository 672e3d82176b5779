//! What can go wrong with a container.

use std::io;
use std::path::PathBuf;

/// Errors of the container room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such snapshot.
    #[error("no such snapshot: {0} (see 'lay snapshot ls')")]
    NoSnapshot(String),
    /// A snapshot has this name.
    #[error("there is a snapshot {0} already")]
    SnapshotExists(String),
    /// There is no such volume.
    #[error("no such volume: {0} (see 'lay volume ls')")]
    NoVolume(String),
    /// Containers have it.
    #[error("volume {name} is in use by {containers}: remove them first")]
    VolumeInUse {
        /// The volume.
        name: String,
        /// The containers' names.
        containers: String,
    },
    /// There is no such network.
    #[error("no such network: {0} (see 'lay network ls')")]
    NoNetwork(String),
    /// Several ids begin so.
    #[error("network id {0} is ambiguous; give more of it")]
    AmbiguousNetwork(String),
    /// The name is taken.
    #[error("there is a network {0} already")]
    NetworkExists(String),
    /// The name holds what a name may not hold.
    #[error(
        "invalid network name '{0}': it needs at least two letters, digits, '_', '.' or '-', and begins with a letter or digit"
    )]
    NetworkName(String),
    /// It is always there.
    #[error("network {0} is always there")]
    NetworkPredefined(String),
    /// Containers are on it.
    #[error("network {name} is in use by {containers}: stop them or disconnect them first")]
    NetworkInUse {
        /// The network.
        name: String,
        /// The containers' names.
        containers: String,
    },
    /// Two are on it already.
    #[error("network {name} joins two containers, and has them: {containers}")]
    NetworkFull {
        /// The network.
        name: String,
        /// The containers' names.
        containers: String,
    },
    /// All subnets overlap with others.
    #[error(
        "no subnet of {0} is free: give one with '--subnet', or another pool ('[network] pool' in the configuration)"
    )]
    NoSubnet(ipnet::Ipv4Net),
    /// Ports were to be published, but no rule can lead them in.
    #[error("ports need a bridge network that is not internal")]
    NoWayIn,
    /// The container is on the network.
    #[error("container {container} is on network {network} already")]
    AlreadyConnected {
        /// The container.
        container: String,
        /// The network.
        network: String,
    },
    /// The container is not on the network.
    #[error("container {container} is not on network {network}")]
    NotConnected {
        /// The container.
        container: String,
        /// The network.
        network: String,
    },
    /// It has the host's, none, or another container's.
    #[error("container {0} has no networks of its own to change (see --network)")]
    NoOwnNetwork(String),
    /// No limits, no figures.
    #[error("it has no control group: none was left to this user (see 'lay info')")]
    NoCgroup,
    /// A file of the container cannot be used.
    #[error("cannot {operation} {path}")]
    File {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A record of the container is damaged.
    #[error("{path} is damaged")]
    Record {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        #[source]
        source: serde_json::Error,
    },
    /// No container has this name or id.
    #[error("no such container: {0}")]
    NotFound(String),
    /// Several ids begin so.
    #[error("container id {0} is ambiguous; give more of it")]
    Ambiguous(String),
    /// The name is taken.
    #[error(
        "the container name '{name}' is already in use by container {id}; remove or rename that container"
    )]
    NameInUse {
        /// The name.
        name: String,
        /// Short id of its owner.
        id: String,
    },
    /// The name holds what a name may not hold.
    #[error(
        "invalid container name '{0}': it needs at least two letters, digits, '_', '.' or '-', and begins with a letter or digit"
    )]
    InvalidName(String),
    /// No resource group has this name.
    #[error("no such resource group: {0}")]
    NoGroup(String),
    /// The group's name is taken.
    #[error("there is a resource group {0} already")]
    GroupExists(String),
    /// Something runs in the group.
    #[error("resource group {name} is in use by {by}")]
    GroupInUse {
        /// The group.
        name: String,
        /// What is in it.
        by: String,
    },
    /// A file of groups or rules cannot be understood.
    #[error("line {line}: {reason}")]
    GroupFile {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The program that lists processes.
    #[error("{0}")]
    Ps(String),
    /// The writable layer cannot be bounded there.
    #[error(
        "the file system of {path} keeps no quotas of projects, which '--storage-opt size' needs (XFS mounted with 'pquota', or ext4 with the features quota and project mounted with 'prjquota')"
    )]
    NoQuota {
        /// Where the layer is.
        path: PathBuf,
        /// Why.
        #[source]
        reason: rustix::io::Errno,
    },
    /// Nobody keeps what the container prints.
    #[error("{0} has no log: it was started with '--log-driver none'")]
    NoLog(String),
    /// Nobody listens at journald's socket.
    #[error(
        "cannot connect to the journal at {socket} (run systemd-journald, or use '--log-driver json-file')"
    )]
    NoJournal {
        /// Where it should listen.
        socket: &'static std::path::Path,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The operation needs a running container.
    #[error("container {0} is not running")]
    NotRunning(String),
    /// The operation needs a container that goes on.
    #[error("container {0} is paused; let it go on with 'lay unpause {0}'")]
    Paused(String),
    /// The operation needs a paused container.
    #[error("container {0} is not paused")]
    NotPaused(String),
    /// Whoever started it has its streams.
    #[error("container {0} runs in the foreground of another command, which has its streams")]
    Foreground(String),
    /// Nobody asks after its health.
    #[error("container {0} has no health check (give one with 'lay run --health-cmd')")]
    NoHealthCheck(String),
    /// The operation needs a stopped container.
    #[error("container {0} is running; stop it first, or force it")]
    Running(String),
    /// A flag's value is not usable.
    #[error("invalid value '{value}' for {flag}: {reason}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// Neither the image nor the command line names a command.
    #[error("no command specified: the image has none, and none was given")]
    NoCommand,
    /// `-u` or the image names a user that the image does not know.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    UnknownUser(String),
    /// `-u` or the image names a group that the image does not know.
    #[error("unable to find group {0}: no matching entries in group file")]
    UnknownGroup(String),
    /// The user is no name and no number that fits.
    #[error("invalid user '{0}': ids go from 0 to 2147483647")]
    InvalidUser(String),
    /// A bind mount's source is missing.
    #[error("bind source path does not exist: {0}")]
    BindSource(PathBuf),
    /// No ids are free for another user namespace.
    #[error(
        "no {count} ids in a row are free for a user namespace in {ranges}; enlarge that (see 'lay info'), or ask for less with '--userns auto:size=N'"
    )]
    NoIdRange {
        /// How many were wanted.
        count: u32,
        /// All that there are.
        ranges: String,
    },
    /// The user namespace is too small for the user.
    #[error(
        "the container's user namespace has no {kind} {id}; map it with '--uidmap' or '--gidmap', or ask for more ids with '--userns auto:size=N'"
    )]
    NoSuchId {
        /// "user" or "group".
        kind: &'static str,
        /// The number.
        id: u32,
    },
    /// Files cannot be mapped to a user namespace.
    #[error(
        "the owners of files in {path} cannot be mapped to the container's user namespace: its file system or this kernel refuses ({reason}); '--userns host' does without"
    )]
    Unmappable {
        /// What was to be mounted.
        path: PathBuf,
        /// Why.
        reason: rustix::io::Errno,
    },
    /// A container's changes cannot be kept there.
    #[error(
        "no container can run from the store {0}: it is on overlayfs, which cannot be stacked on itself; choose one on another file system with '--root', in a container a volume"
    )]
    StoreOnOverlay(PathBuf),
    /// A layer of the image has no mountable form in the store.
    #[error("layer {0} of the image is missing; 'lay check --repair' makes it again, or pull the image")]
    MissingLayer(lay_store::Digest),
    /// What archives a container's changes in another user namespace failed, and said why.
    #[error("its changes cannot be archived: {0}")]
    Changes(String),
    /// The configuration of a container's image is missing or damaged.
    #[error("the configuration of its image {image} cannot be read")]
    ImageConfig {
        /// The image as it was named.
        image: String,
        /// What is wrong with it.
        #[source]
        source: lay_store::Error,
    },
    /// The supervisor ended before it said how the start went.
    #[error("the container's monitor ended unexpectedly; see 'lay logs {0}'")]
    Monitor(String),
    /// A detached container could not be started, told by its monitor.
    #[error("{message}")]
    Detached {
        /// The monitor's message.
        message: String,
        /// The exit code that goes with it.
        code: u8,
    },
    /// A system call failed.
    #[error("cannot {0}")]
    System(&'static str, #[source] io::Error),
    /// An operation failed, and so did taking back what it had done.
    #[error("{error}; taking it back failed too: {cleanup}")]
    Cleanup {
        /// The first failure.
        #[source]
        error: Box<Error>,
        /// The failure of the clean-up.
        cleanup: Box<Error>,
    },
    /// The image is not usable.
    #[error(transparent)]
    Image(#[from] crate::image::Error),
    /// The container's files could not be archived.
    #[error(transparent)]
    Layer(#[from] crate::layer::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] lay_store::Error),
    /// The snapshot could not be made.
    #[error(transparent)]
    Snapshot(#[from] crate::snapshot::Error),
    /// The network could not be made.
    #[error(transparent)]
    Network(#[from] crate::network::Error),
    /// The runtime core failed.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::Error),
    /// The control group failed.
    #[error(transparent)]
    Cgroup(#[from] crate::runtime::cgroup::Error),
    /// The runtime specification could not be built.
    #[error("cannot build the runtime specification")]
    Spec(#[from] oci_spec::OciSpecError),
}

impl Error {
    /// Docker's exit code for this error: 127 when the command does not exist, 126 when it cannot be
    /// executed, else 125.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Runtime(e) => e.exit_code(),
            Error::Detached { code, .. } => *code,
            _ => 125,
        }
    }
}
