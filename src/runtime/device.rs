//! `linux.devices` of the specification.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};
use rustix::fs::FileType;

use super::error::Error;

/// A device node that a container gets beside the default ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePlan {
    /// Absolute path in the container.
    pub path: PathBuf,
    /// Character or block device, or a named pipe.
    pub kind: FileType,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner inside.
    pub uid: u32,
    /// Group inside.
    pub gid: u32,
}

impl DevicePlan {
    /// The host's own node of it: by its number, where the host keeps such links, else by its name.
    pub fn on_host(&self) -> PathBuf {
        let kind = if self.kind == FileType::BlockDevice { "block" } else { "char" };
        let link = PathBuf::from(format!("/dev/{kind}/{}:{}", self.major, self.minor));
        std::fs::canonicalize(link).unwrap_or_else(|_| self.path.clone())
    }

    /// Reads a device.
    ///
    /// # Errors
    /// [`Error::Spec`].
    pub fn parse(device: &LinuxDevice) -> Result<DevicePlan, Error> {
        let bad = |reason: &str| Error::Spec {
            field: "linux.devices",
            reason: format!("{}: {reason}", device.path().display()),
        };
        let climbs = device.path().components().any(|c| c == std::path::Component::ParentDir);
        if !device.path().is_absolute() || climbs {
            return Err(bad("the path is not absolute and clean"));
        }
        let number = |value: i64| u32::try_from(value).map_err(|_| bad("the device number is negative"));
        let kind = match device.typ() {
            LinuxDeviceType::C | LinuxDeviceType::U => FileType::CharacterDevice,
            LinuxDeviceType::B => FileType::BlockDevice,
            LinuxDeviceType::P => FileType::Fifo,
            LinuxDeviceType::A => return Err(bad("a device has one type")),
        };
        let pipe = kind == FileType::Fifo;
        Ok(DevicePlan {
            path: device.path().clone(),
            kind,
            major: if pipe { 0 } else { number(device.major())? },
            minor: if pipe { 0 } else { number(device.minor())? },
            mode: device.file_mode().unwrap_or(0o666),
            uid: device.uid().unwrap_or(0),
            gid: device.gid().unwrap_or(0),
        })
    }

    /// Its path below `/dev`, where it is there.
    pub fn below_dev(&self) -> Option<&Path> {
        self.path.strip_prefix("/dev").ok()
    }
}
