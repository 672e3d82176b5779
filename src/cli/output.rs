//! Printing: tables, JSON, templates.

use std::io::{self, Write};

use serde_json::Value;

use super::failure::Failure;
use super::template::Template;

/// Prints a line; nobody listening any more ends the command quietly.
pub fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    written(writeln!(io::stdout(), "{}", text.as_ref()))
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|e| match e.kind() {
        io::ErrorKind::BrokenPipe => Failure::silent(),
        _ => Failure::of("cannot write to stdout", &e),
    })
}

/// One column: heading, and the field of the rows that it shows.
pub type Column = (&'static str, &'static str);

/// How rows are printed.
pub enum Format {
    /// Columns with headings.
    Table,
    /// One JSON object a line.
    Json,
    /// A template a row, with headings if it began with `table`.
    Template(Template, bool),
}

impl Format {
    /// Reads the value of `--format`.
    pub fn parse(text: Option<&str>) -> Result<Format, Failure> {
        match text {
            None | Some("table") => Ok(Format::Table),
            Some("json") => Ok(Format::Json),
            Some(text) => {
                let (table, text) = match text.strip_prefix("table ") {
                    Some(text) => (true, text),
                    None => (false, text),
                };
                Template::parse(text).map(|t| Format::Template(t, table)).map_err(Failure::new)
            }
        }
    }
}

/// Prints rows, each a JSON object.
pub fn rows(format: &Format, columns: &[Column], rows: &[Value]) -> Result<(), Failure> {
    match format {
        Format::Json => rows.iter().try_for_each(|row| line(row.to_string())),
        Format::Table => {
            let headings = columns.iter().map(|(heading, _)| heading.to_string()).collect();
            let cells = |row: &Value| columns.iter().map(|(_, field)| text(&row[*field])).collect();
            table(std::iter::once(headings).chain(rows.iter().map(cells)).collect())
        }
        Format::Template(template, heading) => {
            let rendered: Vec<String> = rows
                .iter()
                .map(|row| template.render(row))
                .collect::<Result<_, _>>()
                .map_err(Failure::new)?;
            if !heading {
                return rendered.iter().try_for_each(line);
            }
            let names = |field: &str| {
                let known = columns.iter().find(|(_, f)| *f == field);
                known.map_or_else(|| field.to_uppercase(), |(heading, _)| heading.to_string())
            };
            let cells = |row: &str| row.split('\t').map(str::to_string).collect();
            let first = cells(&template.headings(names));
            table(std::iter::once(first).chain(rendered.iter().map(|row| cells(row))).collect())
        }
    }
}

/// A value as a cell shows it.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Columns as wide as their widest cell, three blanks apart.
fn table(rows: Vec<Vec<String>>) -> Result<(), Failure> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut all = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}   "));
        all.push_str(cells.collect::<String>().trim_end());
        all.push('\n');
    }
    written(io::stdout().write_all(all.as_bytes()))
}
