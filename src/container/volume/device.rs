//! A volume whose content is a directory of this machine, as Docker's local driver takes it:
//! `--opt type=none --opt o=bind --opt device=/srv/data`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::container::error::Error;

/// Such a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The directory.
    pub path: PathBuf,
    /// Containers may not write to it.
    pub read_only: bool,
}

impl Device {
    /// What the options of a volume say; none where they say nothing.
    ///
    /// # Errors
    /// [`Error::Flag`] for what is not a directory of this machine.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<Option<Device>, Error> {
        if options.is_empty() {
            return Ok(None);
        }
        let wrong = |key: &str, reason: &str| Error::Flag {
            flag: "--opt",
            value: format!("{key}={}", options.get(key).map_or("", String::as_str)),
            reason: reason.to_string(),
        };
        if let Some(unknown) = options.keys().find(|key| !["type", "o", "device"].contains(&key.as_str())) {
            return Err(wrong(unknown, "known are type, o and device"));
        }
        let here = "only directories of this machine can be volumes (type=none, o=bind, device=/DIRECTORY); mount others first";
        if !matches!(options.get("type").map_or("none", String::as_str), "none" | "bind" | "") {
            return Err(wrong("type", here));
        }
        let words: Vec<&str> = options.get("o").map_or("", String::as_str).split(',').collect();
        if words.iter().any(|word| !["bind", "rbind", "ro", "rw"].contains(word)) {
            return Err(wrong("o", here));
        }
        match options.get("device").map(Path::new).filter(|path| path.is_absolute()) {
            Some(path) => Ok(Some(Device { path: path.to_owned(), read_only: words.contains(&"ro") })),
            None => Err(wrong("device", "expected the absolute path of a directory")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(&str, &str)]) -> Result<Option<Device>, Error> {
        Device::parse(&options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }

    #[test]
    fn directories_of_this_machine_are_taken() {
        let device = |read_only| Some(Device { path: "/srv/data".into(), read_only });
        assert_eq!(parse(&[]).unwrap(), None);
        let told = [("type", "none"), ("o", "bind"), ("device", "/srv/data")];
        assert_eq!(parse(&told).unwrap(), device(false));
        assert_eq!(parse(&[("o", "bind,ro"), ("device", "/srv/data")]).unwrap(), device(true));
        for bad in [
            &[("type", "nfs"), ("o", "addr=10.0.0.1,rw"), ("device", ":/x")][..],
            &[("type", "tmpfs"), ("device", "tmpfs")],
            &[("o", "bind")],
            &[("o", "bind"), ("device", "data")],
            &[("device", "/srv/data")],
            &[("size", "10g")],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
