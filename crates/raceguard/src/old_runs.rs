//! How many runs `.raceguard/runs` keeps.
//!
//! When a run begins the oldest ones go, except those that are going on and the one that `.raceguard/last` names. A run
//! that is going on holds a lock on its evidence, which ends with its process however that ends.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::check::config;
use crate::check::error::CheckError;

/// How many runs are kept where raceguard.toml says nothing.
pub const DEFAULT_KEPT: usize = 20;

/// How many runs of the module in `module_dir` are to be kept: `keep` in the section `runs` of its raceguard.toml.
pub fn kept(module_dir: &Path) -> Result<usize, CheckError> {
    let config = config::find(module_dir).map(|path| config::read(&path)).transpose()?;
    Ok(config.and_then(|config| config.keep_runs).unwrap_or(DEFAULT_KEPT))
}

/// Removes all but the newest `keep` runs of the module in `module_dir`. What cannot be removed stays: another
/// process may be removing it, too.
pub fn remove_old(module_dir: &Path, keep: usize) {
    let folder = module_dir.join(".raceguard");
    let last = fs::read_to_string(folder.join("last")).unwrap_or_default();
    let runs = folder.join("runs");
    let mut names: Vec<String> = fs::read_dir(&runs)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_run(name))
        .collect();
    // They begin with the time.
    names.sort_unstable();
    let old = names.len().saturating_sub(keep);
    for name in names.iter().take(old).filter(|name| *name != last.trim()) {
        let run = runs.join(name);
        if !is_going_on(&run) {
            let _ = fs::remove_dir_all(run);
        }
    }
}

/// Marks the run whose evidence is in `evidence` as one that is going on, as long as the answer lives.
pub fn hold(evidence: &Path) -> Option<File> {
    let file = File::open(evidence).ok()?;
    file.try_lock_shared().ok()?;
    Some(file)
}

fn is_going_on(run: &Path) -> bool {
    let Ok(file) = File::open(run.join("evidence.jsonl")) else { return false };
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Whether this is how raceguard names a run: a time and the number of a process. Other folders are somebody else's.
fn is_run(name: &str) -> bool {
    let Some((time, process)) = name.split_once('-') else { return false };
    let Some((day, hour)) = time.split_once('T') else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    [day, hour, process].into_iter().all(is_number) && day.len() == 8 && hour.len() == 6
}

#[cfg(test)]
mod tests {
    use raceguard_evidence::RunFolder;

    use super::*;

    fn with_runs(names: &[&str]) -> tempfile::TempDir {
        let module = tempfile::tempdir().unwrap();
        for name in names {
            let run = RunFolder::create(module.path(), name).unwrap();
            fs::write(run.evidence_path(), "").unwrap();
        }
        module
    }

    fn left(module: &tempfile::TempDir) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(module.path().join(".raceguard/runs"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    const FOUR: [&str; 4] =
        ["20260101T000000-12", "20260101T000001-9", "20260102T000000-1", "20260103T000000-1"];

    #[test]
    fn the_newest_are_kept() {
        let module = with_runs(&FOUR);
        remove_old(module.path(), 2);
        assert_eq!(left(&module), FOUR[2..]);
    }

    #[test]
    fn the_last_one_and_one_that_is_going_on_stay() {
        let module = with_runs(&FOUR);
        fs::write(module.path().join(".raceguard/last"), format!("{}\n", FOUR[0])).unwrap();
        let held = hold(&module.path().join(".raceguard/runs").join(FOUR[1]).join("evidence.jsonl"));
        remove_old(module.path(), 1);
        assert_eq!(left(&module), [FOUR[0], FOUR[1], FOUR[3]]);
        drop(held);
        remove_old(module.path(), 1);
        assert_eq!(left(&module), [FOUR[0], FOUR[3]]);
    }

    #[test]
    fn folders_of_other_names_stay() {
        let module = with_runs(&["kept-by-hand", "20260101T000000", "20260101T0000-1", "x20260101T000000-1"]);
        remove_old(module.path(), 0);
        assert_eq!(left(&module).len(), 4);
    }

    #[test]
    fn the_configuration_says_how_many() {
        let module = tempfile::tempdir().unwrap();
        assert_eq!(kept(module.path()).unwrap(), DEFAULT_KEPT);
        fs::write(module.path().join("raceguard.toml"), "[runs]\nkeep = 3\n").unwrap();
        assert_eq!(kept(module.path()).unwrap(), 3);
        fs::write(module.path().join("raceguard.toml"), "[runs]\nkeep = 0\n").unwrap();
        assert!(kept(module.path()).unwrap_err().to_string().contains("raceguard.toml:2"));
    }
}
