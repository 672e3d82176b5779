//! What a pull shows while it runs.

use std::collections::HashMap;
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use lay_store::Digest;

use crate::registry::{Event, Progress};

/// One bar a layer, on a terminal.
#[derive(Debug, Default)]
pub struct Bars {
    all: MultiProgress,
    bars: Mutex<HashMap<Digest, ProgressBar>>,
}

impl Bars {
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
            let style = ProgressStyle::with_template("{prefix}: {msg:12} [{bar:32}] {bytes}/{total_bytes}");
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
                bar.set_message("Downloading");
                bar.set_position(resumed);
            }
            Event::LayerBytes { digest, delta } => self.bar(digest, 0).inc(delta),
            Event::LayerWaiting { digest, size } => self.bar(digest, size).set_message("Waiting"),
            Event::LayerDone { digest } => {
                let bar = self.bar(digest, 0);
                bar.set_position(bar.length().unwrap_or(0));
                bar.finish_with_message("Complete");
            }
            Event::LayerExists { digest, size } => {
                let bar = self.bar(digest, size);
                bar.set_position(size);
                bar.finish_with_message("Exists");
            }
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
#[derive(Debug, Default)]
pub struct Lines;

impl Progress for Lines {
    fn event(&self, event: Event<'_>) {
        let line = match event {
            Event::LayerStart { digest, resumed: 0, .. } => format!("{}: Pulling fs layer", short(digest)),
            Event::LayerStart { digest, resumed, size } => {
                format!("{}: Resuming at {resumed} of {size} bytes", short(digest))
            }
            Event::LayerWaiting { digest, .. } => format!("{}: Waiting for another pull", short(digest)),
            Event::LayerDone { digest } => format!("{}: Pull complete", short(digest)),
            Event::LayerExists { digest, .. } => format!("{}: Already exists", short(digest)),
            Event::Retry { registry, reason, pause, .. } => retry(registry, reason, pause),
            _ => return,
        };
        eprintln!("{line}");
    }
}
