//! Revisions of policies in a folder: what is in force, what was, and the way back.
//!
//! ```text
//! policies/
//!   current                 the number of the revision in force
//!   revisions/0001/*.yaml   the policies, as they were applied
//!   revisions/0001/revision.json
//! ```
//!
//! A revision is written beside the others and gets its name by a rename; it comes into force when `current` is
//! replaced by a rename. So whoever reads sees the old policies or the new ones, all of them, whatever is killed when.
//! Nothing comes into force that has a problem or a failing example, and nothing that was in force is ever changed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::short_hash;
use crate::examples::{Tested, test};
use crate::policy::PolicySet;
use crate::problem::Problems;
use crate::reader::read;

/// A folder with revisions.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// A revision, as its folder describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its number, from 1.
    pub number: u64,
    /// When it was applied.
    pub applied: Timestamp,
    /// Who applied it.
    #[serde(default)]
    pub by: String,
    /// What it is about.
    #[serde(default)]
    pub note: String,
    /// Hash of its files.
    pub hash: String,
    /// Its policies: id, version and hash.
    pub policies: Vec<(String, u64, String)>,
}

/// A text and the name of its file.
pub type NamedText = (PathBuf, String);

/// What is to be applied.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The files.
    pub files: Vec<NamedText>,
    /// Who applies it.
    pub by: String,
    /// What it is about.
    pub note: String,
}

/// Why a revision can't be read or applied. What was in force stays in force.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The policies have mistakes.
    #[error("{0}")]
    Problems(Problems),
    /// An example of a policy fails.
    #[error("{} of {} fails: {}", .0.name, .0.policy, .0.failure.as_deref().unwrap_or_default())]
    Example(Box<Tested>),
    /// There is no such revision.
    #[error("there is no revision {number} in {}", folder.display())]
    NoRevision {
        /// The number that was asked for.
        number: u64,
        /// The store.
        folder: PathBuf,
    },
    /// There is no revision before the one in force.
    #[error("there is nothing to go back to in {}", folder.display())]
    NothingBefore {
        /// The store.
        folder: PathBuf,
    },
    /// `current` or `revision.json` is damaged.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Two files of one name.
    #[error("two files are named {}", name.display())]
    SameName {
        /// The name.
        name: PathBuf,
    },
    /// The system failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path, source }
}

impl Store {
    /// The store in a folder, which need not be there yet.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Whether a folder holds a store.
    pub fn is_one(folder: &Path) -> bool {
        folder.join("current").is_file()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The number of the revision in force; nothing when none ever was.
    pub fn current(&self) -> Result<Option<u64>, StoreError> {
        let path = self.folder.join("current");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let number = text.trim().parse().ok().filter(|number| *number > 0);
        let damaged = || StoreError::Damaged { path: path.clone(), reason: "it holds no number".to_owned() };
        number.map(Some).ok_or_else(damaged)
    }

    /// All revisions, the oldest first.
    pub fn revisions(&self) -> Result<Vec<Revision>, StoreError> {
        let folder = self.folder.join("revisions");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", &folder)(error)),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        // Anything else is a revision that was never finished.
        let mut numbers: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        numbers.into_iter().map(|number| self.revision(number)).collect()
    }

    /// A revision's description.
    pub fn revision(&self, number: u64) -> Result<Revision, StoreError> {
        let path = self.revision_folder(number).join("revision.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::NoRevision { number, folder: self.folder.clone() });
            }
            Err(error) => return Err(failed("read", &path)(error)),
        };
        serde_json::from_str(&text).map_err(|error| StoreError::Damaged { path, reason: error.to_string() })
    }

    /// The files of a revision, by name.
    pub fn files(&self, number: u64) -> Result<Vec<NamedText>, StoreError> {
        self.revision(number)?;
        yaml_files(&self.revision_folder(number))
    }

