//! Checks of a Containerfile with all that is known of its context and of its base images.

use super::check::{Finding, Findings, Knowledge, check};
use super::containerfile::Containerfile;
use super::context::Context;
use super::error::{Error, report};
use super::options::Options;
use super::plan::{Origin, Plan};
use crate::image;
use lay_store::Store;

/// Checks a file; nothing is built.
///
/// # Errors
/// When it cannot be checked.
pub fn lint(
    store: &Store,
    context: &Context,
    file: &Containerfile,
    options: &Options,
) -> Result<Findings, Error> {
    let mut knowledge = Knowledge {
        request: options.request.clone(),
        ignore: Some(context.root.ignore.clone()),
        ..Knowledge::default()
    };
    // What is wrong with a plan is a matter of the build.
    let plan = Plan::new(file, &options.request).ok();
    for stage in plan.iter().flat_map(|plan| &plan.stages) {
        let Origin::Image(name) = &stage.base else { continue };
        let Ok(image) = image::find(store, name) else { continue };
        let config = image.config.config().as_ref();
        let env = config.and_then(|config| config.env().clone()).unwrap_or_default();
        let pairs = env.iter().filter_map(|entry| entry.split_once('='));
        knowledge.environments.insert(name.clone(), pairs.map(|(k, v)| (k.into(), v.into())).collect());
    }
    check(file, &knowledge).map_err(|error| Error::Parse { report: format!("{}: {error}", context.name) })
}

/// Each finding with its line and where its rule is explained.
pub fn lines(context: &Context, findings: &Findings) -> Vec<String> {
    let line = |finding: &Finding| {
        let message = format!("{}: {} ({})", finding.rule, finding.message, finding.rule.url());
        report(&context.name, &context.content, finding.position, &message)
    };
    findings.list.iter().map(line).collect()
}

/// Each finding in a line, for a build that goes on all the same.
///
/// # Errors
/// Where the file wants no findings (`# check=error=true`).
pub fn warnings(context: &Context, findings: &Findings) -> Result<Vec<String>, Error> {
    if findings.fatal {
        let all = lines(context, findings).join("\n");
        let report = format!("{all}\nthe file wants no such findings (# check=error=true)");
        return Err(Error::Parse { report });
    }
    let line = |finding: &Finding| {
        let Finding { rule, position, message } = finding;
        format!("warning: {}:{position}: {rule}: {message}", context.name)
    };
    Ok(findings.list.iter().map(line).collect())
}
