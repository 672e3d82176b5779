//! `lay port`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use crate::network::PortMapping;

/// Show which ports of this host lead to a container's
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  lay run -d --name web -p 8080:80 nginx\n  lay port web 80")]
pub struct Port {
    /// Name or id of a container
    container: String,
    /// Only this port of the container
    #[arg(value_name = "PORT[/tcp|/udp]")]
    port: Option<String>,
}

impl Port {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let tried = || format!("cannot show the ports of {}", self.container);
        let env = context.environment()?;
        let container = env.containers.find(&self.container).tried(tried)?;
        let ports = container.require_running().tried(tried)?.ports;
        let Some(wanted) = &self.port else {
            let shown = |port: &PortMapping| {
                line(format!("{}/{} -> {}", port.container_port, port.protocol, port.host()))
            };
            return ports.iter().try_for_each(shown).map(|()| 0);
        };
        let wanted = PortMapping::parse(wanted).tried(tried)?;
        let same = |port: &&PortMapping| {
            wanted.iter().any(|w| (w.container_port, w.protocol) == (port.container_port, port.protocol))
        };
        let found: Vec<&PortMapping> = ports.iter().filter(same).collect();
        if found.is_empty() {
            let name = &container.record.name;
            return Err(Failure::new(format!(
                "port {} of container {name} is not published (see 'lay port {name}')",
                self.port.as_deref().unwrap_or_default()
            )));
        }
        found.iter().try_for_each(|port| line(port.host().to_string())).map(|()| 0)
    }
}
