//! What a build shows while it runs.

use std::collections::HashMap;
use std::io::Write;

use super::live::Live;
use crate::build::{Event, How, Progress};

/// Lines of a quiet build that are shown when it fails.
const TAIL: usize = 20;

/// Chooses how a build is shown.
pub fn show(live: bool, explain: bool) -> Box<dyn Progress> {
    match live {
        true => Box::new(Live::new(explain)),
        false => Box::new(Plain::new(explain)),
    }
}

/// One line after the other, each with the number of its step.
#[derive(Debug)]
pub struct Plain {
    explain: bool,
    /// Numbers of steps, by stage and number in it.
    numbers: HashMap<(usize, usize), usize>,
    /// What a command has printed of a line.
    partial: HashMap<(usize, usize), String>,
}

impl Plain {
    /// Shows steps, and why they are carried out if `explain`.
    pub fn new(explain: bool) -> Self {
        Self { explain, numbers: HashMap::new(), partial: HashMap::new() }
    }

    fn number(&mut self, stage: usize, number: usize) -> usize {
        let next = self.numbers.len() + 1;
        *self.numbers.entry((stage, number)).or_insert(next)
    }
}

/// That nobody reads is no reason to end the build.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl Progress for Plain {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Note(text) => say(text),
            Event::Begin { stage, name, number, total, text } => {
                let id = self.number(*stage, *number);
                say(&format!("#{id} [{name} {number}/{total}] {text}"));
            }
            Event::Output { stage, number, text, .. } => {
                let id = self.number(*stage, *number);
                let partial = self.partial.entry((*stage, *number)).or_default();
                partial.push_str(text);
                while let Some(end) = partial.find('\n') {
                    let rest = partial.split_off(end + 1);
                    say(&format!("#{id} {}", partial.trim_end_matches(['\n', '\r'])));
                    *partial = rest;
                }
            }
            Event::End { stage, number, how, why, id: step, millis } => {
                let id = self.number(*stage, *number);
                self.rest(*stage, *number);
                let step = step.as_deref().map(|step| format!(" {step}")).unwrap_or_default();
                match how {
                    How::Cached => say(&format!("#{id} CACHED{step}")),
                    How::Ran => say(&format!("#{id} DONE {}{step}", seconds(*millis))),
                    How::Settled => {}
                }
                if let Some(why) = why.as_ref().filter(|_| self.explain) {
                    say(&format!("#{id} carried out: {why}"));
                }
            }
            Event::Failed { stage, number, .. } => {
                let id = self.number(*stage, *number);
                self.rest(*stage, *number);
                say(&format!("#{id} FAILED"));
            }
            Event::Lost { .. } | Event::Finished { .. } => {}
        }
    }
}

impl Plain {
    /// A last line without an end.
    fn rest(&mut self, stage: usize, number: usize) {
        let id = self.number(stage, number);
        if let Some(rest) = self.partial.remove(&(stage, number)).filter(|rest| !rest.is_empty()) {
            say(&format!("#{id} {rest}"));
        }
    }
}

/// Nothing, unless the build fails: then the end of what its command printed.
#[derive(Debug, Default)]
pub struct Quiet {
    output: HashMap<(usize, usize), String>,
}

impl Progress for Quiet {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Output { stage, number, text, .. } => {
                self.output.entry((*stage, *number)).or_default().push_str(text);
            }
            Event::End { stage, number, .. } => drop(self.output.remove(&(*stage, *number))),
            Event::Failed { stage, number, .. } => {
                let output = self.output.remove(&(*stage, *number)).unwrap_or_default();
                let lines: Vec<&str> = output.lines().collect();
                lines[lines.len().saturating_sub(TAIL)..].iter().for_each(|line| say(line));
            }
            _ => {}
        }
    }
}

/// A time as people read it.
pub fn seconds(millis: u64) -> String {
    format!("{}.{:01}s", millis / 1000, millis % 1000 / 100)
}
