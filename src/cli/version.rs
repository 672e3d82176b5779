//! `lay version`

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::output::line;
use super::template::Template;

/// Show the version
#[derive(Args, Debug)]
pub struct Version {
    /// json, or a template such as '{{.Client.Version}}'
    #[arg(short, long)]
    format: Option<String>,
}

impl Version {
    /// Runs the command.
    pub fn run(&self) -> Result<u8, Failure> {
        let version = env!("CARGO_PKG_VERSION");
        let (os, arch) = (std::env::consts::OS, crate::registry::Platform::host().architecture);
        let one = json!({"Version": version, "Os": os, "Arch": arch});
        // Who asks for a server's version gets that of the engine, which is the same program.
        let all = json!({"Client": one, "Server": one, "Version": version, "Os": os, "Arch": arch});
        match self.format.as_deref() {
            None => line(format!("Version: {version}\nOS/Arch: {os}/{arch}"))?,
            Some("json") => line(all.to_string())?,
            Some(text) => {
                let template = Template::parse(text).map_err(Failure::new)?;
                line(template.render(&all).map_err(Failure::new)?)?;
            }
        }
        Ok(0)
    }
}
