//! Where the evidence of runs lies: `.raceguard/runs/<run>/evidence.jsonl` of a module, and `.raceguard/last`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::EvidenceError;

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
    evidence: PathBuf,
}

impl RunFolder {
    /// The run in `path`, which may also be a file with its evidence.
    pub fn at(path: &Path) -> Self {
        if path.is_file() {
            let folder = path.parent().unwrap_or(path);
            return Self { path: folder.to_owned(), evidence: path.to_owned() };
        }
        Self { path: path.to_owned(), evidence: path.join("evidence.jsonl") }
    }

    /// Makes the folder of a new run of the module in `module_dir`, and names it as the last run.
    pub fn create(module_dir: &Path, run_id: &str) -> Result<Self, EvidenceError> {
        let path = runs(module_dir).join(run_id);
        let open_error = |path: &Path, source| EvidenceError::Open { path: path.to_owned(), source };
        fs::create_dir_all(&path).map_err(|source| open_error(&path, source))?;
        let last = last(module_dir);
        fs::write(&last, format!("{run_id}\n")).map_err(|source| open_error(&last, source))?;
        Ok(Self::at(&path))
    }

    /// The last run of the module in `module_dir`.
    pub fn last(module_dir: &Path) -> Result<Self, EvidenceError> {
        let no_run = || EvidenceError::NoRun { module_dir: module_dir.to_owned() };
        let last = last(module_dir);
        let name = match fs::read_to_string(&last) {
            Ok(name) => name,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_run()),
            Err(source) => return Err(EvidenceError::Open { path: last, source }),
        };
        let name = name.trim();
        if name.is_empty() || name.contains(['/', '\\']) || name == ".." {
            return Err(no_run());
        }
        let folder = Self::at(&runs(module_dir).join(name));
        if folder.evidence_path().is_file() { Ok(folder) } else { Err(no_run()) }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file with the evidence.
    pub fn evidence_path(&self) -> PathBuf {
        self.evidence.clone()
    }
}

fn runs(module_dir: &Path) -> PathBuf {
    module_dir.join(".raceguard").join("runs")
}

fn last(module_dir: &Path) -> PathBuf {
    module_dir.join(".raceguard").join("last")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_run_is_the_one_made_last() {
        let module = tempfile::tempdir().expect("a temporary folder");
        assert!(matches!(RunFolder::last(module.path()), Err(EvidenceError::NoRun { .. })));
        for id in ["20260101T000000-1", "20260101T000000-2"] {
            let made = RunFolder::create(module.path(), id).expect("a writable folder");
            assert!(matches!(RunFolder::last(module.path()), Err(EvidenceError::NoRun { .. })));
            fs::write(made.evidence_path(), "").expect("a writable file");
            assert_eq!(RunFolder::last(module.path()).expect("a run"), made);
            assert_eq!(RunFolder::at(&made.evidence_path()), made);
        }
    }

    #[test]
    fn a_file_of_any_name_is_evidence() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("canary.log");
        fs::write(&file, "").expect("a writable file");
        assert_eq!(RunFolder::at(&file).evidence_path(), file);
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_no_run() {
        let module = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(module.path().join(".raceguard")).expect("a writable folder");
        fs::write(last(module.path()), "../../etc").expect("a writable file");
        assert!(matches!(RunFolder::last(module.path()), Err(EvidenceError::NoRun { .. })));
    }
}
