//! Keeps the findings of a check in `.raceguard`, like every producer of evidence.

use std::fs;
use std::path::Path;
use std::process;

use jiff::Timestamp;
use raceguard_analyzer::source::BuildContext;
use raceguard_evidence::{EvidenceError, EvidenceWriter, Run, RunEnd, RunFolder, RunMode};
use raceguard_gotool::module;
use serde_json::Map;

use super::filter::Report;
use crate::old_runs;
use crate::session::unix_ns;

/// What only the command knows of a check.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The module's folder, in whose `.raceguard` the evidence is kept.
    pub module: &'a Path,
    /// The build.
    pub build: &'a BuildContext,
    /// When the check began.
    pub started: Timestamp,
    /// How it ended.
    pub exit_code: u8,
    /// Whether the whole module was analysed and nothing was left out by rule, severity or change.
    pub whole: bool,
    /// What the baseline hid, when there is one.
    pub baseline: Option<&'a Known>,
}

/// What a baseline hid of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Fingerprints, each as often as it was hidden.
    pub fingerprints: Vec<String>,
    /// Entries of the baseline that no longer occur.
    pub gone: usize,
}

/// Writes a new run.
pub fn write(report: &Report, context: &Context<'_>) -> Result<(), EvidenceError> {
    let id = format!("{}-{}", context.started.strftime("%Y%m%dT%H%M%S"), process::id());
    let folder = RunFolder::create(context.module, &id)?;
    keep_out_of_git(context.module);
    old_runs::remove_old(context.module, old_runs::kept(context.module).unwrap_or(old_runs::DEFAULT_KEPT));
    let mut writer = EvidenceWriter::append_to(&folder.evidence_path())?;
    writer.write(&run_record(id, context).into())?;
    for problem in &report.problems {
        writer.write(&problem.clone().into())?;
    }
    for finding in &report.findings {
        writer.write(&finding.clone().into())?;
    }
    let mut extra = Map::new();
    extra.insert("packages".to_owned(), report.packages.into());
    extra.insert("whole".to_owned(), context.whole.into());
    if let Some(known) = context.baseline {
        extra.insert("known".to_owned(), known.fingerprints.clone().into());
        extra.insert("baseline_gone".to_owned(), known.gone.into());
    }
    let ended_unix_ns = unix_ns(Timestamp::now());
    let exit_code = context.exit_code.into();
    writer.write(&RunEnd { ended_unix_ns, exit_code, interrupted: false, extra }.into())
}

fn run_record(id: String, context: &Context<'_>) -> Run {
    let commit = module::commit_of(context.module);
    let go_mod = fs::read_to_string(context.module.join("go.mod")).unwrap_or_default();
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    Run {
        id,
        command: std::iter::once("raceguard".to_owned()).chain(words).collect(),
        mode: RunMode::Check,
        started_unix_ns: unix_ns(context.started),
        module: module::module_path(&go_mod).unwrap_or_default(),
        module_dir: context.module.to_string_lossy().into_owned(),
        dirty: commit.as_ref().map(|commit| commit.dirty),
        commit: commit.map(|commit| commit.hash),
        go_version: String::new(),
        goos: context.build.goos.clone(),
        goarch: context.build.goarch.clone(),
        host: fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        raceguard_version: env!("CARGO_PKG_VERSION").to_owned(),
        extra: Map::new(),
    }
}

/// Evidence is no source; see [`crate::session`].
fn keep_out_of_git(module: &Path) {
    let ignore = module.join(".raceguard").join(".gitignore");
    if !ignore.exists() {
        let _ = fs::write(ignore, "*\n");
    }
}
