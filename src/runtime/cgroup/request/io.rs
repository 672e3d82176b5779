//! Block devices.

use oci_spec::runtime::{LinuxBlockIo, LinuxThrottleDevice};

use super::super::error::{Error, Result};

/// A weight for one device, 10 to 1000 as v1 has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// Major and minor number.
    pub device: (u64, u64),
    /// The weight.
    pub weight: u16,
}

/// Which of the four rates a throttle bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes read in a second.
    ReadBps,
    /// Bytes written in a second.
    WriteBps,
    /// Reads in a second.
    ReadIops,
    /// Writes in a second.
    WriteIops,
}

impl Kind {
    /// The v1 file.
    pub fn v1_file(self) -> &'static str {
        match self {
            Self::ReadBps => "blkio.throttle.read_bps_device",
            Self::WriteBps => "blkio.throttle.write_bps_device",
            Self::ReadIops => "blkio.throttle.read_iops_device",
            Self::WriteIops => "blkio.throttle.write_iops_device",
        }
    }

    /// The key in v2's `io.max`.
    pub fn v2_key(self) -> &'static str {
        match self {
            Self::ReadBps => "rbps",
            Self::WriteBps => "wbps",
            Self::ReadIops => "riops",
            Self::WriteIops => "wiops",
        }
    }
}

/// A bound on one rate of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// Which rate.
    pub kind: Kind,
    /// Major and minor number.
    pub device: (u64, u64),
    /// Bytes or operations in a second; 0 lifts the bound.
    pub rate: u64,
}

/// Block devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Io {
    /// For devices without a weight of their own.
    pub weight: Option<u16>,
    /// Weights of single devices.
    pub weights: Vec<Weight>,
    /// Bounds of single devices.
    pub throttles: Vec<Throttle>,
}

impl Io {
    pub(super) fn parse(io: Option<&LinuxBlockIo>) -> Result<Self> {
        let Some(io) = io else {
            return Ok(Self::default());
        };
        let leaf = io.leaf_weight().is_some_and(|w| w != 0);
        let mut weights = Vec::new();
        let mut device_leaf = false;
        for w in io.weight_device().iter().flatten() {
            device_leaf |= w.leaf_weight().is_some_and(|w| w != 0);
            if let Some(weight) = weight(w.weight())? {
                let device = device(w.major(), w.minor())?;
                weights.push(Weight { device, weight });
            }
        }
        if leaf || device_leaf {
            return Err(Error::Unsupported {
                setting: "block io leaf weight",
                reason: "it belonged to the cfq scheduler, which kernels since 5.0 do not have",
            });
        }
        let mut throttles = Vec::new();
        for (kind, list) in [
            (Kind::ReadBps, io.throttle_read_bps_device()),
            (Kind::WriteBps, io.throttle_write_bps_device()),
            (Kind::ReadIops, io.throttle_read_iops_device()),
            (Kind::WriteIops, io.throttle_write_iops_device()),
        ] {
            for t in list.iter().flatten() {
                throttles.push(throttle(kind, t)?);
            }
        }
        Ok(Self { weight: weight(io.weight())?, weights, throttles })
    }
}

fn throttle(kind: Kind, t: &LinuxThrottleDevice) -> Result<Throttle> {
    Ok(Throttle { kind, device: device(t.major(), t.minor())?, rate: t.rate() })
}

fn weight(weight: Option<u16>) -> Result<Option<u16>> {
    match weight {
        None | Some(0) => Ok(None),
        Some(n @ 10..=1000) => Ok(Some(n)),
        Some(n) => Err(Error::invalid("block io weight", n, "it must lie between 10 and 1000")),
    }
}

fn device(major: i64, minor: i64) -> Result<(u64, u64)> {
    match (u64::try_from(major), u64::try_from(minor)) {
        (Ok(major), Ok(minor)) => Ok((major, minor)),
        _ => Err(Error::invalid(
            "block device",
            format!("{major}:{minor}"),
            "its numbers must not be negative",
        )),
    }
}
