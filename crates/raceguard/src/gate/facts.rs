//! Evidence as the plain facts that policies look at.

mod clusters;
mod coverage;
mod findings;
mod locks;
mod packages;

use std::path::Path;

use jiff::Timestamp;
use raceguard_diagnosis::top_causes::TopOptions;
use raceguard_diagnosis::{Diagnosis, Evidence, EvidenceRun};
use raceguard_evidence::{Coverage, ModulePaths, RunMode};
use raceguard_policy::facts::{DiffFact, EvidenceFact, Facts, RunFact};

use super::known::Known;
use super::runs::LoadedRun;
use crate::check::git_diff::ChangedLines;
use crate::report::read_source_file;
use crate::session::unix_ns;

/// What only the command knows.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The module's folder.
    pub module: &'a Path,
    /// What the change is compared with, and its lines.
    pub change: Option<(&'a str, &'a ChangedLines)>,
    /// The commit that is checked out.
    pub head: Option<&'a str>,
    /// Coverage that was named; it is looked at instead of what runs hold.
    pub coverage: Option<&'a [Coverage]>,
    /// The baseline.
    pub known: &'a Known,
    /// Now.
    pub now: Timestamp,
}

/// The facts of runs that are looked at together.
pub fn facts(runs: &[LoadedRun], context: &Context<'_>) -> Facts {
    let covered = match context.coverage {
        Some(named) => Some(coverage::Covered::of_named(named, runs)),
        None => coverage::Covered::of(runs),
    };
    let findings = findings::findings(runs, covered.as_ref(), context);
    let coverage = covered.as_ref().map(|covered| covered.fact(context));
    let diagnosis = diagnosis(runs);
    let locks = locks::locks(&diagnosis.locks, runs);
    let run_facts: Vec<RunFact> = runs.iter().map(|run| run_fact(run, context)).collect();
    let evidence = EvidenceFact {
        runs: run_facts.len() as u64,
        detector_ran: run_facts.iter().any(|run| run.instrumented),
        checked: run_facts.iter().any(|run| run.mode == "check"),
        has_coverage: coverage.is_some(),
        has_lock_profile: runs.iter().any(|run| run.evidence.foreign.iter().any(locks::is_of_locks)),
        baseline_gone: context.known.gone(runs),
    };
    let clusters = clusters::clusters(&diagnosis, &findings);
    Facts { findings, clusters, locks, coverage, runs: run_facts, diff: diff(context), evidence }
}

/// What the runs come to together.
fn diagnosis(runs: &[LoadedRun]) -> Diagnosis {
    let run = |run: &LoadedRun| EvidenceRun { name: run.name.clone(), evidence: run.evidence.clone() };
    let evidence = Evidence { runs: runs.iter().map(run).collect() };
    Diagnosis::of(&evidence, &TopOptions::default(), &read_source_file)
}

fn diff(context: &Context<'_>) -> Option<DiffFact> {
    let (base, changed) = context.change?;
    let mut files: Vec<String> = Vec::new();
    let mut lines = 0;
    for (path, ranges) in changed.files() {
        files.push(relative(&path.to_string_lossy(), context.module));
        lines += coverage::count_lines(path, ranges);
    }
    files.sort();
    Some(DiffFact { base: base.to_owned(), files, lines })
}

fn run_fact(loaded: &LoadedRun, context: &Context<'_>) -> RunFact {
    let evidence = &loaded.evidence;
    let run = evidence.run.as_ref();
    let packages = packages::Packages::of(evidence);
    let unparsed = packages::unparsed(evidence);
    let commit = run.and_then(|run| run.commit.clone()).unwrap_or_default();
    let started = run.map_or(0, |run| run.started_unix_ns);
    let end = evidence.end.as_ref();
    RunFact {
        id: loaded.name.clone(),
        mode: run.map_or("run", |run| mode(&run.mode)).to_owned(),
        instrumented: packages.instrumented,
        packages: packages.all,
        packages_failed: packages.failed,
        packages_not_run: packages.not_run.len() as u64,
        not_run: packages.not_run,
        files_unparsed: unparsed.len() as u64,
        unparsed,
        lines_damaged: evidence.skipped_lines,
        interrupted: end.is_some_and(|end| end.interrupted),
        // A program that was started by itself writes neither the beginning nor the end of a run.
        complete: end.is_some() || run.is_none(),
        exit_code: end.and_then(|end| u64::try_from(end.exit_code).ok()),
        go_version: run.map(|run| run.go_version.clone()).unwrap_or_default(),
        stale: context.head.filter(|_| !commit.is_empty()).map(|head| head != commit),
        commit,
        dirty: run.and_then(|run| run.dirty),
        age_s: unix_ns(context.now).saturating_sub(started) / 1_000_000_000,
    }
}

fn mode(mode: &RunMode) -> &str {
    match mode {
        RunMode::Test => "test",
        RunMode::Run => "run",
        RunMode::Build => "build",
        RunMode::Check => "check",
        RunMode::Ingest => "ingest",
        RunMode::Other(name) => name,
        _ => "unknown",
    }
}

/// A file as facts name it: relative to the module, when it lies there.
fn relative(file: &str, module: &Path) -> String {
    ModulePaths::new("", &module.to_string_lossy()).relative(file).to_owned()
}
