//! Which runs a diagnosis rests on.

use std::path::{Path, PathBuf};

use raceguard_diagnosis::{Evidence, EvidenceRun};
use raceguard_evidence::{RunEvidence, RunFolder, RunMode};

use crate::error::CommandError;
use crate::kept_runs::kept_runs;

/// Loads the runs named, or else those that describe the module now.
pub fn load(root: &Path, named: &[PathBuf], all: bool) -> Result<Evidence, CommandError> {
    let folders = if named.is_empty() { current(root, all)? } else { find_all(root, named)? };
    let mut evidence = Evidence::default();
    for (name, folder) in folders {
        evidence.runs.push(EvidenceRun { name, evidence: RunEvidence::load(&folder)? });
    }
    evidence.runs.sort_by_key(EvidenceRun::started);
    Ok(evidence)
}

fn find_all(root: &Path, named: &[PathBuf]) -> Result<Vec<(String, RunFolder)>, CommandError> {
    let runs = root.join(".raceguard").join("runs");
    let find = |name: &PathBuf| {
        let below = runs.join(name);
        let path = if name.exists() { name } else { &below };
        if !path.exists() {
            return Err(CommandError::UnknownRun { name: name.clone(), runs: runs.clone() });
        }
        Ok((name.to_string_lossy().into_owned(), RunFolder::at(path)))
    };
    named.iter().map(find).collect()
}

/// The runs that describe the module now: of `check` and `test` the newest of each command line, for a newer one
/// restates what an older one found; all that was ingested or seen in running programs. With `all` every run kept.
fn current(root: &Path, all: bool) -> Result<Vec<(String, RunFolder)>, CommandError> {
    let mut kept = kept_runs(root)?;
    let mut restated: Vec<(RunMode, Vec<String>)> = Vec::new();
    kept.retain(|kept| {
        let command = match kept.run.mode {
            RunMode::Check => vec![],
            RunMode::Test => kept.run.command.clone(),
            _ => return true,
        };
        let key = (kept.run.mode.clone(), command);
        let is_older = restated.contains(&key);
        restated.push(key);
        all || !is_older
    });
    Ok(kept.into_iter().map(|kept| (kept.name(), kept.folder)).collect())
}

/// Splits the evidence into the runs of an older state and the newer ones. `base` names a run that is kept, or a
/// commit or branch: then the older state are the runs of that commit, taken from all that are kept; those of a tree
/// without changes, if there are any.
pub fn split(
    root: &Path,
    base: &str,
    newer: Evidence,
    all: bool,
) -> Result<(Evidence, Evidence), CommandError> {
    let runs = root.join(".raceguard").join("runs");
    let unknown = || CommandError::UnknownRun { name: PathBuf::from(base), runs: runs.clone() };
    if Path::new(base).exists() || runs.join(base).exists() {
        let older = load(root, &[PathBuf::from(base)], false)?;
        let newer = without(newer, &older);
        return Ok((older, newer));
    }
    let commit = commit_of(root, base).ok_or_else(unknown)?;
    let mut older = load(root, &[], true)?;
    older
        .runs
        .retain(|run| run.evidence.run.as_ref().is_some_and(|run| run.commit.as_deref() == Some(&commit)));
    if older.runs.is_empty() {
        return Err(CommandError::NoRunOfCommit { base: base.to_owned(), commit });
    }
    // A run of a tree with changes is of the commit only as long as there is none of the commit itself.
    let of_the_commit =
        |run: &EvidenceRun| run.evidence.run.as_ref().is_some_and(|run| run.dirty != Some(true));
    if older.runs.iter().any(of_the_commit) {
        older.runs.retain(of_the_commit);
    }
    let newer = if all { without(newer, &older) } else { newer };
    Ok((older, newer))
}

fn without(mut evidence: Evidence, other: &Evidence) -> Evidence {
    evidence.runs.retain(|run| !other.runs.iter().any(|other| other.name == run.name));
    evidence
}

/// The commit that git knows under a name.
fn commit_of(root: &Path, name: &str) -> Option<String> {
    let mut git = std::process::Command::new("git");
    let output = git.arg("-C").arg(root).args(["rev-parse", "--verify", "--quiet", "--end-of-options"]);
    let output = output.arg(format!("{name}^{{commit}}")).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
