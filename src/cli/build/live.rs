//! A build on a terminal: a line for each step that runs, with the time it takes and the last that it printed.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::progress::seconds;
use crate::build::{Event, How, Progress};

/// How often times are drawn anew.
const INTERVAL: Duration = Duration::from_millis(100);
/// Lines of a step's output that are seen while it runs.
const LINES: usize = 4;
/// Lines of it that are kept for its failure.
const TAIL: usize = 20;

/// A step that runs.
#[derive(Debug)]
struct Running {
    bar: ProgressBar,
    /// What it is called.
    title: String,
    output: Vec<ProgressBar>,
    /// The end of what it printed, line by line; the last one may go on.
    tail: Vec<String>,
}

/// The live view. It starts no thread: a process that starts containers can have none.
#[derive(Debug)]
pub struct Live {
    explain: bool,
    all: MultiProgress,
    running: BTreeMap<(usize, usize), Running>,
}

impl Live {
    /// Shows steps, and why they are carried out if `explain`.
    pub fn new(explain: bool) -> Self {
        Self { explain, all: MultiProgress::default(), running: BTreeMap::new() }
    }

    /// A line that stays. That the terminal is gone is no reason to end the build.
    fn say(&self, text: &str) {
        let _ = self.all.println(text);
    }

    fn begin(&mut self, key: (usize, usize), title: String) {
        let bar = self.all.add(ProgressBar::new_spinner());
        // The template is a constant; if it were wrong, indicatif's own would show.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed:>5}") {
            bar.set_style(style);
        }
        bar.set_message(title.clone());
        bar.tick();
        self.running.insert(key, Running { bar, title, output: Vec::new(), tail: vec![String::new()] });
    }

    fn output(&mut self, key: (usize, usize), text: &str) {
        let Some(step) = self.running.get_mut(&key) else { return };
        for (index, part) in text.split('\n').enumerate() {
            if index > 0 {
                step.tail.push(String::new());
            }
            if let Some(last) = step.tail.last_mut() {
                // A carriage return begins the line anew, as progress bars do; escapes would disturb the view.
                let part = part.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default();
                last.extend(part.chars().filter(|ch| !ch.is_control() || *ch == '\t'));
            }
        }
        let more = step.tail.len().saturating_sub(TAIL + 1);
        step.tail.drain(..more);
        let lines: Vec<&String> = step.tail.iter().filter(|line| !line.is_empty()).collect();
        let shown = &lines[lines.len().saturating_sub(LINES)..];
        while step.output.len() < shown.len() {
            let after = step.output.last().unwrap_or(&step.bar);
            let bar = self.all.insert_after(after, ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("    {wide_msg:.dim}") {
                bar.set_style(style);
            }
            step.output.push(bar);
        }
        for (bar, line) in step.output.iter().zip(shown) {
            bar.set_message(line.to_string());
        }
    }

    /// Takes a step out of the view.
    fn end(&mut self, key: (usize, usize)) -> Option<Running> {
        let step = self.running.remove(&key)?;
        for bar in step.output.iter().chain([&step.bar]) {
            bar.finish_and_clear();
            self.all.remove(bar);
        }
        Some(step)
    }
}

impl Progress for Live {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Note(text) => self.say(text),
            Event::Begin { stage, name, number, total, text } => {
                let first = text.lines().next().unwrap_or_default();
                self.begin((*stage, *number), format!("[{name} {number}/{total}] {first}"));
            }
            Event::Output { stage, number, text, .. } => self.output((*stage, *number), text),
            Event::End { stage, number, how, why, id, millis } => {
                let Some(step) = self.end((*stage, *number)) else { return };
                let id = id.as_deref().map(|id| format!(" {id}")).unwrap_or_default();
                self.say(&match how {
                    How::Cached => format!("= {}  CACHED{id}", step.title),
                    How::Ran => format!("+ {}  {}{id}", step.title, seconds(*millis)),
                    How::Settled => format!("  {}", step.title),
                });
                if let Some(why) = why.as_ref().filter(|_| self.explain) {
                    self.say(&format!("    carried out: {why}"));
                }
            }
            Event::Failed { stage, number, .. } => {
                let Some(step) = self.end((*stage, *number)) else { return };
                self.say(&format!("! {}  FAILED", step.title));
                step.tail
                    .iter()
                    .filter(|line| !line.is_empty())
                    .for_each(|line| self.say(&format!("    {line}")));
            }
            Event::Lost { .. } | Event::Finished { .. } => {}
        }
    }

    fn interval(&self) -> Option<Duration> {
        Some(INTERVAL)
    }

    fn tick(&mut self) {
        self.running.values().for_each(|step| step.bar.tick());
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let keys: Vec<_> = self.running.keys().copied().collect();
        keys.into_iter().for_each(|key| drop(self.end(key)));
    }
}
