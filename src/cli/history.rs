//! `lay history`

use clap::{ArgAction, Args};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::human;
use super::output::{Format, line, rows};
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
    /// Do not shorten instructions and ids
    #[arg(long)]
    no_trunc: bool,
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// Sizes and times in words; with false, in bytes and as dates
    #[arg(short = 'H', long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true, num_args = 0..=1,
        default_missing_value = "true", require_equals = true)]
    human: bool,
}

impl History {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let format = Format::parse(self.format.as_deref())?;
        let store = context.store()?;
        let image = image::find(&store, &self.image).tried(|| format!("cannot show {}", self.image))?;
        let columns = [
            ("IMAGE", "ID"),
            ("CREATED", if self.human { "CreatedSince" } else { "CreatedAt" }),
            ("CREATED BY", "CreatedBy"),
            ("SIZE", "Size"),
            ("COMMENT", "Comment"),
        ];
        let id = if self.no_trunc { image.id.to_string() } else { image.id.hex()[..12].to_string() };
        let row = |(index, entry): (usize, &image::HistoryEntry)| -> Value {
            let size = entry.size.unwrap_or(0);
            json!({
                // Only the last step stands for an image.
                "ID": if index == 0 { &id } else { "<missing>" },
                "CreatedAt": entry.created,
                "CreatedSince": entry.created.as_deref().map(human::ago).unwrap_or_default(),
                "CreatedBy": self.shortened(&entry.created_by),
                "Size": if self.human { human::size(size, 3) } else { size.to_string() },
                "Comment": entry.comment,
            })
        };
        let objects: Vec<Value> = image::history(&store, &image).iter().enumerate().map(row).collect();
        if self.quiet {
            return objects
                .iter()
                .try_for_each(|row| line(row["ID"].as_str().unwrap_or_default()))
                .map(|()| 0);
        }
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
