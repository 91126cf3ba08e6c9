//! Progress on a terminal: packages done, races so far. Nothing is shown when stderr is no terminal.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line at the foot of the terminal.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    shown: Option<(usize, usize, usize)>,
}

impl Progress {
    /// Starts to show progress, when stderr is a terminal.
    pub fn start() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.set_message("building");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, shown: None }
    }

    /// Shows how far the run is.
    pub fn update(&mut self, packages_done: usize, packages_running: usize, races: usize) {
        let now = (packages_done, packages_running, races);
        if self.shown != Some(now) && now != (0, 0, 0) {
            self.shown = Some(now);
            self.bar.set_message(message(packages_done, packages_running, races));
        }
    }

    /// Prints to `out` above the progress.
    ///
    /// A reader that went away (`raceguard test | head`) does not end the run: its evidence is still wanted.
    pub fn print(&self, out: &mut dyn Write, text: &[u8]) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let written = self.bar.suspend(|| out.write_all(text).and_then(|()| out.flush()));
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn message(done: usize, running: usize, races: usize) -> String {
    let packages = if done == 1 { "package" } else { "packages" };
    let races_text = if races == 1 { "race" } else { "races" };
    format!("{done} {packages} done, {running} running, {races} {races_text} so far")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_agree_with_their_nouns() {
        assert_eq!(message(1, 2, 0), "1 package done, 2 running, 0 races so far");
        assert_eq!(message(2, 0, 1), "2 packages done, 0 running, 1 race so far");
    }
}
