//! How far a check is, on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::analysis::Phase;
use super::render::counted;

/// A line at the foot of the terminal; nothing when stderr is no terminal.
#[derive(Debug)]
pub struct CheckProgress {
    bar: ProgressBar,
}

impl CheckProgress {
    /// Starts to show progress, unless `quiet`.
    pub fn start(quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// Shows how far the check is.
    pub fn update(&self, phase: Phase) {
        self.bar.set_message(match phase {
            Phase::Loading(at) => {
                format!("reading: {}, {}", counted(at.packages, "package"), counted(at.files, "file"))
            }
            Phase::Analysing(packages) => format!("analysing {}", counted(packages, "package")),
        });
    }

    /// Shows what is done.
    pub fn message(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
