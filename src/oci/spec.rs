//! `spec`

use std::fs::File;
use std::io::Write;
use std::path::Path;

use oci_spec::runtime::Spec;

use super::error::Error;

/// Writes a specification to begin with; one that is there already stays.
pub fn spec(bundle: Option<&Path>, rootless: bool) -> Result<u8, Error> {
    let mut spec = match rootless {
        true => Spec::rootless(rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw()),
        false => Spec::default(),
    };
    spec.set_version(crate::runtime::SPEC_VERSION.to_string());
    let path = bundle.unwrap_or(Path::new(".")).join("config.json");
    let data =
        serde_json::to_vec_pretty(&spec).map_err(|source| Error::Json { path: path.clone(), source })?;
    let mut file = File::create_new(&path).map_err(Error::io("create", &path))?;
    file.write_all(&data).map_err(Error::io("write", &path))?;
    Ok(0)
}
