//! Flags of Docker's builder that ask for nothing here. Those that could ask for something that cannot be had are refused then.

use clap::{ArgAction, Args};

use crate::cli::docker_words::truth;
use crate::cli::failure::Failure;

/// Flags that are read and do nothing.
#[derive(Args, Debug)]
pub struct Accepted {
    /// Remove containers of steps, which is always done
    #[arg(long, action = ArgAction::SetTrue, hide = true)]
    rm: bool,
    /// Likewise
    #[arg(long, action = ArgAction::SetTrue, hide = true)]
    force_rm: bool,
    /// Compress the context, which goes nowhere
    #[arg(long, action = ArgAction::SetTrue, hide = true)]
    compress: bool,
    /// Which builder to take; there is one
    #[arg(long, value_name = "NAME", hide = true)]
    builder: Option<String>,
    /// Believe images that nobody signed, which is always done
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    disable_content_trust: Option<String>,
    /// Make no attestation of how it was built; nothing else can be had
    #[arg(long, value_name = "false", hide = true)]
    provenance: Option<String>,
    /// Likewise of what is in it
    #[arg(long, value_name = "false", hide = true)]
    sbom: Option<String>,
    /// Likewise of either
    #[arg(long, value_name = "type=TYPE,disabled=true", hide = true)]
    attest: Vec<String>,
}

impl Accepted {
    /// What is accepted since it asks for nothing must ask for nothing.
    pub fn check(&self) -> Result<(), Failure> {
        let own = [("provenance", &self.provenance), ("sbom", &self.sbom)];
        let own = own.into_iter().filter_map(|(flag, value)| Some((flag, value.as_deref()?)));
        let mut all = own.chain(self.attest.iter().map(|value| ("attest", value.as_str())));
        if let Some((flag, value)) = all.find(|(_, value)| !asks_for_none(value)) {
            let next = match flag {
                "attest" => "disabled=true in it".to_owned(),
                _ => format!("--{flag}=false"),
            };
            return Err(Failure::new(format!(
                "--{flag} {value} is not supported: lay makes no attestations, so images carry none; leave it away, or say {next}"
            )));
        }
        if self.disable_content_trust.as_deref().is_some_and(|value| truth(value) != Some(true)) {
            return Err(Failure::new(
                "--disable-content-trust=false is not supported: lay reads no signatures; FROM NAME@sha256:… names an image for good",
            ));
        }
        Ok(())
    }
}

/// Whether parameters of an attestation say that none is wanted: `false`, or `disabled=true` among others.
fn asks_for_none(value: &str) -> bool {
    let disabled =
        |part: &str| part.trim().strip_prefix("disabled=").is_some_and(|value| truth(value) == Some(true));
    truth(value) == Some(false) || value.split(',').any(disabled)
}
