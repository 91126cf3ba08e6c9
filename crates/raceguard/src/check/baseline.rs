//! Findings that were there before: `raceguard-baseline.json`.
//!
//! Findings are known by their fingerprints, which name functions and no lines, each with the number of times it occurs.
//! More of them than that are new.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use raceguard_evidence::StaticFinding;
use serde::{Deserialize, Serialize};

use super::error::CheckError;
use super::fix::atomic::replace_file;

/// Name of the file when the user names none.
pub const DEFAULT_NAME: &str = "raceguard-baseline.json";

/// The version of the format.
const SCHEMA: u64 = 1;

/// Findings that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    folder: PathBuf,
    entries: BTreeMap<String, Entry>,
}

/// A fingerprint's entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// How often it occurs.
    pub(crate) count: usize,
    /// `race` or `crash`; empty for what static analysis found.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) kind: String,
    pub(crate) rule: String,
    pub(crate) subject: String,
    /// The file of the first statement, relative to the baseline.
    pub(crate) file: String,
}

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Document {
    schema: u64,
    kind: String,
    findings: BTreeMap<String, Entry>,
}

impl Baseline {
    /// Reads the file. One that is not there is an error.
    pub fn read(path: &Path) -> Result<Self, CheckError> {
        let text = fs::read_to_string(path).map_err(|source| CheckError::File {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let no_baseline = |reason: String| CheckError::Baseline { path: path.to_owned(), reason };
        let document: Document =
            serde_json::from_str(&text).map_err(|error| no_baseline(error.to_string()))?;
        if document.kind != "baseline" {
            return Err(no_baseline("it has another kind".to_owned()));
        }
        if document.schema > SCHEMA {
            return Err(no_baseline(format!("schema {} is newer than this raceguard", document.schema)));
        }
        Ok(Self { folder: folder_of(path), entries: document.findings })
    }

    /// Reads the file if it is there.
    pub fn read_if_there(path: &Path) -> Result<Self, CheckError> {
        match Self::read(path) {
            Err(CheckError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Self { folder: folder_of(path), ..Self::default() })
            }
            other => other,
        }
    }

    /// All entries, by fingerprint.
    pub(crate) fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    /// The baseline with other entries.
    #[must_use]
    pub(crate) fn with_entries(&self, entries: BTreeMap<String, Entry>) -> Self {
        Self { folder: self.folder.clone(), entries }
    }

    /// The findings beyond those that are known.
    pub fn new_ones(&self, findings: Vec<StaticFinding>) -> Vec<StaticFinding> {
        let mut left: HashMap<&str, usize> =
            self.entries.iter().map(|(print, entry)| (print.as_str(), entry.count)).collect();
        let is_new = |finding: &StaticFinding| match left.get_mut(finding.fingerprint.as_str()) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        };
        findings.into_iter().filter(is_new).collect()
    }

    /// How many known findings no longer occur, of those that `scope` could have found.
    pub fn gone(&self, findings: &[StaticFinding], scope: &Scope) -> usize {
        let now = counts(findings);
        let missing = |(print, entry): (&String, &Entry)| {
            let missing = entry.count.saturating_sub(now.get(print.as_str()).copied().unwrap_or(0));
            if self.is_in(scope, entry) { missing } else { 0 }
        };
        self.entries.iter().map(missing).sum()
    }

    /// The baseline of `findings`. Entries that `scope` could not have found stay.
    #[must_use]
    pub fn updated(&self, findings: &[StaticFinding], scope: &Scope) -> Self {
        let mut entries = self.entries.clone();
        entries.retain(|_, entry| !self.is_in(scope, entry));
        for finding in findings {
            let entry = entries.entry(finding.fingerprint.to_string()).or_insert_with(|| self.entry(finding));
            entry.count += 1;
        }
        Self { folder: self.folder.clone(), entries }
    }

    /// How many findings it knows.
    pub fn len(&self) -> usize {
        self.entries.values().map(|entry| entry.count).sum()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the file as a whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), CheckError> {
        let document =
            Document { schema: SCHEMA, kind: "baseline".to_owned(), findings: self.entries.clone() };
        let failed = |source| CheckError::File { action: "write", path: path.to_owned(), source };
        let mut text = serde_json::to_vec_pretty(&document).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        replace_file(path, &text).map_err(failed)
    }

