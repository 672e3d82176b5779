//! Flags of Docker that ask for what is so anyway, or for what `lay` does in another way or not at all.

use clap::Args;

use super::failure::Failure;

/// Such flags of commands that create a container.
#[derive(Args, Debug)]
pub struct OtherFlags {
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    disable_content_trust: Option<bool>,
    #[arg(long, hide = true, value_name = "DRIVER")]
    volume_driver: Option<String>,
    #[arg(long, hide = true, value_name = "NAME")]
    runtime: Option<String>,
    #[arg(long, hide = true, value_name = "CONTAINER[:ALIAS]")]
    link: Vec<String>,
    #[arg(long, hide = true, value_name = "DEVICES")]
    gpus: Option<String>,
}

impl OtherFlags {
    /// Refuses what cannot be had, and says what to do instead.
    ///
    /// # Errors
    /// When there is such a flag.
    pub fn check(&self) -> Result<(), Failure> {
        let refuse = |text: &str| Err(Failure::new(text));
        if !self.link.is_empty() {
            return refuse(
                "--link is not supported: containers of one network find each other by name, and by --network-alias",
            );
        }
        if self.gpus.is_some() {
            return refuse(
                "--gpus is not supported: give devices with --device, and their libraries with -v",
            );
        }
        match (self.volume_driver.as_deref(), self.runtime.as_deref()) {
            (Some(driver), _) if driver != "local" => {
                Err(Failure::new(format!("there is no volume driver {driver}: lay has 'local' alone")))
            }
            (_, Some(runtime)) if runtime != "lay" => Err(Failure::new(format!(
                "there is no runtime {runtime}: lay is the runtime itself (others run containers with it, see 'lay oci')"
            ))),
            _ => Ok(()),
        }
    }
}
