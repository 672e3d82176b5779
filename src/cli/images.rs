//! `lay images`

use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{DAMAGED, Failure, Tried};
use super::filter::{Filters, fits, has_label};
use super::human;
use super::output::{Format, line, rows};
use crate::image::{self, Listed};
use crate::registry::Reference;

/// List images
#[derive(Args, Debug)]
pub struct Images {
    /// Only images of this repository, or with this name
    name: Option<String>,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Only images that fit: dangling=true|false, reference=PATTERN, label=KEY[=VALUE]
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// table, json, or a template such as '{{.Repository}} {{.Size}}'
    #[arg(long)]
    format: Option<String>,
    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// Accepted for Docker's sake: all images are always shown
    #[arg(short, long, hide = true)]
    all: bool,
}

impl Images {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let filters = Filters::parse(&self.filter, &["dangling", "reference", "label"])?;
        let format = Format::parse(self.format.as_deref())?;
        let store = context.store()?;
        let mut shown = Vec::new();
        for row in image::list(&store).tried(|| "cannot list the images".to_string())? {
            match row {
                Ok(listed) if self.wants(&listed, &filters) => shown.push(listed),
                Ok(_) => {}
                Err(error @ image::Error::Damaged { .. }) => {
                    eprintln!("lay: {} ({DAMAGED})", crate::error::chain(&error));
                }
                Err(error) => {
                    eprintln!("lay: {} ('lay check --repair' takes it out)", crate::error::chain(&error))
                }
            }
        }
        if self.quiet {
            return shown.iter().try_for_each(|l| line(self.id(l))).map(|()| 0);
        }
        let mut columns = vec![("REPOSITORY", "Repository"), ("TAG", "Tag")];
        columns.extend(self.digests.then_some(("DIGEST", "Digest")));
        columns.extend([("IMAGE ID", "ID"), ("CREATED", "CreatedSince"), ("SIZE", "Size")]);
        let objects: Vec<Value> = shown.iter().map(|l| self.row(l)).collect();
        rows(&format, &columns, &objects)?;
        Ok(0)
    }

    fn wants(&self, listed: &Listed, filters: &Filters) -> bool {
        let name = listed.image.name.as_deref();
        let named = self.name.as_deref().is_none_or(|wanted| {
            let (repository, _) = parts(name);
            name == Some(wanted) || repository == wanted || name == Some(&format!("{wanted}:latest"))
        });
        let config = listed.image.config.config();
        named
            && filters.fit(|key, value| match key {
                "dangling" => (value == "true") == name.is_none(),
                "reference" => name.is_some_and(|n| fits(value, n) || fits(value, &parts(name).0)),
                _ => config
                    .as_ref()
                    .and_then(|c| c.labels().as_ref())
                    .is_some_and(|l| has_label(l.iter(), value)),
            })
    }

    fn id(&self, listed: &Listed) -> String {
        if self.no_trunc { listed.image.id.to_string() } else { listed.image.id.hex()[..12].to_string() }
    }

    fn row(&self, listed: &Listed) -> Value {
        let (repository, tag) = parts(listed.image.name.as_deref());
        let created = listed.image.config.created().clone().unwrap_or_default();
        json!({
            "Repository": repository,
            "Tag": tag,
            "Digest": listed.image.pulled_digest().unwrap_or("<none>"),
            "ID": self.id(listed),
            "CreatedAt": created,
            "CreatedSince": human::ago(&created),
            "Size": human::size(listed.size, 3),
            "Bytes": listed.size,
        })
    }
}

/// Repository and tag of a name, with `<none>` for what is missing.
fn parts(name: Option<&str>) -> (String, String) {
    let none = || "<none>".to_string();
    match name.map(Reference::parse) {
        Some(Ok(reference)) => {
            let familiar = reference.familiar();
            let bare = familiar.split('@').next().unwrap_or_default();
            let tag = reference.tag().map_or_else(none, str::to_string);
            let repository = bare.strip_suffix(&format!(":{tag}")).unwrap_or(bare);
            (repository.to_string(), tag)
        }
        Some(Err(_)) => (name.unwrap_or_default().to_string(), none()),
        None => (none(), none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart() {
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(parts(Some("centos:7")), pair("centos", "7"));
        assert_eq!(parts(Some("127.0.0.1:5000/a/b:x")), pair("127.0.0.1:5000/a/b", "x"));
        assert_eq!(parts(None), pair("<none>", "<none>"));
    }
}
