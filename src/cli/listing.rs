//! Flags that every short list takes.

use clap::Args;
use serde_json::Value;

use super::failure::Failure;
use super::filter::{Filters, fits};
use super::output::{Column, Format, line, rows, text};

/// How a list is shown.
#[derive(Args, Debug)]
pub struct ListFlags {
    /// Only what fits: name=PATTERN
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// table, json, or a template such as '{{.Name}}'
    #[arg(long)]
    format: Option<String>,
    /// Only names
    #[arg(short, long)]
    quiet: bool,
    /// Accepted for Docker's sake: nothing is shortened
    #[arg(long, hide = true)]
    no_trunc: bool,
}

impl ListFlags {
    /// Prints rows, each an object with a `Name`.
    ///
    /// # Errors
    /// When a filter or the format makes no sense, or nobody reads.
    pub fn print(&self, columns: &[Column], mut all: Vec<Value>) -> Result<(), Failure> {
        let filters = Filters::parse(&self.filter, &["name"])?;
        let format = Format::parse(self.format.as_deref())?;
        all.retain(|row| {
            let name = text(&row["Name"]);
            filters.fit(|_, value| name.contains(value) || fits(value, &name))
        });
        match self.quiet {
            true => all.iter().try_for_each(|row| line(text(&row["Name"]))),
            false => rows(&format, columns, &all),
        }
    }
}
