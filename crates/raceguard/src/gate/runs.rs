//! Which runs are judged, and which came before them.

use std::collections::HashSet;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use raceguard_evidence::{RunEvidence, RunFolder, RunMode};
use raceguard_policy::policy::{PolicySet, Window};

use super::error::GateError;
use crate::commands::report::find_run;
use crate::error::{CommandError, print_warning};
use crate::kept_runs::{KeptRun, kept_runs};

/// A run with its evidence.
#[derive(Debug)]
pub struct LoadedRun {
    /// Name of its folder or file.
    pub name: String,
    /// Where its evidence lies.
    pub folder: RunFolder,
    /// Its evidence.
    pub evidence: RunEvidence,
}

/// The runs that are judged: those that are named, else the newest of each kind.
pub fn judged(module: &Path, named: &[PathBuf]) -> Result<Vec<LoadedRun>, CommandError> {
    let folders: Vec<RunFolder> = if named.is_empty() {
        let kept = kept_runs(module)?;
        let (chosen, outdated) = newest_of_each(&kept);
        if let Some(note) = outdated_note(&chosen, &outdated) {
            print_warning(note);
        }
        chosen.into_iter().map(|kept| kept.folder.clone()).collect()
    } else {
        named.iter().map(|name| find_run(Some(name))).collect::<Result<_, _>>()?
    };
    let mut runs: Vec<LoadedRun> = Vec::new();
    for folder in folders {
        // A run that is named twice counts once.
        if !runs.iter().any(|run| run.folder == folder) {
            runs.push(load(folder)?);
        }
    }
    if runs.iter().all(|run| is_empty(&run.evidence)) {
        return Err(GateError::NoEvidence { module: module.to_owned() }.into());
    }
    Ok(runs)
}

/// Runs before the judged ones, newest first: as many as any policy looks back at.
pub fn earlier(
    module: &Path,
    judged: &[LoadedRun],
    policies: &PolicySet,
    now: Timestamp,
) -> Result<Vec<LoadedRun>, CommandError> {
    let (mut count, mut days) = (0, 0);
    for policy in &policies.policies {
        match policy.window {
            Window::Runs(runs) => count = count.max(runs.saturating_sub(1)),
            Window::Days(window) => days = days.max(window),
        }
    }
    if count == 0 && days == 0 {
        return Ok(Vec::new());
    }
    let known: HashSet<PathBuf> = judged.iter().map(|run| run.folder.evidence_path()).collect();
    let oldest = unix_ns(now).saturating_sub(days.saturating_mul(24 * 60 * 60 * 1_000_000_000));
    let before = kept_runs(module)?.into_iter().filter(|kept| !known.contains(&kept.folder.evidence_path()));
    before
        .enumerate()
        .filter(|(index, kept)| (*index as u64) < count || (days > 0 && kept.run.started_unix_ns >= oldest))
        .map(|(_, kept)| load(kept.folder))
        .collect()
}

fn unix_ns(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond()).unwrap_or_default()
}

fn load(folder: RunFolder) -> Result<LoadedRun, CommandError> {
    let evidence = RunEvidence::load(&folder)?;
    let path = folder.evidence_path();
    let is_usual = path.file_name().is_some_and(|name| name == "evidence.jsonl");
    let named = if is_usual { folder.path() } else { path.as_path() };
    let name =
        named.file_name().map_or_else(|| named.display().to_string(), |name| name.display().to_string());
    Ok(LoadedRun { name, folder, evidence })
}

fn is_empty(evidence: &RunEvidence) -> bool {
    evidence.run.is_none() && evidence.end.is_none() && evidence.processes.is_empty()
}

/// The newest run with the detector, the newest check, and what was ingested for the same code; then what was ingested
/// for other code, and is newer than the run with the detector before.
///
/// Evidence of an older build must not fail a newer one. The code is the same when the commit is, and neither run had
/// changes on top. With changes nothing tells one build from the next but time: what was ingested before the newest run
/// with the detector is of an older one.
fn newest_of_each(runs: &[KeptRun]) -> (Vec<&KeptRun>, Vec<&KeptRun>) {
    const DETECTED: &[RunMode] = &[RunMode::Test, RunMode::Run];
    let newest = |modes: &[RunMode]| runs.iter().find(|kept| modes.contains(&kept.run.mode));
    let (detected, check) = (newest(DETECTED), newest(&[RunMode::Check]));
    let mut chosen: Vec<&KeptRun> = detected.into_iter().chain(check).collect();
    let Some(newest_build) = detected.or(check).map(|kept| kept.run.started_unix_ns) else {
        return (newest(&[RunMode::Ingest]).into_iter().collect(), Vec::new());
    };
    let before = runs.iter().filter(|kept| DETECTED.contains(&kept.run.mode)).nth(1);
    let before = before.map_or(0, |kept| kept.run.started_unix_ns);
    let belongs = |kept: &&KeptRun| {
        let commits = || chosen.iter().filter(|other| other.run.commit.is_some());
        let same = |other: &&&KeptRun| other.run.commit == kept.run.commit;
        let is_clean = |one: &KeptRun| one.run.dirty != Some(true);
        let is_new = kept.run.started_unix_ns >= newest_build;
        if kept.run.commit.is_none() || commits().next().is_none() {
            return is_new;
        }
        let is_same_code = commits().filter(same).any(|other| is_clean(other)) && is_clean(kept);
        is_same_code || is_new && commits().any(|other| same(&other))
    };
    let ingested = runs.iter().filter(|kept| kept.run.mode == RunMode::Ingest);
    let (ours, outdated): (Vec<&KeptRun>, Vec<&KeptRun>) = ingested.partition(belongs);
    chosen.extend(ours);
    (chosen, outdated.into_iter().filter(|kept| kept.run.started_unix_ns >= before).collect())
}

