//! What all stages of a build share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use lay_store::{BuildKind, LayerForm, Lease};

use crate::build::cache::{Cache, Elsewhere, Inputs, Last, Wanted, explain};
use crate::build::containerfile::Containerfile;
use crate::build::context::Context;
use crate::build::copy::Root;
use crate::build::error::StepError;
use crate::build::options::{Caching, Options, SecretSource};
use crate::build::plan::Plan;
use crate::build::state::State;
use crate::container::Environment;
use crate::image::Image;
use crate::snapshot::{Files, Originals, Snapshot};

/// No secret is longer, in bytes (as in BuildKit).
const MAX_SECRET: u64 = 500 * 1024;

/// A build under way.
pub struct Session<'a> {
    /// Store and machine.
    pub env: &'a Environment,
    /// What layers are turned into.
    pub form: LayerForm,
    /// The Containerfile.
    pub file: &'a Containerfile,
    /// What has to be done.
    pub plan: &'a Plan<'a>,
    /// What the user asks for.
    pub options: &'a Options,
    /// The context.
    pub context: &'a Context,
    /// Contexts that have names.
    pub contexts: BTreeMap<String, Arc<Root>>,
    /// What earlier builds have left.
    pub cache: Cache,
    /// What of it is not here.
    pub elsewhere: Elsewhere,
    /// Keeps in the store what the build uses.
    pub lease: &'a Lease,
    /// Images by the names that the Containerfile has for them.
    pub images: BTreeMap<String, Image>,
    /// Mounts of their layers.
    pub mounts: Originals,
    /// Stages that can be built upon.
    pub done: BTreeMap<usize, State>,
}

impl Session<'_> {
    /// The context's files.
    pub fn context_root(&self) -> Result<Arc<Root>, StepError> {
        Ok(Arc::clone(&self.context.root))
    }

    /// The files of a context that has a name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn named_root(&self, name: &str) -> Result<Arc<Root>, StepError> {
        let root = self.contexts.get(name).map(Arc::clone);
        root.ok_or_else(|| StepError::NotGiven(format!("there is no context {name}")))
    }

    /// Where digests of the context's files are kept.
    pub fn digests_path(&self) -> PathBuf {
        self.env.store.root().join("build/contexts").join(self.context.id().hex())
    }

    /// The image that a stage is.
    ///
    /// # Errors
    /// When it is not built: a trigger named a stage that nothing else needs.
    pub fn stage(&self, index: usize) -> Result<State, StepError> {
        let state = self.done.get(&index).cloned();
        state.ok_or_else(|| {
            let name = self.stage_name(index);
            StepError::NotGiven(format!(
                "stage {name} is not built: only a trigger of the base image needs it"
            ))
        })
    }

    /// Whether a stage takes results of earlier builds.
    pub fn is_cached(&self, stage: usize) -> bool {
        match &self.options.caching {
            Caching::All => true,
            Caching::Without(names) => {
                let named = self.stage_name(stage);
                !names.iter().any(|name| name.eq_ignore_ascii_case(&named))
            }
            Caching::None => false,
        }
    }

    /// A stage's name, or its number.
    pub fn stage_name(&self, index: usize) -> String {
        let stage = self.file.stages.get(index);
        stage.and_then(|stage| stage.from.name.clone()).unwrap_or_else(|| index.to_string())
    }

    /// An image that files are taken from.
    ///
    /// # Errors
    /// When it is not here.
    pub fn image_state(&self, name: &str) -> Result<State, StepError> {
        match self.images.get(&super::bases::key(name, self.options.platform())) {
            Some(image) => State::of_image(image, self.options.epoch),
            None => Err(crate::image::Error::NotFound(name.to_owned()).into()),
        }
    }

    /// The files of an image under construction; none without layers.
    ///
    /// # Errors
    /// When they cannot be mounted.
    pub fn files(&self, state: &State) -> Result<Option<Files>, StepError> {
        if state.parts.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.snapshot(state)?.peek()?))
    }

    /// The layers of an image under construction, to be mounted.
    ///
    /// # Errors
    /// [`StepError::Lost`] when one of them cannot be had.
    pub fn snapshot(&self, state: &State) -> Result<Snapshot, StepError> {
        self.bring(state)?;
        Ok(Snapshot { kept: self.mounts.kept(), ..state.snapshot(&self.env.store, self.env.via)? })
    }

    /// Brings those layers of results into the store that are elsewhere.
    ///
    /// # Errors
    /// [`StepError::Lost`] when one of them cannot be had.
    pub fn bring(&self, state: &State) -> Result<(), StepError> {
        let store = &self.env.store;
        let mut wanted: Vec<Wanted> = state.parts.iter().filter_map(|part| part.missing(store)).collect();
        // What a base image lacks no step makes; its archives may be gone, and are not needed.
        wanted.retain(|(diff_id, _)| !self.images.values().any(|image| image.layers.contains(diff_id)));
        if wanted.is_empty() {
            return Ok(());
        }
        let lost = self.elsewhere.fetch(store, self.form, self.options, self.lease, &wanted)?;
        if lost.is_empty() { Ok(()) } else { Err(StepError::Lost(lost)) }
    }

    /// The value of a secret; none if the user gives none.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, StepError> {
        match self.options.secrets.get(id) {
            None => Ok(None),
            Some(SecretSource::Variable(name)) => {
                let value = std::env::var_os(name);
                Ok(value.map(std::os::unix::ffi::OsStringExt::into_vec))
            }
            Some(SecretSource::File(path)) => {
                use std::io::Read;
                let mut value = Vec::new();
                let file = std::fs::File::open(path).map_err(StepError::file("read the secret", path))?;
                file.take(MAX_SECRET + 1)
                    .read_to_end(&mut value)
                    .map_err(StepError::file("read the secret", path))?;
                if value.len() as u64 > MAX_SECRET {
                    return Err(StepError::NotGiven(format!(
                        "the secret \"{id}\" is longer than {MAX_SECRET} bytes"
                    )));
                }
                Ok(Some(value))
            }
        }
    }

    /// The socket of an SSH agent.
    pub fn agent(&self, id: &str) -> Option<PathBuf> {
        self.options.agents.get(id).cloned()
    }

    /// Key of what the last build of a stage depended on.
    pub fn last_key(&self, stage: usize) -> String {
        format!("{}/{}/{}", self.context.id().hex(), self.stage_name(stage), self.options.platform())
    }

    /// Why a step is carried out.
    pub fn why(&self, stage: usize, number: usize, inputs: &Inputs, settled: bool) -> String {
        match &self.options.caching {
            Caching::None => return "--no-cache".to_owned(),
            Caching::Without(_) if !self.is_cached(stage) => return "--no-cache-filter".to_owned(),
            _ => {}
        }
        let last: Option<Last> = self.cache.get(BuildKind::Last, &self.last_key(stage));
        explain(last.as_ref().and_then(|last| last.steps.get(&number)), inputs, settled)
    }
}
