//! What is in the baseline: known races, crashes and static findings, and what became of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use raceguard_evidence::{RunEvidence, RunMode};
use raceguard_policy::Facts;
use raceguard_policy::facts::FindingFact;

use super::error::GateError;
use super::runs::LoadedRun;
use crate::check::baseline::{Baseline, DEFAULT_NAME, Entry};
use crate::check::config;
use crate::check::error::CheckError;

/// The baseline and where it lies.
#[derive(Debug, Clone, Default)]
pub struct Known {
    path: PathBuf,
    baseline: Baseline,
}

/// What an update of the baseline changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Updated {
    /// Findings that it knows now.
    pub known: usize,
    /// Findings that left it.
    pub removed: usize,
    /// Findings that came to it.
    pub added: usize,
}

impl Known {
    /// The baseline that is named on the command line, in `raceguard.toml`, or that lies in the module.
    pub fn read(named: Option<&Path>, module: &Path) -> Result<Self, CheckError> {
        if let Some(path) = named {
            return Ok(Self { path: path.to_owned(), baseline: Baseline::read(path)? });
        }
        let config = config::find(module).as_deref().map(config::read).transpose()?;
        let path = config.and_then(|config| config.baseline).unwrap_or_else(|| module.join(DEFAULT_NAME));
        Ok(Self { baseline: Baseline::read_if_there(&path)?, path })
    }

    /// The same path, whether or not it is there: for a baseline that is about to be written.
    pub fn read_if_there(named: Option<&Path>, module: &Path) -> Result<Self, CheckError> {
        match named {
            Some(path) => Ok(Self { path: path.to_owned(), baseline: Baseline::read_if_there(path)? }),
            None => Self::read(None, module),
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many findings it knows.
    pub fn len(&self) -> usize {
        self.baseline.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.baseline.is_empty()
    }

    /// How often each fingerprint is known.
    pub(super) fn counts(&self) -> HashMap<&str, usize> {
        self.baseline.entries().iter().map(|(print, entry)| (print.as_str(), entry.count)).collect()
    }

    /// Known static findings that no longer occur, as far as the judged checks can tell. A race that was not seen may
    /// only have been lucky, so it is never told as gone.
    pub fn gone(&self, runs: &[LoadedRun]) -> u64 {
        checks(runs).map(|check| self.gone_in(check)).max().unwrap_or(0)
    }

    fn gone_in(&self, check: &RunEvidence) -> u64 {
        let extra = check.end.as_ref().map(|end| &end.extra);
        if let Some(gone) = extra.and_then(|extra| extra.get("baseline_gone")?.as_u64()) {
            return gone;
        }
        if !is_whole(check) {
            return 0;
        }
        let now = static_counts(check);
        let missing = |(print, entry): (&String, &Entry)| {
            entry.count.saturating_sub(now.get(print.as_str()).copied().unwrap_or(0)) as u64
        };
        self.baseline.entries().iter().filter(|(_, entry)| entry.kind.is_empty()).map(missing).sum()
    }

    /// The known findings that the judged runs still show, those included that a check hid.
    pub fn seen(&self, facts: &Facts, runs: &[LoadedRun]) -> Vec<String> {
        let shown = facts.findings.iter().filter(|finding| !finding.is_new).map(|it| it.fingerprint.as_str());
        let seen = shown.chain(checks(runs).flat_map(hidden));
        let named = |print: &str| match self.baseline.entries().get(print) {
            Some(entry) if entry.subject.is_empty() => format!("{} in {}", entry.rule, entry.file),
            Some(entry) => format!("{} {} in {}", entry.rule, entry.subject, entry.file),
            // Another baseline than the gate's hid it.
            None => print.to_owned(),
        };
        seen.map(named).collect()
    }

    /// The baseline without what is gone, and with what is new if that is accepted.
    pub fn updated(&self, facts: &Facts, runs: &[LoadedRun], accepts_new: bool) -> (Self, Updated) {
        let mut entries: BTreeMap<String, Entry> = self.baseline.entries().clone();
        let whole: Vec<&RunEvidence> = checks(runs).filter(|check| is_whole(check)).collect();
        if !whole.is_empty() {
            let mut now: HashMap<&str, usize> = HashMap::new();
            for (print, count) in whole.iter().flat_map(|check| static_counts(check)) {
                let most = now.entry(print).or_insert(0);
                *most = count.max(*most);
            }
            for (print, entry) in entries.iter_mut().filter(|(_, entry)| entry.kind.is_empty()) {
                entry.count = entry.count.min(now.get(print.as_str()).copied().unwrap_or(0));
            }
        }
        if facts.runs.iter().any(|run| run.instrumented && run.complete && !run.interrupted) {
            let seen: HashSet<&str> = facts.findings.iter().map(|it| it.fingerprint.as_str()).collect();
            for (print, entry) in entries.iter_mut().filter(|(_, entry)| !entry.kind.is_empty()) {
                entry.count = if seen.contains(print.as_str()) { entry.count } else { 0 };
            }
        }
        entries.retain(|_, entry| entry.count > 0);
        let left: usize = entries.values().map(|entry| entry.count).sum();
        let mut added = 0;
        if accepts_new {
            for finding in facts.findings.iter().filter(|finding| finding.is_new) {
                entries.entry(finding.fingerprint.clone()).or_insert_with(|| entry(finding)).count += 1;
                added += 1;
            }
        }
        let updated = Updated { known: left + added, removed: self.len() - left, added };
        (Self { path: self.path.clone(), baseline: self.baseline.with_entries(entries) }, updated)
    }

    /// Writes it as a whole or not at all.
    pub fn write(&self) -> Result<(), CheckError> {
        self.baseline.write(&self.path)
    }
}

fn entry(finding: &FindingFact) -> Entry {
    let is_static = matches!(finding.kind.as_str(), "static" | "foreign");
    Entry {
        count: 0,
        kind: if is_static { String::new() } else { finding.kind.clone() },
        rule: finding.rule.clone(),
        subject: finding.subject.clone(),
        file: finding.file.clone(),
    }
}

fn checks(runs: &[LoadedRun]) -> impl Iterator<Item = &RunEvidence> {
    let is_check =
        |evidence: &&RunEvidence| evidence.run.as_ref().is_some_and(|run| run.mode == RunMode::Check);
    runs.iter().map(|run| &run.evidence).filter(is_check)
}

/// Whether what a check does not show is not there.
fn is_whole(check: &RunEvidence) -> bool {
    let whole = |end: &raceguard_evidence::RunEnd| end.extra.get("whole").is_some_and(|it| it == true);
    check.end.as_ref().is_some_and(whole) && !check.source_problems.iter().any(|problem| problem.loss)
}

/// The fingerprints that a check hid because the baseline knows them.
fn hidden(check: &RunEvidence) -> impl Iterator<Item = &str> {
    let known = check.end.as_ref().and_then(|end| end.extra.get("known")?.as_array());
    known.into_iter().flatten().filter_map(serde_json::Value::as_str)
}

fn static_counts(check: &RunEvidence) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    let shown = check.static_findings.iter().map(|finding| finding.fingerprint.as_str());
    for print in shown.chain(hidden(check)) {
        *counts.entry(print).or_insert(0) += 1;
    }
    counts
}

/// An update that nobody could have meant is refused.
pub fn refuse_growth(accepts_new: bool, updates: bool) -> Result<(), GateError> {
    if accepts_new && !updates {
        return Err(GateError::Usage {
            message: "--accept-new changes nothing by itself".to_owned(),
            hint: "write `raceguard gate --update-baseline --accept-new`".to_owned(),
        });
    }
    Ok(())
}
