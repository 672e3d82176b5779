//! Reading and writing the kernel's small files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::error::{Error, Result};

/// Writes a value in one call, as these files require.
pub fn write(path: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

/// Writes the value of a setting.
pub fn set(setting: &'static str, path: &Path, value: &str) -> Result<()> {
    write(path, value).map_err(|source| Error::Set {
        setting,
        value: value.to_owned(),
        path: path.to_owned(),
        source,
    })
}

/// Reads a file whole.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::io("read", path))
}

/// Reads a file whole; `None` if this kernel does not have it.
pub fn read_if_there(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path)(e)),
    }
}

/// Reads a file that holds one number.
pub fn number(path: &Path) -> Result<u64> {
    let text = read(path)?;
    parse(path, text.trim())
}

/// The value of a key in a file of lines `key value`; `None` if it has no such line.
pub fn field(path: &Path, key: &str) -> Result<Option<u64>> {
    let text = read(path)?;
    field_of(&text, key).map(|value| parse(path, value)).transpose()
}

/// The value of a key in the text of lines `key value`.
pub fn field_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(k, _)| *k == key)
        .map(|(_, value)| value.trim())
}

/// A number, or a complaint about the file that it was found in.
pub fn parse(path: &Path, text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::Content { path: path.to_owned(), text: text.to_owned() })
}
