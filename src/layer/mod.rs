//! Layers: tar archives in, mountable forms out.

pub mod archive;
pub mod compress;
pub mod directory;
mod emit;
pub mod entry;
pub mod erofs;
mod error;
mod exact;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hashed;
mod pack;
mod stream;
mod tar;
#[cfg(test)]
mod tests;

use std::io::Read;

use lay_store::{Digest, Layer, LayerForm, Store};

pub use emit::Emitter;
use entry::FormWriter;
pub use error::Error;
pub use exact::Exact;
pub use hashed::Hashed;
pub use pack::{Packed, extract, pack};
pub use stream::Compression;
use stream::Purpose;

/// Reads a layer's blob to its end, once, and puts the layer into the store in the given form.
///
/// How the blob is compressed is told by its first bytes. What is inflated, whatever follows the archive's end
/// included, must hash to `diff_id`; else nothing becomes visible. Blocks the caller, and inflates on a thread that is gone
/// when this returns.
///
/// # Errors
/// Any of [`Error`]; what was written so far is removed.
pub fn unpack(
    store: &Store,
    blob: impl Read + Send,
    diff_id: &Digest,
    form: LayerForm,
) -> Result<Layer, Error> {
    let failed = |source| Error::Store { diff_id: *diff_id, source };
    let room = store.layer_room().map_err(failed)?;
    let ingest = store.layer_ingest(diff_id, form).map_err(failed)?;
    let actual = match form {
        LayerForm::Directory => {
            write(blob, Purpose::Layer, room, &mut directory::Writer::new(ingest.path())?)?
        }
        LayerForm::Erofs => write(blob, Purpose::Layer, room, &mut erofs::Writer::new(ingest.path())?)?,
    };
    if actual != *diff_id {
        return Err(Error::DiffId { expected: *diff_id, actual });
    }
    ingest.commit().map_err(failed)
}

/// The inflated content of a stream that may be compressed in any known way.
///
/// # Errors
/// [`Error::Read`].
pub fn inflate<'a>(stream: impl Read + Send + 'a) -> Result<impl Read + 'a, Error> {
    stream::inflater(stream, Purpose::Archive)
}

/// An attribute by which overlayfs is told something, such as `opaque`: in a user namespace it looks for them among those that
/// anybody may set (`userxattr` in `Documentation/filesystems/overlayfs.rst`).
pub fn overlay_xattr(name: &str) -> String {
    let namespace = if crate::kernel::userns::nested() { "user" } else { "trusted" };
    format!("{namespace}.overlay.{name}")
}

/// Gives every entry of an archive, which may be compressed in any known way, to `writer`.
///
/// # Errors
/// Any of [`Error`], or what `writer` returns.
pub fn read_entries(
    archive: impl Read + Send,
    room: u64,
    writer: &mut impl FormWriter<Error = Error>,
) -> Result<(), Error> {
    write(archive, Purpose::Archive, room, writer).map(drop)
}

/// Most entries of a layer. Names are kept in memory until the end, some 200 bytes each.
const MAX_ENTRIES: u64 = 8 << 20;

/// Feeds a form's writer from a blob that inflates to at most `room` bytes; gives the digest of the inflated stream.
fn write(
    blob: impl Read + Send,
    purpose: Purpose,
    room: u64,
    writer: &mut impl FormWriter<Error = Error>,
) -> Result<Digest, Error> {
    stream::beside(blob, purpose, room, |inflated| fill(inflated, writer))
}

/// Feeds a form's writer with an inflated archive; gives its digest.
fn fill(
    inflated: stream::Inflated<'_>,
    writer: &mut impl FormWriter<Error = Error>,
) -> Result<Digest, Error> {
    let mut entries = 0;
    let mut reader = tar::Reader::new(inflated);
    while let Some(entry) = reader.next_entry()? {
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(Error::TooMany { limit: MAX_ENTRIES });
        }
        writer.entry(&entry, &mut reader.data()).map_err(|e| e.at(&entry.path))?;
    }
    writer.finish()?;
    reader.into_inner().finish().map_err(Error::Read)
}
