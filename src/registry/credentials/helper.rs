//! Programs that keep credentials: `docker-credential-<name> get|store|erase`.

use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

use serde::{Deserialize, Serialize};

use super::{Credential, CredentialError, Secret};

/// The user name under which helpers keep identity tokens.
const TOKEN_USER: &str = "<token>";
/// What helpers say when they have nothing.
const NOT_FOUND: &str = "credentials not found";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    #[serde(default, rename = "ServerURL")]
    server_url: String,
    username: String,
    secret: String,
}

/// Asks the helper for the credentials of a registry.
pub fn get(name: &str, key: &str) -> Result<Option<Credential>, CredentialError> {
    let output = run(name, "get", key.as_bytes())?;
    if !output.status.success() {
        return if says_not_found(&output) { Ok(None) } else { Err(failed(name, &output)) };
    }
    let record: Record = serde_json::from_slice(&output.stdout)
        .map_err(|source| CredentialError::HelperAnswer { name: name.to_owned(), source })?;
    let secret = Secret::new(record.secret);
    Ok(Some(match record.username.as_str() {
        TOKEN_USER => Credential::Identity(secret),
        _ => Credential::Basic { username: record.username, password: secret },
    }))
}

/// Has the helper keep credentials.
pub fn store(name: &str, key: &str, credential: &Credential) -> Result<(), CredentialError> {
    let (username, secret) = match credential {
        Credential::Basic { username, password } => (username.as_str(), password),
        Credential::Identity(token) | Credential::Registry(token) => (TOKEN_USER, token),
    };
    let record = Record {
        server_url: key.to_owned(),
        username: username.to_owned(),
        secret: secret.expose().to_owned(),
    };
    let input = serde_json::to_vec(&record)
        .map_err(|source| CredentialError::HelperAnswer { name: name.to_owned(), source })?;
    let output = run(name, "store", &input)?;
    if output.status.success() { Ok(()) } else { Err(failed(name, &output)) }
}

/// Has the helper forget credentials; tells whether it had any.
pub fn erase(name: &str, key: &str) -> Result<bool, CredentialError> {
    if get(name, key)?.is_none() {
        return Ok(false);
    }
    let output = run(name, "erase", key.as_bytes())?;
    if output.status.success() { Ok(true) } else { Err(failed(name, &output)) }
}

fn run(name: &str, action: &str, input: &[u8]) -> Result<Output, CredentialError> {
    // The name comes from a file; a slash in it would run any program.
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    {
        return Err(CredentialError::HelperName { name: name.to_owned() });
    }
    let fail = |source| CredentialError::HelperRun { name: name.to_owned(), source };
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(fail)?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input) {
            // A helper that does not read says by its exit what it thinks.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            result => result.map_err(fail)?,
        }
    }
    child.wait_with_output().map_err(fail)
}

fn says_not_found(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stdout).contains(NOT_FOUND)
}

/// Helpers print errors to stdout; crashing ones to stderr.
fn failed(name: &str, output: &Output) -> CredentialError {
    let said = if output.stdout.trim_ascii().is_empty() { &output.stderr } else { &output.stdout };
    let text: String =
        String::from_utf8_lossy(said).trim().chars().filter(|c| !c.is_control()).take(300).collect();
    let message = if text.is_empty() { output.status.to_string() } else { text };
    CredentialError::HelperFailed { name: name.to_owned(), message }
}
