//! Reading `config.json` and `process.json`.

use std::path::Path;
use std::str::FromStr;

use oci_spec::runtime::{Capability, Process, Spec};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::Error;
use super::log::Log;

/// Reads a container's specification.
///
/// # Errors
/// When the file cannot be read or is no specification.
pub fn spec(path: &Path, log: &Log) -> Result<Spec, Error> {
    read(path, log, "/process")
}

/// Reads a process.
///
/// # Errors
/// As [`spec`].
pub fn process(path: &Path, log: &Log) -> Result<Process, Error> {
    read(path, log, "")
}

fn read<T: DeserializeOwned>(path: &Path, log: &Log, process: &str) -> Result<T, Error> {
    let data = std::fs::read(path).map_err(Error::io("read", path))?;
    let bad = |source| Error::Json { path: path.to_path_buf(), source };
    let mut value: Value = serde_json::from_slice(&data).map_err(bad)?;
    if let Some(sets) = value.pointer_mut(&format!("{process}/capabilities")) {
        for name in without_unknown(sets) {
            log.warning(&format!("capability {name} is unknown here and cannot be granted"));
        }
    }
    serde_json::from_value(value).map_err(bad)
}

/// Takes out capabilities that no kernel known here has: they are told of, and are no error (runtime-spec 1.1, `config.md`,
/// "capabilities").
fn without_unknown(sets: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    for set in sets.as_object_mut().into_iter().flat_map(|sets| sets.values_mut()) {
        let Some(names) = set.as_array_mut() else { continue };
        names.retain(|name| {
            let Some(name) = name.as_str() else { return true };
            let is_known = Capability::from_str(name.trim_start_matches("CAP_")).is_ok();
            if !is_known && !unknown.iter().any(|other| other == name) {
                unknown.push(name.to_string());
            }
            is_known
        });
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_capabilities_are_left_out_and_told() {
        let mut sets = serde_json::json!({
            "bounding": ["CAP_KILL", "CAP_TEST", "CAP_CHOWN"],
            "permitted": ["CAP_TEST"],
        });
        assert_eq!(without_unknown(&mut sets), ["CAP_TEST"]);
        assert_eq!(sets, serde_json::json!({ "bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": [] }));
    }
}
