//! What a pull or a push shows while it runs.

use std::collections::HashMap;
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use lay_store::Digest;

use crate::registry::{Event, Progress};

/// The words for what becomes of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    moving: &'static str,
    start: &'static str,
    done: &'static str,
    exists: &'static str,
}

/// What Docker says of a pull.
pub const PULL: Words = Words {
    moving: "Downloading",
    start: "Pulling fs layer",
    done: "Pull complete",
    exists: "Already exists",
};

/// What Docker says of a push.
pub const PUSH: Words =
    Words { moving: "Pushing", start: "Pushing", done: "Pushed", exists: "Layer already exists" };

/// One bar a layer, on a terminal.
#[derive(Debug)]
pub struct Bars {
    words: Words,
    all: MultiProgress,
    bars: Mutex<HashMap<Digest, ProgressBar>>,
}

impl Bars {
    /// No bars yet.
    pub fn new(words: Words) -> Bars {
        Bars { words, all: MultiProgress::default(), bars: Mutex::default() }
    }

    /// Leaves the bars as they are and gives the terminal back.
    pub fn finish(&self) {
        for bar in self.bars.lock().iter().flat_map(|bars| bars.values()) {
            if !bar.is_finished() {
                bar.abandon();
            }
        }
    }

    fn bar(&self, digest: Digest, size: u64) -> ProgressBar {
        let Ok(mut bars) = self.bars.lock() else { return ProgressBar::hidden() };
        let bar = bars.entry(digest).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new(size));
            // The template is a constant; if it were wrong, indicatif's own would show.
            let style = ProgressStyle::with_template("{prefix}: {msg:20} [{bar:32}] {bytes}/{total_bytes}");
            if let Ok(style) = style {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(short(digest));
            bar
        });
        bar.clone()
    }
}

fn short(digest: Digest) -> String {
    digest.hex().chars().take(12).collect()
}

impl Progress for Bars {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::LayerStart { digest, size, resumed } => {
                let bar = self.bar(digest, size);
                bar.set_message(self.words.moving);
                bar.set_length(size);
                bar.set_position(resumed);
            }
            Event::LayerBytes { digest, delta } => self.bar(digest, 0).inc(delta),
            Event::LayerWaiting { digest, size } => self.bar(digest, size).set_message("Waiting"),
            Event::LayerDone { digest } => {
                let bar = self.bar(digest, 0);
                bar.set_position(bar.length().unwrap_or(0));
                bar.finish_with_message(self.words.done);
            }
            Event::LayerExists { digest, size } => {
                let bar = self.bar(digest, size);
                bar.set_position(size);
                bar.finish_with_message(self.words.exists);
            }
            Event::LayerMounted { digest, size, from } => {
                let bar = self.bar(digest, size);
                bar.set_position(size);
                bar.finish_with_message(format!("Mounted from {from}"));
            }
            Event::LayerFetch { digest, .. } => self.bar(digest, 0).set_message("Fetching"),
            Event::Retry { registry, reason, pause, .. } => {
                // That the terminal is gone is no reason to end the pull.
                let _ = self.all.println(retry(registry, reason, pause));
            }
            _ => {}
        }
    }
}

fn retry(registry: &str, reason: &str, pause: std::time::Duration) -> String {
    format!("Retrying {registry} in {:.1} s: {reason}", pause.as_secs_f32())
}

/// One line a step, for logs.
#[derive(Debug)]
pub struct Lines {
    words: Words,
}

impl Lines {
    /// Nothing printed yet.
    pub fn new(words: Words) -> Lines {
        Lines { words }
    }
}

impl Progress for Lines {
    fn event(&self, event: Event<'_>) {
        let line = match event {
            Event::LayerStart { digest, resumed: 0, .. } => {
                format!("{}: {}", short(digest), self.words.start)
            }
            Event::LayerStart { digest, resumed, size } => {
                format!("{}: Resuming at {resumed} of {size} bytes", short(digest))
            }
            Event::LayerWaiting { digest, .. } => format!("{}: Waiting for another pull", short(digest)),
            Event::LayerDone { digest } => format!("{}: {}", short(digest), self.words.done),
            Event::LayerExists { digest, .. } => format!("{}: {}", short(digest), self.words.exists),
            Event::LayerMounted { digest, from, .. } => format!("{}: Mounted from {from}", short(digest)),
            Event::LayerFetch { digest, from } => {
                format!("{}: Fetching from {from}, because it is not kept", short(digest))
            }
            Event::Retry { registry, reason, pause, .. } => retry(registry, reason, pause),
            _ => return,
        };
        eprintln!("{line}");
    }
}
