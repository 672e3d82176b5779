//! Which devices a group may use, as one state rather than a list of steps.
//!
//! A Spec's rules apply one after the other. Their outcome, a default and the exceptions to it, is worked out here
//! once, so that v1's files and v2's program cannot differ, and an update can tell what changes.

mod sys;
mod v1;
mod v2;

use std::fmt;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use super::error::{Error, Result};

pub(super) use v1::apply as apply_v1;
pub(super) use v2::apply as apply_v2;

const SETTING: &str = "device rule";

/// Block or character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Block device.
    Block,
    /// Character device.
    Char,
}

/// The ways to use a device, a set of bits as the kernel numbers them (`BPF_DEVCG_ACC_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Modes(pub u8);

impl Modes {
    const MKNOD: u8 = 1;
    const READ: u8 = 2;
    const WRITE: u8 = 4;
    /// All three.
    pub const ALL: Self = Self(7);

    fn parse(text: &str) -> Result<Self> {
        let mut bits = 0;
        for c in text.chars() {
            bits |= match c {
                'r' => Self::READ,
                'w' => Self::WRITE,
                'm' => Self::MKNOD,
                _ => {
                    return Err(Error::invalid(SETTING, text, "access is made of the letters r, w and m"));
                }
            };
        }
        if bits == 0 {
            return Err(Error::invalid(SETTING, text, "access needs at least one of the letters r, w and m"));
        }
        Ok(Self(bits))
    }
}

/// Some devices and some ways to use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exception {
    /// Block or character.
    pub kind: Kind,
    /// Major number; `None` is every one.
    pub major: Option<u32>,
    /// Minor number; `None` is every one.
    pub minor: Option<u32>,
    /// The ways.
    pub modes: Modes,
}

impl Exception {
    fn same_devices(&self, other: &Self) -> bool {
        (self.kind, self.major, self.minor) == (other.kind, other.major, other.minor)
    }

    /// Whether some device and some way of use belong to both.
    fn overlaps(&self, other: &Self) -> bool {
        let meet = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        self.kind == other.kind
            && meet(self.major, other.major)
            && meet(self.minor, other.minor)
            && self.modes.0 & other.modes.0 != 0
    }
}

/// The form of v1's files: `c 1:3 rwm`.
impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Block => "b ",
            Kind::Char => "c ",
        })?;
        match self.major {
            Some(n) => write!(f, "{n}:")?,
            None => f.write_str("*:")?,
        }
        match self.minor {
            Some(n) => write!(f, "{n} ")?,
            None => f.write_str("* ")?,
        }
        for (bit, letter) in [(Modes::READ, 'r'), (Modes::WRITE, 'w'), (Modes::MKNOD, 'm')] {
            if self.modes.0 & bit != 0 {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

/// The outcome of a list of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Whether some rule said what holds for all devices; else the default is the parent's, and `allow` is true.
    pub reset: bool,
    /// Whether a device without an exception may be used.
    pub allow: bool,
    /// What deviates from that, sorted, each device or range once.
    pub exceptions: Vec<Exception>,
}

impl Access {
    /// Applies the rules in their order, as the kernel's v1 controller would (`security/device_cgroup.c`).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a malformed rule, and for one that takes away a part of what a wider rule gave: the
    /// kernel would let it pass without effect.
    pub fn from_rules(rules: &[LinuxDeviceCgroup]) -> Result<Self> {
        let mut access = Self { reset: false, allow: true, exceptions: Vec::new() };
        for rule in rules {
            match parse(rule)? {
                None => access = Self { reset: true, allow: rule.allow(), exceptions: Vec::new() },
                Some(e) if rule.allow() == access.allow => access.take_back(e)?,
                Some(e) => access.add(e),
            }
        }
        access.exceptions.sort();
        Ok(access)
    }

    fn add(&mut self, new: Exception) {
        match self.exceptions.iter_mut().find(|e| e.same_devices(&new)) {
            Some(known) => known.modes.0 |= new.modes.0,
            None => self.exceptions.push(new),
        }
    }

    fn take_back(&mut self, back: Exception) -> Result<()> {
        for known in &mut self.exceptions {
            if known.same_devices(&back) {
                known.modes.0 &= !back.modes.0;
            } else if known.overlaps(&back) && !covers(&back, known) {
                return Err(Error::invalid(
                    SETTING,
                    back,
                    format!("an earlier rule for {known} covers more, and the kernel cannot divide it"),
                ));
            } else if known.overlaps(&back) {
                known.modes.0 &= !back.modes.0;
            }
        }
        self.exceptions.retain(|e| e.modes.0 != 0);
        Ok(())
    }
}

/// Whether every device of `small` is one of `wide`.
fn covers(wide: &Exception, small: &Exception) -> bool {
    let holds = |wide: Option<u32>, small: Option<u32>| wide.is_none() || wide == small;
    wide.kind == small.kind && holds(wide.major, small.major) && holds(wide.minor, small.minor)
}

/// `None` is the rule for all devices.
fn parse(rule: &LinuxDeviceCgroup) -> Result<Option<Exception>> {
    let modes = rule.access().as_deref().map_or(Ok(Modes::ALL), Modes::parse)?;
    let major = number(rule.major())?;
    let minor = number(rule.minor())?;
    let kind = match rule.typ().unwrap_or(LinuxDeviceType::A) {
        LinuxDeviceType::B => Kind::Block,
        LinuxDeviceType::C | LinuxDeviceType::U => Kind::Char,
        LinuxDeviceType::P => {
            return Err(Error::invalid(SETTING, "p", "a fifo is not a device"));
        }
        LinuxDeviceType::A => {
            if major.is_some() || minor.is_some() || modes != Modes::ALL {
                return Err(Error::invalid(
                    SETTING,
                    "a",
                    "a rule for all devices has no numbers and all of r, w and m",
                ));
            }
            return Ok(None);
        }
    };
    Ok(Some(Exception { kind, major, minor, modes }))
}

fn number(n: Option<i64>) -> Result<Option<u32>> {
    match n {
        None | Some(-1) => Ok(None),
        Some(n) => u32::try_from(n)
            .map(Some)
            .map_err(|_| Error::invalid(SETTING, n, "a device number is -1 (any) or 0 to 4294967295")),
    }
}
