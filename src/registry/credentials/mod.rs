//! Who we are to a registry: the files and helpers in which Docker and Podman keep credentials.

mod file;
mod helper;

use std::fmt;
use std::io;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

use super::reference::DOCKER_HUB;
pub use file::Kept;

/// Docker Hub's name in credential files and helpers.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// A text that is never printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into keeping.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// What a registry accepts as proof of who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// User name and password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// An identity token, exchanged for tokens of one repository (OAuth2 refresh token).
    Identity(Secret),
    /// A token that is shown to the registry as it is.
    Registry(Secret),
}

impl Credential {
    /// The header of basic authentication (RFC 7617), if this is a user name and a password.
    pub(super) fn basic_header(&self) -> Option<HeaderValue> {
        let Self::Basic { username, password } = self else { return None };
        let encoded = STANDARD.encode(format!("{username}:{}", password.expose()));
        let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Credentials that cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// A file cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("writing {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what Docker writes.
    #[error("{path} is no file of credentials")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// An entry is no base64 of `user:password`.
    #[error("the entry '{key}' in {path} is no encoded user and password")]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry's name.
        key: String,
    },
    /// A helper's name could lead to another program.
    #[error("'{name}' cannot be the name of a credential helper")]
    HelperName {
        /// The name from the file.
        name: String,
    },
    /// A helper does not run.
    #[error("credential helper docker-credential-{name} cannot be run")]
    HelperRun {
        /// The helper's short name.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A helper failed.
    #[error("credential helper docker-credential-{name} failed: {message}")]
    HelperFailed {
        /// The helper's short name.
        name: String,
        /// What it said.
        message: String,
    },
    /// A helper answered with something else than credentials.
    #[error("credential helper docker-credential-{name} gave no credentials")]
    HelperAnswer {
        /// The helper's short name.
        name: String,
        /// Why.
        source: serde_json::Error,
    },
    /// There is no file to keep credentials in.
    #[error("there is no place for credentials: neither HOME nor DOCKER_CONFIG is set")]
    NoFile,
}

/// The files in which credentials are looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Docker's `config.json`: asked first, and the one that a login changes.
    pub docker: Option<PathBuf>,
    /// Files of the same form that are asked next, such as Podman's `auth.json`.
    pub others: Vec<PathBuf>,
    /// Used instead of what any file holds.
    pub given: Option<Credential>,
}

impl Credentials {
    /// The files that Docker and Podman use: `DOCKER_CONFIG` or `~/.docker`, then `REGISTRY_AUTH_FILE`,
    /// `$XDG_RUNTIME_DIR/containers/auth.json` and `~/.config/containers/auth.json`
    /// (containers-auth.json(5)).
    pub fn from_env() -> Self {
        let directory = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = directory("HOME");
        let docker = directory("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
        let config = directory("XDG_CONFIG_HOME").or_else(|| home.map(|home| home.join(".config")));
        let others = [
            directory("REGISTRY_AUTH_FILE"),
            directory("XDG_RUNTIME_DIR").map(|run| run.join("containers/auth.json")),
            config.map(|config| config.join("containers/auth.json")),
        ];
        Self {
            docker: docker.map(|docker| docker.join("config.json")),
            others: others.into_iter().flatten().collect(),
            given: None,
        }
    }

    /// The credentials for `repository` at the registry or mirror `name`, if there are any. Runs a
    /// credential helper where one is configured.
    pub fn find(&self, name: &str, repository: &str) -> Result<Option<Credential>, CredentialError> {
        if self.given.is_some() {
            return Ok(self.given.clone());
        }
        for path in self.docker.iter().chain(&self.others) {
            if let Some(found) = file::find(path, name, repository)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Keeps credentials for the registry `name`, by its helper or in Docker's file.
    pub fn keep(&self, name: &str, credential: &Credential, username: &str) -> Result<Kept, CredentialError> {
        let path = self.docker.as_ref().ok_or(CredentialError::NoFile)?;
        file::keep(path, name, credential, username)
    }

    /// Forgets the credentials for the registry `name`; tells whether there were any.
    pub fn forget(&self, name: &str) -> Result<bool, CredentialError> {
        match &self.docker {
            Some(path) => file::forget(path, name),
            None => Ok(false),
        }
    }
}

/// The name of a registry as credential files and helpers have it.
fn key_of(name: &str) -> &str {
    if name == DOCKER_HUB { DOCKER_HUB_KEY } else { name }
}
