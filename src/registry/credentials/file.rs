//! Docker's `config.json` and Podman's `auth.json` (containers-auth.json(5)): finding, keeping, forgetting.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Credential, CredentialError, Secret, helper, key_of};
use crate::registry::reference::DOCKER_HUB;

/// Where a login was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In this file, readable only by its owner but not encrypted.
    File(PathBuf),
    /// By the credential helper of this name.
    Helper(String),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigFile {
    #[serde(default)]
    auths: Option<BTreeMap<String, Entry>>,
    #[serde(default)]
    cred_helpers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
    #[serde(default)]
    registrytoken: String,
}

/// Looks in one file, which need not exist.
pub fn find(path: &Path, name: &str, repository: &str) -> Result<Option<Credential>, CredentialError> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    let file: ConfigFile = parse(path, &bytes)?;
    if let Some(helper) = file.helper(name)
        && let Some(found) = helper::get(helper, key_of(name))?
    {
        return Ok(Some(found));
    }
    let auths = file.auths.unwrap_or_default();
    match find_entry(&auths, name, repository) {
        Some((key, entry)) => entry
            .credential()
            .map_err(|()| CredentialError::Entry { path: path.to_owned(), key: key.to_owned() }),
        None => Ok(None),
    }
}

/// Keeps credentials by the helper that the file names, else in the file itself.
pub fn keep(
    path: &Path,
    name: &str,
    credential: &Credential,
    username: &str,
) -> Result<Kept, CredentialError> {
    let bytes = read(path)?.unwrap_or_default();
    let file: ConfigFile = parse(path, &bytes)?;
    let mut document: Map<String, Value> = parse(path, &bytes)?;
    let auths = auths_of(&mut document);
    let kept = match file.helper(name) {
        Some(helper) => {
            helper::store(helper, key_of(name), credential)?;
            // As Docker does, so that `auths` lists where one is logged in.
            auths.insert(key_of(name).to_owned(), json!({}));
            Kept::Helper(helper.to_owned())
        }
        None => {
            auths.insert(key_of(name).to_owned(), entry_for(credential, username));
            Kept::File(path.to_owned())
        }
    };
    write(path, &document)?;
    Ok(kept)
}

/// Removes what the file and its helper hold for a registry; tells whether there was anything.
pub fn forget(path: &Path, name: &str) -> Result<bool, CredentialError> {
    let Some(bytes) = read(path)? else { return Ok(false) };
    let file: ConfigFile = parse(path, &bytes)?;
    let mut found = match file.helper(name) {
        Some(helper) => helper::erase(helper, key_of(name))?,
        None => false,
    };
    let mut document: Map<String, Value> = parse(path, &bytes)?;
    let auths = auths_of(&mut document);
    let keys: Vec<String> = auths.keys().filter(|key| is_key_of(key, name)).cloned().collect();
    for key in &keys {
        auths.remove(key);
        found = true;
    }
    if !keys.is_empty() {
        write(path, &document)?;
    }
    Ok(found)
}

impl ConfigFile {
    /// The helper of a registry, else the one for all.
    fn helper(&self, name: &str) -> Option<&str> {
        let own = self.cred_helpers.iter().flatten().find(|(key, _)| is_key_of(key, name));
        own.map(|(_, helper)| helper)
            .or(self.creds_store.as_ref())
            .map(String::as_str)
            .filter(|h| !h.is_empty())
    }
}

impl Entry {
    fn credential(&self) -> Result<Option<Credential>, ()> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credential::Identity(Secret::new(&self.identitytoken))));
        }
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credential::Registry(Secret::new(&self.registrytoken))));
        }
        if self.auth.is_empty() {
            let known = !self.username.is_empty();
            return Ok(known.then(|| basic(&self.username, &self.password)));
        }
        let decoded = STANDARD.decode(self.auth.trim()).map_err(|_| ())?;
        let text = String::from_utf8(decoded).map_err(|_| ())?;
        // Some old clients padded with zero bytes.
        let (username, password) = text.trim_end_matches('\0').split_once(':').ok_or(())?;
        Ok(Some(basic(username, password)))
    }
}

fn basic(username: &str, password: &str) -> Credential {
    Credential::Basic { username: username.to_owned(), password: Secret::new(password) }
}

fn entry_for(credential: &Credential, username: &str) -> Value {
    match credential {
        Credential::Basic { username, password } => {
            json!({ "auth": STANDARD.encode(format!("{username}:{}", password.expose())) })
        }
        Credential::Identity(token) => {
            json!({ "auth": STANDARD.encode(format!("{username}:")), "identitytoken": token.expose() })
        }
        Credential::Registry(token) => json!({ "registrytoken": token.expose() }),
    }
}

/// The entry of the longest namespace that holds the repository, else the registry's own.
fn find_entry<'a>(
    auths: &'a BTreeMap<String, Entry>,
    name: &str,
    repository: &str,
) -> Option<(&'a str, &'a Entry)> {
    let mut namespace = format!("{name}/{repository}");
    while namespace.len() > name.len() {
        if let Some((key, entry)) = auths.get_key_value(&namespace) {
            return Some((key, entry));
        }
        namespace.truncate(namespace.rfind('/').unwrap_or_default());
    }
    let own =
        auths.get_key_value(key_of(name)).or_else(|| auths.iter().find(|(key, _)| is_key_of(key, name)));
    own.map(|(key, entry)| (key.as_str(), entry))
}

/// Whether a key of a file names this registry: by itself, or with the scheme and the API version with
/// which older clients wrote it.
fn is_key_of(key: &str, name: &str) -> bool {
    let host = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let host = host.strip_suffix('/').unwrap_or(host);
    let host = host.strip_suffix("/v1").or_else(|| host.strip_suffix("/v2")).unwrap_or(host);
    match name {
        DOCKER_HUB => matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io"),
        name => host == name,
    }
}

fn auths_of(document: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let auths = document.entry("auths").or_insert_with(|| json!({}));
    if !auths.is_object() {
        *auths = json!({});
    }
    auths.as_object_mut().unwrap_or_else(|| unreachable!("an object was put there"))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, CredentialError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(source) => Err(CredentialError::Read { path: path.to_owned(), source }),
    }
}

fn parse<T: Default + serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, CredentialError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(bytes).map_err(|source| CredentialError::Parse { path: path.to_owned(), source })
}

/// Replaces the file at once: whoever reads it sees the old or the new one.
fn write(path: &Path, document: &Map<String, Value>) -> Result<(), CredentialError> {
    let fail = |source| CredentialError::Write { path: path.to_owned(), source };
    let mut bytes = serde_json::to_vec_pretty(document)
        .map_err(|source| CredentialError::Parse { path: path.to_owned(), source })?;
    bytes.push(b'\n');
    // The file behind a link is replaced, not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(fail)?;
    let mut temporary = tempfile::NamedTempFile::new_in(directory).map_err(fail)?;
    temporary.as_file().set_permissions(fs::Permissions::from_mode(0o600)).map_err(fail)?;
    temporary.write_all(&bytes).map_err(fail)?;
    temporary.as_file().sync_all().map_err(fail)?;
    temporary.persist(&target).map_err(|error| fail(error.error))?;
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(fail)
}