    fn entry(&self, finding: &StaticFinding) -> Entry {
        let file = finding.sites.first().map_or("", |site| site.place.file.as_str());
        let relative = Path::new(file).strip_prefix(&self.folder).unwrap_or(Path::new(file));
        Entry {
            count: 0,
            kind: String::new(),
            rule: finding.rule.clone(),
            subject: finding.subject.clone(),
            file: relative.to_string_lossy().into_owned(),
        }
    }

    /// Whether the analysis could have found it. Races and crashes it never can.
    fn is_in(&self, scope: &Scope, entry: &Entry) -> bool {
        if !entry.kind.is_empty() {
            return false;
        }
        let path = self.folder.join(&entry.file);
        scope.files.contains(&path) || !path.exists()
    }
}

/// What an analysis could have found.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// The files that were analysed.
    pub files: HashSet<PathBuf>,
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

fn counts(findings: &[StaticFinding]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for finding in findings {
        *counts.entry(finding.fingerprint.as_str()).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use raceguard_evidence::{Fingerprint, Severity, Site, SourcePlace};
    use serde_json::Map;

    fn finding(folder: &Path, file: &str, function: &str, line: u32) -> StaticFinding {
        let place = SourcePlace {
            file: folder.join(file).to_string_lossy().into_owned(),
            line,
            ..SourcePlace::default()
        };
        let sites =
            vec![Site { place, function: function.into(), action: "write".into(), ..Site::default() }];
        StaticFinding {
            rule: "RG101".into(),
            tool: None,
            severity: Severity::Error,
            fingerprint: Fingerprint::of_static_finding("RG101", "map m", &sites),
            subject: "map m".into(),
            message: String::new(),
            sites,
            reasons: Vec::new(),
            remedy: String::new(),
            fix: None,
            extra: Map::new(),
        }
    }

    fn module() -> (tempfile::TempDir, PathBuf, Scope) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.go"), "").unwrap();
        fs::write(folder.path().join("b.go"), "").unwrap();
        let path = folder.path().join(DEFAULT_NAME);
        let files = [folder.path().join("a.go")].into();
        (folder, path, Scope { files })
    }

    #[test]
    fn what_is_written_is_known_when_lines_have_moved() {
        let (folder, path, scope) = module();
        let known = [finding(folder.path(), "a.go", "m.F", 3), finding(folder.path(), "a.go", "m.F", 4)];
        Baseline::read_if_there(&path).unwrap().updated(&known, &scope).write(&path).unwrap();
        let baseline = Baseline::read(&path).unwrap();
        assert_eq!(baseline.len(), 2);
        let now: Vec<_> = (10..13).map(|line| finding(folder.path(), "a.go", "m.F", line)).collect();
        let new = baseline.new_ones(now);
        assert_eq!(new.iter().map(|it| it.sites[0].place.line).collect::<Vec<_>>(), [12]);
        assert_eq!(baseline.new_ones(vec![finding(folder.path(), "a.go", "m.G", 1)]).len(), 1);
    }

    #[test]
    fn what_is_gone_is_counted_and_removed_where_it_was_looked_for() {
        let (folder, path, scope) = module();
        let all = [finding(folder.path(), "a.go", "m.F", 3), finding(folder.path(), "b.go", "m.G", 3)];
        let baseline = Baseline::read_if_there(&path).unwrap().updated(&all, &scope);
        assert_eq!(baseline.gone(&all[..1], &scope), 0, "b.go was not analysed");
        assert_eq!(baseline.gone(&[], &scope), 1);
        let left = baseline.updated(&[], &scope);
        assert_eq!(left.len(), 1);
        fs::remove_file(folder.path().join("b.go")).unwrap();
        assert!(left.updated(&[], &scope).is_empty(), "its file is gone");
    }

    #[test]
    fn a_file_that_is_no_baseline_is_refused() {
        let (_folder, path, _) = module();
        assert!(matches!(Baseline::read(&path), Err(CheckError::File { .. })));
        for text in [
            "",
            "[]",
            r#"{"schema":1,"kind":"report","findings":{}}"#,
            r#"{"schema":9,"kind":"baseline","findings":{}}"#,
        ] {
            fs::write(&path, text).unwrap();
            let error = Baseline::read(&path).unwrap_err();
            assert!(matches!(error, CheckError::Baseline { .. }), "{text}");
            assert!(error.hint().unwrap().contains("--update-baseline"));
        }
    }
}
