//! `lay port`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use crate::network::PortMapping;

/// Show which ports of this machine lead to a container
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  lay port web               80/tcp -> 0.0.0.0:8080
  lay port web 80            0.0.0.0:8080
  lay port dns 53/udp")]
pub struct Port {
    /// Name or id of a running container
    container: String,
    /// Only this port of the container
    #[arg(value_name = "PORT[/PROTOCOL]")]
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
            let wanted = wanted.first().map(|w| format!("{}/{}", w.container_port, w.protocol));
            let wanted = wanted.unwrap_or_default();
            return Err(Failure::new(format!(
                "no public port '{wanted}' published for {name} (see 'lay port {name}')"
            )));
        }
        found.iter().try_for_each(|port| line(port.host().to_string())).map(|()| 0)
    }
}
