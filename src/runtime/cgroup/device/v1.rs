//! The `devices` controller of v1.

use std::path::Path;

use super::super::error::{Error, Result};
use super::super::file;
use super::{Access, Exception, SETTING};

/// Brings a group's files to the state.
///
/// # Errors
/// [`Error::Set`] where the kernel refuses, as it does when the parent does not have what is asked for.
pub fn apply(dir: &Path, access: &Access, fresh: bool) -> Result<()> {
    let (grant, withdraw) =
        if access.allow { ("devices.deny", "devices.allow") } else { ("devices.allow", "devices.deny") };
    if !fresh
        && access.reset
        && !access.allow
        && let Some(present) = present(dir)?
    {
        return exchange(dir, &present, access, (grant, withdraw));
    }
    if access.reset {
        write(dir, withdraw, "a")?;
    }
    for e in &access.exceptions {
        write(dir, grant, &e.to_string())?;
    }
    Ok(())
}

fn write(dir: &Path, name: &str, value: &str) -> Result<()> {
    file::set(SETTING, &dir.join(name), value)
}

/// A running container must not lose for a moment what it keeps: what is new is granted first, what is gone withdrawn then.
fn exchange(
    dir: &Path,
    present: &[Exception],
    access: &Access,
    (grant, withdraw): (&'static str, &'static str),
) -> Result<()> {
    for e in access.exceptions.iter().filter(|e| !present.contains(e)) {
        write(dir, grant, &e.to_string())?;
    }
    for e in present {
        let kept = access.exceptions.iter().find(|k| k.same_devices(e));
        let modes = e.modes.0 & !kept.map_or(0, |k| k.modes.0);
        if modes != 0 {
            let gone = Exception { modes: super::Modes(modes), ..*e };
            write(dir, withdraw, &gone.to_string())?;
        }
    }
    Ok(())
}

/// The exceptions of a group that denies by default; `None` if it allows by default.
fn present(dir: &Path) -> Result<Option<Vec<Exception>>> {
    let path = dir.join("devices.list");
    let text = file::read(&path)?;
    let mut all = Vec::new();
    for line in text.lines() {
        if line.starts_with('a') {
            return Ok(None);
        }
        all.push(parse(line).ok_or_else(|| Error::Content { path: path.clone(), text: line.to_owned() })?);
    }
    Ok(Some(all))
}

fn parse(line: &str) -> Option<Exception> {
    let mut fields = line.split(' ');
    let kind = match fields.next()? {
        "b" => super::Kind::Block,
        "c" => super::Kind::Char,
        _ => return None,
    };
    let (major, minor) = fields.next()?.split_once(':')?;
    let number = |s: &str| match s {
        "*" => Some(None),
        s => s.parse().ok().map(Some),
    };
    Some(Exception {
        kind,
        major: number(major)?,
        minor: number(minor)?,
        modes: super::Modes::parse(fields.next()?).ok()?,
    })
}
