//! `spec`

use std::fs::File;
use std::io::Write;
use std::path::Path;

use oci_spec::runtime::{LinuxDeviceCgroupBuilder, Spec};

use super::error::Error;

/// What runc has where the crate's default differs: a terminal, no capability that files could inherit (CVE-2022-29162), no devices
/// but the default ones.
fn adjust(spec: &mut Spec) -> Result<(), Error> {
    if let Some(process) = spec.process_mut() {
        process.set_terminal(Some(true));
        if let Some(mut capabilities) = process.capabilities().clone() {
            capabilities.set_inheritable(None).set_ambient(None);
            process.set_capabilities(Some(capabilities));
        }
    }
    if let Some(resources) = spec.linux_mut().as_mut().and_then(|linux| linux.resources_mut().as_mut()) {
        let none = LinuxDeviceCgroupBuilder::default().allow(false).access("rwm").build()?;
        resources.set_devices(Some(vec![none]));
    }
    Ok(())
}

/// Writes a specification to begin with; one that is there already stays.
pub fn spec(bundle: Option<&Path>, rootless: bool) -> Result<u8, Error> {
    let mut spec = match rootless {
        true => Spec::rootless(rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw()),
        false => Spec::default(),
    };
    spec.set_version(crate::runtime::SPEC_VERSION.to_string()).set_hostname(Some("lay".to_string()));
    adjust(&mut spec)?;
    let path = bundle.unwrap_or(Path::new(".")).join("config.json");
    let data =
        serde_json::to_vec_pretty(&spec).map_err(|source| Error::Json { path: path.clone(), source })?;
    let mut file = File::create_new(&path).map_err(Error::io("create", &path))?;
    file.write_all(&data).map_err(Error::io("write", &path))?;
    Ok(0)
}