/// Says which ingested runs are not judged, so that nobody takes them for judged.
fn outdated_note(chosen: &[&KeptRun], outdated: &[&KeptRun]) -> Option<String> {
    let (first, more) = outdated.split_first()?;
    let more = match more.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let newer = chosen.first().map_or("", |kept| &kept.run.id);
    Some(format!(
        "what was ingested as {}{more} is of an older build than run {newer}, so it is not judged; \
         `raceguard gate RUN…` judges the runs it names",
        first.run.id
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    fn write(module: &Path, id: &str, mode: &str, started: u64, commit: Option<&str>) {
        let folder = module.join(".raceguard/runs").join(id);
        fs::create_dir_all(&folder).unwrap();
        let run = json!({"schema": 1, "kind": "run", "id": id, "mode": mode, "started_unix_ns": started, "commit": commit});
        fs::write(folder.join("evidence.jsonl"), format!("{run}\n")).unwrap();
    }

    fn names(runs: &[LoadedRun]) -> Vec<&str> {
        runs.iter().map(|run| run.name.as_str()).collect()
    }

    #[test]
    fn the_newest_of_each_kind_is_judged() {
        let module = tempfile::tempdir().unwrap();
        let path = module.path();
        assert!(matches!(judged(path, &[]), Err(CommandError::Gate(GateError::NoEvidence { .. }))));
        write(path, "i0", "ingest", 1, None);
        assert_eq!(names(&judged(path, &[]).unwrap()), ["i0"]);
        write(path, "t1", "test", 10, None);
        write(path, "c1", "check", 20, None);
        write(path, "t2", "run", 30, None);
        write(path, "i1", "ingest", 40, None);
        fs::create_dir_all(path.join(".raceguard/runs/empty")).unwrap();
        assert_eq!(names(&judged(path, &[]).unwrap()), ["t2", "c1", "i1"], "i0 is older than all others");
    }

    #[test]
    fn what_was_ingested_for_another_commit_does_not_count() {
        let module = tempfile::tempdir().unwrap();
        let path = module.path();
        write(path, "i1", "ingest", 5, Some("aaa"));
        write(path, "t1", "test", 10, Some("aaa"));
        write(path, "i2", "ingest", 20, Some("bbb"));
        assert_eq!(names(&judged(path, &[]).unwrap()), ["t1", "i1"]);
    }

    #[test]
    fn what_was_ingested_of_an_older_build_does_not_count() {
        let module = tempfile::tempdir().unwrap();
        let path = module.path();
        let dirty = |id: &str, mode: &str, started: u64, dirty: bool| {
            write(path, id, mode, started, Some("aaa"));
            let file = path.join(".raceguard/runs").join(id).join("evidence.jsonl");
            let mut run: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            run["dirty"] = dirty.into();
            fs::write(file, format!("{run}\n")).unwrap();
        };
        dirty("t1", "test", 10, false);
        dirty("i1", "ingest", 5, false);
        dirty("c1", "check", 30, false);
        dirty("i2", "ingest", 20, false);
        assert_eq!(names(&judged(path, &[]).unwrap()), ["t1", "c1", "i2", "i1"], "the code is the same");
        // The mend is not committed yet.
        dirty("t2", "test", 40, true);
        dirty("c2", "check", 50, true);
        assert_eq!(names(&judged(path, &[]).unwrap()), ["t2", "c2"]);
        dirty("i3", "ingest", 45, true);
        assert_eq!(names(&judged(path, &[]).unwrap()), ["t2", "c2", "i3"]);
        let kept = kept_runs(path).unwrap();
        let (chosen, outdated) = newest_of_each(&kept);
        let note = outdated_note(&chosen, &outdated).unwrap();
        assert!(note.starts_with("what was ingested as i2 is of an older build than run t2"), "{note}");
    }

    #[test]
    fn earlier_runs_are_read_where_a_policy_looks_back() {
        let module = tempfile::tempdir().unwrap();
        let path = module.path();
        for (id, started) in [("t1", 10), ("t2", 20), ("t3", 30)] {
            write(path, id, "test", started, None);
        }
        let runs = judged(path, &[]).unwrap();
        let policies = |window: &str| {
            let text = format!(
                "schema: 1\npolicies: [{{id: p, version: 1, description: d, {window} responses: [fail], \
                 match: {{over: runs, when: 'true'}}}}]"
            );
            raceguard_policy::read([(Path::new("p.yaml"), text.as_str())]).unwrap()
        };
        let earlier = |window, now| earlier(path, &runs, &policies(window), now).unwrap();
        let (then, now) = (Timestamp::UNIX_EPOCH, Timestamp::now());
        assert!(earlier("", then).is_empty());
        assert_eq!(names(&earlier("window: {runs: 2},", now)), ["t2"]);
        assert_eq!(names(&earlier("window: {runs: 9},", now)), ["t2", "t1"]);
        assert_eq!(names(&earlier("window: {days: 1},", then)), ["t2", "t1"]);
        assert!(earlier("window: {days: 1},", now).is_empty());
    }
}
