//! `lay port`

use clap::Args;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;

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
        let env = context.environment()?;
        let tried = || format!("cannot show the ports of {}", self.container);
        let running = env.containers.find(&self.container).and_then(|c| c.require_running()).tried(tried)?;
        let wanted = self.port.as_ref().map(|port| match port.contains('/') {
            true => port.clone(),
            false => format!("{port}/tcp"),
        });
        let mut found = false;
        for mapping in &running.ports {
            let inside = format!("{}/{}", mapping.container_port, mapping.protocol);
            let outside = format!("{}:{}", mapping.host_address, mapping.host_port);
            match &wanted {
                None => line(format!("{inside} -> {outside}"))?,
                Some(wanted) if *wanted == inside => line(outside)?,
                Some(_) => continue,
            }
            found = true;
        }
        match wanted {
            Some(wanted) if !found => {
                Err(Failure::new(format!("no public port '{wanted}' published for {}", self.container)))
            }
            _ => Ok(0),
        }
    }
}
