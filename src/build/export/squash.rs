//! All that a build added as one layer.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use lay_store::{Digest, LayerForm, Lease};
use serde_json::{Value, json};

use crate::build::error::{Error, StepError};
use crate::build::state::{LAYER, Part, State, time};
use crate::container::Environment;
use crate::layer::archive::{Change, selection};
use crate::layer::pack;
use crate::snapshot::{Difference, Snapshot, differences};

/// Makes one layer of all that stand above the first `below`, and of the history after its first `known` entries an account
/// of what came before, as Docker's `--squash`.
///
/// # Errors
/// When a layer cannot be read or the new one not be written.
pub fn squash(
    env: &Environment,
    form: LayerForm,
    lease: &Lease,
    state: &State,
    (below, known): (usize, usize),
) -> Result<State, Error> {
    if state.parts.len() <= below + 1 {
        return Ok(state.clone());
    }
    let after = state.snapshot(&env.store, env.via)?;
    let entries = entries(&after, below).map_err(StepError::from)?;
    let files = after.peek().map_err(StepError::from)?;
    let root = format!("/proc/self/fd/{}/.", files.as_fd().as_raw_fd());
    let dir = env.store.root().join("trash");
    let failed = || StepError::file("write in", &dir);
    let blob = tempfile::Builder::new().prefix(".squash-").tempfile_in(&dir).map_err(failed())?;
    let packed = pack(&env.store, form, blob.as_file(), |out: &mut dyn Write| {
        selection(Path::new(&root), &entries, state.epoch, out).map_err(StepError::from)
    })?;
    let (diff_id, size) = (packed.diff_id, packed.size);
    lease.protect([diff_id])?;
    env.store.adopt_blob(&blob.into_temp_path(), &diff_id, size, LAYER)?;
    packed.commit().map_err(StepError::from)?;
    let mut parts = state.parts[..below].to_vec();
    parts.push(Part::stored(diff_id, size));
    Ok(State { parts, history: history(state, known, &diff_id), ..state.clone() })
}

/// What the layers above the first `below` have changed.
fn entries(after: &Snapshot, below: usize) -> Result<BTreeMap<PathBuf, Change>, crate::snapshot::Error> {
    let empty = tempfile::tempdir().map_err(|e| crate::snapshot::Error::Upper {
        step: "create",
        path: std::env::temp_dir(),
        source: rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::IO),
    })?;
    let mut before = Snapshot { layers: after.layers[..below].to_vec(), ..after.clone() };
    if below == 0 {
        let (diff_id, path) = (Digest::of(b""), empty.path().to_path_buf());
        before.layers.push(lay_store::Layer { diff_id, form: LayerForm::Directory, path });
    }
    let mut entries: BTreeMap<PathBuf, Change> = BTreeMap::new();
    let all = differences(&before, after)?;
    let kept = after.peek()?;
    for (path, difference, _) in all {
        if difference != Difference::Removed {
            entries.insert(path, Change::Present);
            continue;
        }
        // What stood below something that is gone, or no directory any more, is gone with it.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let has_parent = match parent {
            None => true,
            Some(parent) => {
                kept.stat_itself(parent)?.is_some_and(|kind| kind == rustix::fs::FileType::Directory)
            }
        };
        if has_parent {
            entries.insert(path, Change::Deleted);
        }
    }
    Ok(entries)
}

/// The steps that made the layers have none of their own now.
fn history(state: &State, known: usize, diff_id: &Digest) -> Vec<Value> {
    let mut history = state.history.clone();
    for entry in history.iter_mut().skip(known) {
        entry["empty_layer"] = json!(true);
    }
    history.push(json!({"created": time(state.epoch), "comment": format!("squashed to {diff_id}")}));
    history
}
