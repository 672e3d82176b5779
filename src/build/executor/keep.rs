//! The end of a stage: what it made comes into the store.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lay_store::{Digest, Store};

use super::{Event, Session};
use crate::build::error::StepError;
use crate::build::state::{LAYER, Part};
use crate::build::step::Stage;
use crate::layer::archive::changes_until;
use crate::layer::pack;

/// Archives that are written at once.
const THREADS: usize = 4;

/// An archive that is still to come into the store.
enum Pending {
    Packed(crate::layer::Packed, PathBuf),
    Kept(usize, PathBuf),
}

/// Brings all that the stage has made into the store, and tells its end.
pub fn keep_all(mut stage: Stage<'_>, well: bool) -> bool {
    let result = stage.dir().map(Path::to_path_buf).and_then(|dir| keep_pending(&mut stage, &dir));
    let Stage { index, state, records, digests, tell, .. } = stage;
    digests.save();
    let state = Box::new(state);
    let (event, well) = match result {
        Ok(made) => (Event::Finished { stage: index, made, records, state: well.then_some(state) }, true),
        Err(error) => {
            let report = format!("cannot keep the layers: {}", crate::error::chain(&error));
            (Event::Failed { stage: index, number: 0, report, code: None, state }, false)
        }
    };
    tell(&event);
    well
}

/// What became of directories.
fn keep_pending(stage: &mut Stage<'_>, dir: &Path) -> Result<Vec<(usize, Digest, u64)>, StepError> {
    let packed = std::mem::take(&mut stage.packed);
    let packed = packed.into_iter().map(|(packed, blob)| Pending::Packed(packed, blob));
    let kept = stage.state.parts.iter().filter_map(|part| match part {
        Part::Kept { step: (index, number), path } if *index == stage.index => {
            Some(Pending::Kept(*number, path.clone()))
        }
        _ => None,
    });
    let pending: Vec<Mutex<Option<Pending>>> =
        packed.chain(kept).map(|pending| Mutex::new(Some(pending))).collect();
    let next = AtomicUsize::new(0);
    let (session, epoch) = (stage.session, stage.state.epoch);
    let work = || -> Result<Vec<(usize, Digest, u64)>, StepError> {
        let mut made = Vec::new();
        while let Some(slot) = pending.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(pending) = slot.lock().ok().and_then(|mut slot| slot.take()) else { continue };
            made.extend(keep(session, dir, epoch, pending)?);
        }
        Ok(made)
    };
    let threads = THREADS.min(pending.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Vec<_>, StepError>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let lists = threads.into_iter().map(join).collect::<Result<Vec<_>, _>>()?;
        Ok(lists.concat())
    })
}

fn keep(
    session: &Session<'_>,
    dir: &Path,
    epoch: i64,
    pending: Pending,
) -> Result<Option<(usize, Digest, u64)>, StepError> {
    let store: &Store = &session.env.store;
    let (packed, blob, number) = match pending {
        Pending::Packed(packed, blob) => (packed, blob, None),
        Pending::Kept(number, upper) => {
            let path = dir.join(format!("blob-{number}"));
            let blob = File::create(&path).map_err(StepError::file("create", &path))?;
            let packed =
                pack(store, session.form, &blob, |out: &mut dyn Write| changes_until(&upper, epoch, out))?;
            (packed, path, Some(number))
        }
    };
    let (diff_id, size) = (packed.diff_id, packed.size);
    session.lease.protect([diff_id])?;
    store.adopt_blob(&blob, &diff_id, size, LAYER)?;
    packed.commit()?;
    Ok(number.map(|number| (number, diff_id, size)))
}