    /// Checks a change and brings it into force. One that changes nothing is told by `None`.
    pub fn apply(&self, change: &Change, now: Timestamp) -> Result<Option<Revision>, StoreError> {
        let set = sound(&change.files, now)?;
        let hash = hash(&change.files);
        if let Some(number) = self.current()?
            && self.revision(number)?.hash == hash
        {
            return Ok(None);
        }
        let revisions = self.folder.join("revisions");
        fs::create_dir_all(&revisions).map_err(failed("make", &revisions))?;
        let staged = tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(&revisions)
            .map_err(failed("write into", &revisions))?;
        for (name, text) in &change.files {
            let name = name.file_name().unwrap_or(name.as_os_str());
            write_new(&staged.path().join(name), text.as_bytes())?;
        }
        let number = self.name(staged, |number| Revision {
            number,
            applied: now,
            by: change.by.clone(),
            note: change.note.clone(),
            hash: hash.clone(),
            policies: set.policies.iter().map(|it| (it.id.clone(), it.version, it.hash.clone())).collect(),
        })?;
        self.point_to(number)?;
        self.revision(number).map(Some)
    }

    /// Brings an earlier revision into force again: the one before the current one when no number is given.
    pub fn rollback(&self, to: Option<u64>, now: Timestamp) -> Result<Revision, StoreError> {
        let number = match (to, self.current()?) {
            (Some(number), _) => number,
            (None, current) => {
                let before = self.revisions()?.into_iter().map(|it| it.number);
                let before = before.filter(|number| current.is_some_and(|current| *number < current)).max();
                before.ok_or_else(|| StoreError::NothingBefore { folder: self.folder.clone() })?
            }
        };
        let revision = self.revision(number)?;
        // It was sound when it was applied, but perhaps to an older raceguard.
        sound(&self.files(number)?, now)?;
        self.point_to(number)?;
        Ok(revision)
    }

    fn revision_folder(&self, number: u64) -> PathBuf {
        self.folder.join("revisions").join(format!("{number:04}"))
    }

    /// Gives a finished revision the next free number.
    fn name(&self, staged: tempfile::TempDir, describe: impl Fn(u64) -> Revision) -> Result<u64, StoreError> {
        let mut number = self.revisions()?.last().map_or(0, |last| last.number);
        loop {
            number += 1;
            let text = serde_json::to_vec_pretty(&describe(number)).unwrap_or_default();
            write_new(&staged.path().join("revision.json"), &text)?;
            let target = self.revision_folder(number);
            match fs::rename(staged.path(), &target) {
                Ok(()) => {
                    // It has its name now, and is not to be removed.
                    let _ = staged.keep();
                    return Ok(number);
                }
                // Somebody else was faster.
                Err(_) if target.exists() => {}
                Err(error) => return Err(failed("make", &target)(error)),
            }
        }
    }

    fn point_to(&self, number: u64) -> Result<(), StoreError> {
        let path = self.folder.join("current");
        let mut file =
            tempfile::NamedTempFile::new_in(&self.folder).map_err(failed("write into", &self.folder))?;
        let written = writeln!(file, "{number:04}").and_then(|()| file.as_file().sync_all());
        written.map_err(failed("write", &path))?;
        file.persist(&path).map(drop).map_err(|error| failed("replace", &path)(error.error))
    }
}

/// The YAML files of a folder with their texts, by name.
pub fn yaml_files(folder: &Path) -> Result<Vec<NamedText>, StoreError> {
    let entries = fs::read_dir(folder).map_err(failed("read", folder))?;
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|it| it == "yaml" || it == "yml");
    let mut paths: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_yaml).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
            Ok((path, text))
        })
        .collect()
}

/// The policies of files in which nothing is wrong, examples included.
pub fn sound(files: &[NamedText], now: Timestamp) -> Result<PolicySet, StoreError> {
    let mut names: Vec<_> = files.iter().filter_map(|(path, _)| path.file_name()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(StoreError::SameName { name: pair[0].into() });
    }
    let set = read(files.iter().map(|(path, text)| (path.as_path(), text.as_str())))
        .map_err(StoreError::Problems)?;
    match test(&set, now).into_iter().find(|tested| tested.failure.is_some()) {
        Some(failure) => Err(StoreError::Example(Box::new(failure))),
        None => Ok(set),
    }
}

