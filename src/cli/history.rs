//! `lay history`

use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::human;
use super::output::{Format, rows};
use crate::image;

/// Longest instruction in a table.
const SHORT: usize = 45;

/// Show how an image was made
#[derive(Args, Debug)]
pub struct History {
    /// Name or id of an image
    image: String,
    /// table, json, or a template such as '{{.CreatedBy}}'
    #[arg(long)]
    format: Option<String>,
    /// Do not shorten instructions
    #[arg(long)]
    no_trunc: bool,
}

impl History {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let format = Format::parse(self.format.as_deref())?;
        let store = context.store()?;
        let image = image::find(&store, &self.image).tried(|| format!("cannot show {}", self.image))?;
        let columns = [
            ("CREATED", "CreatedSince"),
            ("CREATED BY", "CreatedBy"),
            ("SIZE", "Size"),
            ("COMMENT", "Comment"),
        ];
        let row = |entry: &image::HistoryEntry| -> Value {
            json!({
                "CreatedAt": entry.created,
                "CreatedSince": entry.created.as_deref().map(human::ago).unwrap_or_default(),
                "CreatedBy": self.shortened(&entry.created_by),
                "Size": human::size(entry.size.unwrap_or(0), 3),
                "Comment": entry.comment,
            })
        };
        let objects: Vec<Value> = image::history(&store, &image).iter().map(row).collect();
        rows(&format, &columns, &objects)?;
        Ok(0)
    }

    fn shortened(&self, text: &str) -> String {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.no_trunc || text.chars().count() <= SHORT {
            return text;
        }
        text.chars().take(SHORT - 1).chain(['…']).collect()
    }
}
