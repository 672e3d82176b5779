//! Carrying a plan out: stages in processes of their own, side by side where they do not need each other.

mod bases;
mod child;
mod event;
mod finish;
mod keep;
mod schedule;
mod session;
mod worker;

use std::path::Path;

use lay_store::{LayerForm, Lease, Store};

pub use event::{Event, How, Progress};
pub use finish::{Finished, Remembered};
pub use schedule::Scene;
pub use session::Session;

use super::cache::{Carried, Elsewhere, Loading};
use super::containerfile::{Containerfile, ParseError, Stage, nearest};
use super::context::{self, Context};
use super::error::{Error, report};
use super::lint;
use super::options::{Caching, Options};
use super::plan::{Plan, PlanError, Warning};
use crate::container::{Environment, Workplace};
use crate::image::Image;

/// Characters of a step's id.
pub const STEP_ID: usize = 12;

/// An image that was built.
#[derive(Debug)]
pub struct Built {
    /// The image.
    pub image: Image,
    /// Its names.
    pub names: Vec<String>,
    /// Keeps it in the store, which has no name for it if the user wants its files elsewhere.
    pub lease: Lease,
}

/// Why a build failed, and what is left of it.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: Error,
    /// Where it failed, if the user wants to look at that.
    pub scene: Option<Box<Scene>>,
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), scene: None }
    }
}

/// Builds an image and gives it its names. The caller must be single-threaded.
///
/// # Errors
/// With the message for the user. What was built until then is in the cache; nothing has a name.
pub fn build(
    env: &Environment,
    form: LayerForm,
    request: &context::Request,
    options: &Options,
    progress: &mut dyn Progress,
) -> Result<Built, Failure> {
    // It takes a while, and happens meanwhile.
    let loading = Loading::begin(&env.store)?;
    let home = Home::of(env, request, options)?;
    let result = build_from(env, form, request, options, progress, loading, &home);
    home.remove(env)?;
    result
}

fn build_from(
    env: &Environment,
    form: LayerForm,
    request: &context::Request,
    options: &Options,
    progress: &mut dyn Progress,
    loading: Loading,
    home: &Home,
) -> Result<Built, Failure> {
    let context = Context::open(request, home.dir(), env.store.layer_room()?)?;
    let contexts = context::named::open(&options.request.contexts, home.dir())?;
    let file = parse(&context)?;
    let findings = lint::lint(&env.store, &context, &file, options)?;
    for warning in lint::warnings(&context, &findings)? {
        progress.event(&Event::Note(warning));
    }
    let plan = Plan::new(&file, &options.request).map_err(|error| plan_error(&context, error))?;
    for warning in &plan.warnings {
        progress.event(&Event::Note(warning_text(warning)));
    }
    for warning in unknown_stages(&file, &options.caching) {
        progress.event(&Event::Note(warning));
    }
    let lease = env.store.lease()?;
    let texts = (context.name.as_str(), context.content.as_slice());
    let images = bases::find(env, form, texts, (&plan, &file.stages), options, &lease, progress)?;
    let (mut cache, mut elsewhere) = (loading.end(), Elsewhere::default());
    for place in &options.cache_from {
        match Carried::fetch(&env.store, options, &lease, place, &mut elsewhere) {
            Ok(carried) => cache.merge(carried),
            // The first build finds none, and should not fail for that.
            Err(error) => progress.event(&Event::Note(format!("warning: {}", crate::error::chain(&error)))),
        }
    }
    let session = Session {
        env,
        form,
        file: &file,
        plan: &plan,
        options,
        context: &context,
        contexts,
        cache,
        elsewhere,
        lease: &lease,
        images,
        mounts: crate::snapshot::Originals::default(),
        done: std::collections::BTreeMap::new(),
    };
    let Finished { image, names, carried, elsewhere } = schedule::run(session, progress)?;
    for place in &options.cache_to {
        progress.event(&Event::Note(format!("keeping results in {place}")));
        carried.clone().send(&env.store, form, options, place, &elsewhere)?;
    }
    Ok(Built { image, names, lease })
}

/// Checks a Containerfile instead of building it; gives what was found, each with its line.
///
/// # Errors
/// With the message for the user.
pub fn check_file(
    env: &Environment,
    request: &context::Request,
    options: &Options,
) -> Result<Vec<String>, Error> {
    let home = Home::of(env, request, options)?;
    let result = Context::open(request, home.dir(), env.store.layer_room()?).and_then(|context| {
        let file = parse(&context)?;
        let findings = lint::lint(&env.store, &context, &file, options)?;
        Ok(lint::lines(&context, &findings))
    });
    home.remove(env)?;
    result
}

/// Reads a Containerfile.
///
/// # Errors
/// With the message for the user.
pub fn parse(context: &Context) -> Result<Containerfile, Error> {
    let parsed = Containerfile::parse(&context.name, &context.content);
    parsed.map_err(|error: ParseError| Error::Parse { report: error.report(&context.content) })
}

/// The message of an error in a plan, with the line if it has one.
pub fn plan_error(context: &Context, error: PlanError) -> Error {
    let report = match error.position {
        Some(position) => report(&context.name, &context.content, position, &error.problem.to_string()),
        None => error.to_string(),
    };
    Error::Parse { report }
}

fn warning_text(warning: &Warning) -> String {
    format!("warning: {warning}")
}

/// Stages that are to be built without the cache, and that are not there.
fn unknown_stages(file: &Containerfile, caching: &Caching) -> Vec<String> {
    let Caching::Without(wanted) = caching else { return Vec::new() };
    let name = |(index, stage): (usize, &Stage)| stage.from.name.clone().unwrap_or_else(|| index.to_string());
    let names: Vec<String> = file.stages.iter().enumerate().map(name).collect();
    let unknown = wanted.iter().filter(|name| !names.iter().any(|other| other.eq_ignore_ascii_case(name)));
    let warning = |name: &String| {
        let nearest = nearest(name, names.iter().map(String::as_str));
        let hint = nearest.map(|other| format!(" (did you mean {other}?)")).unwrap_or_default();
        format!("warning: --no-cache-filter: there is no stage \"{name}\"{hint}")
    };
    unknown.map(warning).collect()
}

/// A directory for what has to be unpacked or cloned; none for a context that is a directory itself.
struct Home(Option<Workplace>);

impl Home {
    fn of(env: &Environment, request: &context::Request, options: &Options) -> Result<Self, Error> {
        let needed = request.context == "-"
            || context::git::is_repository(&request.context)
            || context::named::needs_place(&options.request.contexts);
        let workplace = needed.then(|| Workplace::new(env, "build context", Vec::new(), None));
        Ok(Self(workplace.transpose()?))
    }

    fn dir(&self) -> &Path {
        self.0.as_ref().map_or(Path::new("/nonexistent"), Workplace::dir)
    }

    fn remove(self, env: &Environment) -> Result<(), Error> {
        if let Some(workplace) = self.0 {
            workplace.remove(env)?;
        }
        Ok(())
    }
}

/// Whether a word can be the id of a step.
pub fn is_step_id(word: &str) -> bool {
    word.len() == STEP_ID && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The image after a step that an earlier build has carried out, by the step's id. The caller must be single-threaded, and
/// still is when this returns.
///
/// # Errors
/// When the store fails.
pub fn step_image(store: &Store, id: &str) -> Result<Option<Image>, Error> {
    finish::step_image(store, id)
}
