//! Archives in, directories out. What makes files of other owners needs root and is skipped, saying so, without it.

mod archive;
mod back;
mod erofs;
mod hostile;
mod listing;
mod peer;
mod random;
mod rules;
mod stream;

use std::fs;
use std::path::PathBuf;

use lay_store::{Digest, Layer, LayerForm, Store};
use tempfile::TempDir;

use super::{Error, unpack};
use archive::Archive;
use listing::{Listing, list};

/// Why a test can't run here, printed.
fn skip() -> bool {
    let skip = !rustix::process::geteuid().is_root();
    if skip {
        eprintln!("skipped: needs root");
    }
    skip
}

/// A store in a directory of its own, beside things that no archive may touch.
struct Bench {
    temp: TempDir,
    store: Store,
    before: Listing,
}

impl Bench {
    fn new() -> Self {
        let temp = TempDir::new().unwrap();
        fs::create_dir(temp.path().join("canary")).unwrap();
        fs::write(temp.path().join("canary/file"), "alive").unwrap();
        let store = Store::open(&temp.path().join("store")).unwrap();
        let before = list(&temp.path().join("canary"));
        Self { temp, store, before }
    }

    fn canary(&self) -> PathBuf {
        self.temp.path().join("canary")
    }

    fn unpack(&self, blob: &[u8], diff_id: &Digest) -> Result<Layer, Error> {
        let result = unpack(&self.store, blob, diff_id, LayerForm::Directory);
        erofs::same(blob, diff_id, &result);
        assert_eq!(self.before, list(&self.canary()), "something outside of the layer has changed");
        if result.is_err() {
            assert!(self.store.layer(diff_id).is_none(), "a refused layer is visible");
        }
        result
    }

    /// Unpacks a plain archive.
    fn plain(&self, archive: Archive) -> Result<Layer, Error> {
        let bytes = archive.bytes();
        self.unpack(&bytes, &Digest::of(&bytes))
    }
}

/// What an archive's directory looks like.
fn listed(archive: Archive) -> Listing {
    let bench = Bench::new();
    let layer = bench.plain(archive).unwrap();
    list(&layer.path)
}

/// Why an archive is refused.
fn refused(archive: Archive) -> String {
    Bench::new().plain(archive).expect_err("accepted").to_string()
}
