//! Flags for a container's user namespace.

use clap::Args;

use super::failure::{Failure, Tried};
use crate::container::{IdMaps, UsernsMode};
use crate::kernel::userns;

/// Flags of commands that create a container.
#[derive(Args, Debug)]
#[command(next_help_heading = "Security")]
pub struct UsernsFlags {
    /// auto[:size=N]: a user namespace of its own [default]; container:NAME: that one's; host: none, as with --privileged;
    /// keep-id: without root, this user has its own ids in it
    #[arg(long, value_name = "MODE")]
    userns: Option<String>,
    /// Map user ids of the container to ids of the host, and groups alike unless --gidmap says else
    #[arg(long, value_name = "CONTAINER:HOST:SIZE")]
    uidmap: Vec<String>,
    /// Map group ids of the container to ids of the host, and users alike unless --uidmap says else
    #[arg(long, value_name = "CONTAINER:HOST:SIZE")]
    gidmap: Vec<String>,
}

impl UsernsFlags {
    /// Whether the user is to have its own ids in the container.
    pub fn keeps_ids(&self) -> bool {
        self.userns.as_deref() == Some("keep-id")
    }

    /// The container whose user namespace it shares.
    pub fn container(&self) -> Option<&str> {
        self.userns.as_deref()?.strip_prefix("container:")
    }

    /// What the flags say.
    pub fn mode(&self, privileged: bool) -> Result<UsernsMode, Failure> {
        let bad = || "invalid flag".to_string();
        let maps = IdMaps::parse(&self.uidmap, &self.gidmap).tried(bad)?;
        match (&self.userns, maps) {
            // Whatever led here, such as a container that is shared with.
            (_, None) if userns::keeps_ids() => Ok(UsernsMode::KeepId),
            (None, None) if privileged || userns::nested() => Ok(UsernsMode::Host),
            (Some(text), Some(_)) if text != "private" => {
                Err(Failure::new(format!("--userns {text} and --uidmap or --gidmap contradict each other")))
            }
            (_, Some(_)) if userns::nested() => Err(Failure::new(
                "--uidmap and --gidmap need root: an ordinary user has one range of ids for all containers",
            )),
            (_, Some(maps)) => Ok(UsernsMode::Mapped(maps)),
            (None, None) => Ok(UsernsMode::Auto),
            (Some(text), None) => named(text),
        }
    }
}

fn named(text: &str) -> Result<UsernsMode, Failure> {
    let mode = UsernsMode::parse(text).tried(|| "invalid flag".to_string())?;
    match mode {
        UsernsMode::Auto | UsernsMode::Sized(_) if userns::nested() => Err(Failure::new(
            "--userns auto needs root: an ordinary user has one range of ids for all containers",
        )),
        UsernsMode::KeepId if userns::nested() => Err(Failure::new(
            "--userns keep-id contradicts sharing namespaces with a container in which this user is root",
        )),
        UsernsMode::KeepId => {
            Err(Failure::new("--userns keep-id is for ordinary users: root has all ids (see --uidmap)"))
        }
        mode => Ok(mode),
    }
}
