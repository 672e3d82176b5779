//! Values of flags.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::build::SecretSource;
use crate::build::cache::Place;
use crate::build::context::named;
use crate::build::plan::Names;
use crate::cli::failure::Failure;

/// A name alone takes its value from this process's environment, if it has one.
pub fn pairs_from_here(texts: &[String]) -> BTreeMap<String, String> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Some((name.to_string(), value.to_string())),
        None => Some((text.clone(), std::env::var(text).ok()?)),
    };
    texts.iter().filter_map(pair).collect()
}

/// Removes what an earlier build has told in a file, so that a build that fails tells nothing there.
pub fn forget(path: &Path) -> Result<(), Failure> {
    let failed = |e: &std::io::Error| Failure::of(&format!("cannot write {}", path.display()), e);
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => fs::remove_file(path).map_err(|e| failed(&e)),
        Ok(_) if path.is_dir() => Err(failed(&std::io::ErrorKind::IsADirectory.into())),
        // Of a link such as /dev/stdout, or a pipe, only the content is ours.
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() && !dir.is_dir() => Err(failed(&e)),
            _ => Ok(()),
        },
        Err(e) => Err(failed(&e)),
    }
}

/// What names stand for.
pub fn contexts(texts: &[String]) -> Result<Names, Failure> {
    let mut names = Names::default();
    for text in texts {
        named::parse(text, &mut names).map_err(|e| Failure::new(e.to_string()))?;
    }
    Ok(names)
}

/// Where results are kept; `path` is the key of a directory.
pub fn places(texts: &[String], flag: &str, path: &'static str) -> Result<Vec<Place>, Failure> {
    let place = |text: &String| {
        Place::parse(text, path).map_err(|e| Failure::new(format!("invalid value '{text}' for {flag}: {e}")))
    };
    texts.iter().map(place).collect()
}

/// `id=ID[,src=FILE]` or `id=ID,env=VARIABLE`.
pub fn secret(text: &str) -> Result<(String, SecretSource), Failure> {
    let bad = |reason: &str| Failure::new(format!("invalid value '{text}' for --secret: {reason}"));
    let (mut id, mut source) = (None, None);
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("id", value)) => id = Some(value.to_string()),
            Some(("src" | "source", value)) => source = Some(SecretSource::File(value.into())),
            Some(("env", value)) => source = Some(SecretSource::Variable(value.to_string())),
            Some(("type", "file" | "env")) => {}
            _ => return Err(bad("expected id=ID,src=FILE or id=ID,env=VARIABLE")),
        }
    }
    let id = id.filter(|id| !id.is_empty()).ok_or_else(|| bad("it needs an id"))?;
    // As Docker: a variable of that name, else a file of that name.
    let source = source.unwrap_or_else(|| match std::env::var_os(&id) {
        Some(_) => SecretSource::Variable(id.clone()),
        None => SecretSource::File(PathBuf::from(&id)),
    });
    if let SecretSource::File(path) = &source
        && !path.is_file()
    {
        return Err(bad(&format!("there is no file {}", path.display())));
    }
    Ok((id, source))
}

/// `default` or `ID[=SOCKET]`.
pub fn agent(text: &str) -> Result<(String, PathBuf), Failure> {
    let bad = |reason: &str| Failure::new(format!("invalid value '{text}' for --ssh: {reason}"));
    let (id, path) = match text.split_once('=') {
        Some((id, path)) => (id, PathBuf::from(path)),
        None => (
            text,
            std::env::var_os("SSH_AUTH_SOCK")
                .map(PathBuf::from)
                .ok_or_else(|| bad("no agent runs: SSH_AUTH_SOCK is not set"))?,
        ),
    };
    let is_socket = |path: &Path| {
        use std::os::unix::fs::FileTypeExt;
        fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
    };
    if !is_socket(&path) {
        return Err(bad(&format!("{} is no socket of an agent", path.display())));
    }
    Ok((id.to_string(), path))
}
