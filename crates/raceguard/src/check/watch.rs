//! `raceguard check --watch`: checks again whenever a source has changed.
//!
//! Files and their folders are asked for their times a few times a second. That needs nothing of the system, works on
//! network folders, and costs little beside an analysis.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use super::analysis::Analysed;
use super::config;
use crate::commands::check::Check;
use crate::error::CommandError;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(400);

/// Checks until the process is ended.
pub fn run(check: &Check) -> Result<u8, CommandError> {
    let mut watched = Times::default();
    loop {
        if io::stdout().is_terminal() {
            // Clears the screen and the lines that were scrolled off, then goes to its top left corner.
            print!("\x1b[2J\x1b[3J\x1b[H");
            let _ = io::stdout().flush();
        }
        let started = SystemTime::now();
        match check.again() {
            Ok(analysed) => watched = Times::of(&analysed, check),
            // A configuration that can't be read may be mended by the next change.
            Err(error) if !watched.is_empty() => error.print(),
            Err(error) => return Err(error),
        }
        if !check.arguments.quiet {
            eprintln!("raceguard: watching {} files and folders, Ctrl-C ends", watched.0.len());
        }
        if !watched.changed_since(started) {
            watched = watched.wait_for_change();
        }
    }
}

/// When files and folders were changed last; none where they are gone.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Times(BTreeMap<PathBuf, Option<(SystemTime, u64)>>);

impl Times {
    /// Of the sources of all modules that are the user's, their folders, and what configures the check.
    fn of(analysed: &Analysed, check: &Check) -> Self {
        let mut paths = BTreeSet::new();
        for package in analysed.loaded.roots() {
            paths.insert(package.directory.clone());
            paths.extend(package.files.iter().map(|file| file.path.clone()));
            paths.extend(package.ignored.iter().map(|file| file.path.clone()));
        }
        let module = &check.settings.module;
        paths.extend([module.clone(), module.join("go.mod"), module.join(config::FILE_NAME)]);
        paths.extend(check.settings.config.clone());
        paths.extend(check.settings.baseline.clone());
        Self(paths.into_iter().map(|path| (path.clone(), time(&path))).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something was changed while it was analysed, so that the analysis may have missed it.
    fn changed_since(&self, started: SystemTime) -> bool {
        // Times of files come from a clock that may be a little behind; one in the future says nothing.
        let (from, until) = (started - Duration::from_millis(20), SystemTime::now());
        let is_new = |path: &PathBuf| {
            let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
            modified.is_ok_and(|at| from <= at && at <= until)
        };
        self.0.keys().any(is_new)
    }

    /// The times after the next change.
    fn wait_for_change(self) -> Self {
        loop {
            sleep(INTERVAL);
            let now = self.now();
            if now != self {
                // Editors and version control write many files in a row: until they are done.
                let mut last = now;
                loop {
                    sleep(INTERVAL / 4);
                    let now = last.now();
                    if now == last {
                        return last;
                    }
                    last = now;
                }
            }
        }
    }

    fn now(&self) -> Self {
        Self(self.0.keys().map(|path| (path.clone(), time(path))).collect())
    }
}

/// The time of a file's content; of a folder, that of its list of names, without what raceguard itself writes there.
fn time(path: &PathBuf) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_dir() {
        return Some((metadata.modified().ok()?, metadata.len()));
    }
    // Names, not the folder's own time: temporary files of editors come and go.
    let names = fs::read_dir(path).ok()?.flatten().map(|entry| entry.file_name());
    let count = names.filter(|name| name.as_encoded_bytes().ends_with(b".go")).count();
    Some((SystemTime::UNIX_EPOCH, count as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(paths: &[PathBuf]) -> Times {
        Times(paths.iter().map(|path| (path.clone(), time(path))).collect())
    }

    #[test]
    fn what_changes_during_an_analysis_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.go");
        fs::write(&file, "package a\n").unwrap();
        assert!(times(std::slice::from_ref(&file)).changed_since(SystemTime::now()));
        let future = SystemTime::now() + Duration::from_hours(1);
        fs::File::options().append(true).open(&file).unwrap().set_modified(future).unwrap();
        assert!(!times(&[file]).changed_since(SystemTime::now()));
    }

    #[test]
    fn new_changed_and_removed_sources_are_seen_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.go");
        fs::write(&file, "package a\n").unwrap();
        let before = times(&[folder.path().to_owned(), file.clone()]);
        fs::write(folder.path().join(".a.go.swp"), "").unwrap();
        assert_eq!(before.now(), before);
        fs::write(folder.path().join("b.go"), "package a\n").unwrap();
        assert_ne!(before.now(), before, "a new file");
        fs::remove_file(folder.path().join("b.go")).unwrap();
        fs::write(&file, "package a // x\n").unwrap();
        assert_ne!(before.now(), before, "a changed file");
        fs::remove_file(&file).unwrap();
        assert_ne!(before.now(), before, "a removed file");
    }
}
