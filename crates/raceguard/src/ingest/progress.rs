//! How far the reading of a file is, on a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Files that take less are read without a word.
const PATIENCE: Duration = Duration::from_millis(300);

/// A line at the foot of the terminal; nothing when stderr is no terminal.
#[derive(Debug)]
pub struct ReadingProgress {
    bar: ProgressBar,
    started: Instant,
    shown: bool,
    name: String,
    size: Option<u64>,
}

impl ReadingProgress {
    /// For a file of so many bytes; `None` when that is not known.
    pub fn new(name: &str, size: Option<u64>) -> Self {
        Self {
            bar: ProgressBar::hidden(),
            started: Instant::now(),
            shown: false,
            name: name.to_owned(),
            size,
        }
    }

    /// Notes how many bytes were read.
    pub fn update(&mut self, bytes: u64) {
        if !self.shown {
            if self.started.elapsed() < PATIENCE {
                return;
            }
            self.show();
        }
        self.bar.set_position(bytes);
    }

    fn show(&mut self) {
        self.shown = true;
        let (bar, template) = match self.size {
            Some(size) => (
                ProgressBar::new(size),
                "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left  {msg}",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec}  {msg}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(self.name.clone());
        self.bar = bar;
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
