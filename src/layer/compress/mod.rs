//! Compressing layers on all processors, with the same result on every machine.
//!
//! The archive is cut into blocks of fixed size, each of which is compressed by itself; so the result depends on nothing
//! but the archive, the method, the level and the version of the compressing library.

mod gzip;
mod pipeline;
mod zstandard;

use std::io::{self, Read, Write};

use lay_store::Digest;

/// Told apart in records of what a layer was compressed to: to be changed with whatever changes the bytes that come out.
const VERSION: u32 = 1;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// gzip (RFC 1952), one member.
    Gzip,
    /// Zstandard (RFC 8878), one frame a block.
    Zstd,
}

/// A method and a level that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    method: Method,
    level: u32,
}

/// A level that a method does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{method} has the levels {} to {}, not {level}", levels(*.method).0, levels(*.method).1)]
pub struct LevelError {
    method: Method,
    level: u32,
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// The least and the greatest level.
fn levels(method: Method) -> (u32, u32) {
    match method {
        Method::Gzip => (1, 9),
        Method::Zstd => (1, 19),
    }
}

impl Settings {
    /// A method with a level, or with the one that its own tools use.
    ///
    /// # Errors
    /// When the method has no such level.
    pub fn new(method: Method, level: Option<u32>) -> Result<Self, LevelError> {
        let level = level.unwrap_or(match method {
            Method::Gzip => 6,
            Method::Zstd => 3,
        });
        let (least, most) = levels(method);
        if (least..=most).contains(&level) {
            return Ok(Self { method, level });
        }
        Err(LevelError { method, level })
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// A name for all that the result depends on beside the archive.
    pub fn key(&self) -> String {
        format!("{}-{}-{VERSION}", self.method, self.level)
    }
}

/// Reads an archive to its end and writes it compressed; gives the digest of what was read. Threads are used inside, and are
/// gone when this returns. Takes some 4 MiB of memory a processor.
///
/// # Errors
/// When the archive cannot be read, or `out` cannot be written.
pub fn compress(input: impl Read + Send, out: &mut impl Write, settings: Settings) -> io::Result<Digest> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    compress_on(threads, input, out, settings)
}

fn compress_on(
    threads: usize,
    input: impl Read + Send,
    out: &mut impl Write,
    settings: Settings,
) -> io::Result<Digest> {
    match settings.method {
        Method::Gzip => pipeline::run(threads, input, out, gzip::Gzip(settings.level)),
        Method::Zstd => pipeline::run(threads, input, out, zstandard::Zstandard(settings.level)),
    }
}

#[cfg(test)]
mod tests;