fn hash(files: &[NamedText]) -> String {
    let mut files: Vec<_> = files.iter().map(|(path, text)| (path.file_name(), text)).collect();
    files.sort();
    let mut bytes = Vec::new();
    for (name, text) in files {
        bytes.extend(name.map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default());
        bytes.push(0);
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    short_hash(&bytes)
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut file = File::create(path).map_err(failed("write", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(when: &str) -> Change {
        let text = format!(
            "schema: 1\npolicies:\n  - id: p\n    version: 1\n    description: d\n    match: {{over: findings, when: \
             {when}}}\n    responses: [fail]\n"
        );
        Change { files: vec![("p.yaml".into(), text)], by: "someone".to_owned(), note: String::new() }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(&folder.path().join("policies"));
        (folder, store)
    }

    #[test]
    fn what_is_applied_is_in_force_and_can_be_taken_back() {
        let (_folder, store) = store();
        assert_eq!(store.current().unwrap(), None);
        let now = Timestamp::now();
        assert_eq!(store.apply(&change("finding.is_new"), now).unwrap().unwrap().number, 1);
        assert_eq!(store.apply(&change("finding.is_new"), now).unwrap(), None, "nothing has changed");
        assert_eq!(store.apply(&change("finding.fix"), now).unwrap().unwrap().number, 2);
        assert_eq!(store.current().unwrap(), Some(2));
        assert_eq!(store.rollback(None, now).unwrap().number, 1);
        assert_eq!(store.current().unwrap(), Some(1));
        assert!(store.files(1).unwrap()[0].1.contains("finding.is_new"));
        assert!(matches!(store.rollback(None, now), Err(StoreError::NothingBefore { .. })));
        assert_eq!(store.rollback(Some(2), now).unwrap().number, 2);
        assert!(matches!(store.rollback(Some(7), now), Err(StoreError::NoRevision { number: 7, .. })));
        assert_eq!(store.current().unwrap(), Some(2));
        assert_eq!(store.revisions().unwrap().len(), 2);
    }

    #[test]
    fn what_is_broken_never_replaces_what_works() {
        let (_folder, store) = store();
        let now = Timestamp::now();
        store.apply(&change("finding.is_new"), now).unwrap();
        assert!(matches!(store.apply(&change("finding.isnew"), now), Err(StoreError::Problems(_))));
        let mut failing = change("finding.is_new");
        failing.files[0].1.push_str("    examples: {match: [{findings: [{is_new: false}]}]}\n");
        assert!(matches!(store.apply(&failing, now), Err(StoreError::Example(_))));
        assert_eq!(store.current().unwrap(), Some(1));
        assert_eq!(
            fs::read_dir(store.folder().join("revisions")).unwrap().count(),
            1,
            "nothing is left behind"
        );
    }

    #[test]
    fn a_writer_that_was_killed_leaves_what_was_in_force() {
        let (_folder, store) = store();
        let now = Timestamp::now();
        store.apply(&change("finding.is_new"), now).unwrap();
        // Killed before its revision had a name, and before `current` was replaced.
        fs::create_dir(store.folder().join("revisions/.new-abc")).unwrap();
        fs::write(store.folder().join(".tmpxyz"), "00").unwrap();
        assert_eq!(store.current().unwrap(), Some(1));
        assert_eq!(store.apply(&change("finding.fix"), now).unwrap().unwrap().number, 2);
        fs::write(store.folder().join("current"), "").unwrap();
        assert!(matches!(store.current(), Err(StoreError::Damaged { .. })));
    }

    #[test]
    fn two_writers_get_two_numbers() {
        let (_folder, store) = store();
        let now = Timestamp::now();
        store.apply(&change("finding.is_new"), now).unwrap();
        std::thread::scope(|scope| {
            for occurrences in 0..8 {
                let store = &store;
                scope.spawn(move || {
                    store.apply(&change(&format!("finding.occurrences > {occurrences}")), now).unwrap()
                });
            }
        });
        let revisions = store.revisions().unwrap();
        assert_eq!(revisions.iter().map(|it| it.number).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
        assert!(store.current().unwrap().unwrap() >= 2);
    }
}
