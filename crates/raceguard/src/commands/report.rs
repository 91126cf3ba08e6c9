//! `raceguard report`: the findings of a run again.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use raceguard_evidence::{RunEvidence, RunFolder, RunMode};

use crate::error::{CommandError, print_warning};
use crate::report::Format;
use crate::report_output::{Stream, format_of, print, shows_warnings, write_file};

/// Flags of `raceguard report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run: its name in .raceguard/runs, its folder or its evidence file, or a module; the last one when left out
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,

    /// Format of the report: text, json, html, sarif or github; with --output, by default as the file's name ends
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Write the report to FILE instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Renders the run. The exit code is 1 when there are findings, as it was for the run itself.
pub fn run(arguments: &ReportArgs) -> Result<u8, CommandError> {
    let folder = find_run(arguments.run.as_deref())?;
    let evidence = RunEvidence::load(&folder)?;
    if is_empty(&evidence) {
        return Err(CommandError::NoEvidence { path: folder.evidence_path() });
    }
    let format = match (arguments.format, &arguments.output) {
        (Some(format), _) => format,
        (None, Some(file)) => format_of(file)?,
        (None, None) => Format::default(),
    };
    if evidence.run.as_ref().is_some_and(|run| run.mode == RunMode::Check) {
        evidence.warnings.iter().for_each(print_warning);
        return crate::check::output::again(&evidence, format, arguments.output.as_deref());
    }
    if arguments.output.is_some() || !shows_warnings(format) {
        evidence.warnings.iter().for_each(print_warning);
    }
    match &arguments.output {
        Some(file) => write_file(&evidence, format, file)?,
        None => print(&evidence, format, Stream::Stdout)?,
    }
    Ok(exit_code(&evidence))
}

/// Whether nothing was read that only evidence holds.
fn is_empty(evidence: &RunEvidence) -> bool {
    let RunEvidence { run, processes, findings, crashes, tests, end, .. } = evidence;
    let has_run = run.is_some() || end.is_some() || !processes.is_empty();
    !has_run && findings.is_empty() && crashes.is_empty() && tests.is_empty()
}

/// A run of tests that could not be carried out is not clean, though it has no findings.
fn exit_code(evidence: &RunEvidence) -> u8 {
    let is_test = evidence.run.as_ref().is_some_and(|run| run.mode == RunMode::Test);
    let failed = evidence.end.as_ref().is_some_and(|end| end.exit_code == 2);
    if has_findings(evidence) {
        1
    } else if is_test && failed {
        2
    } else {
        0
    }
}

/// Whether the run has races, or crashes that are mistakes of concurrency.
pub fn has_findings(evidence: &RunEvidence) -> bool {
    !evidence.findings.is_empty()
        || evidence.crashes.iter().any(|found| crate::crashes::is_finding(&found.crash))
}

pub(crate) fn find_run(name: Option<&Path>) -> Result<RunFolder, CommandError> {
    if let Some(path) = name.filter(|path| path.exists()) {
        // The folder of a module stands for its last run.
        let is_module = path.join(".raceguard/last").is_file();
        return if is_module { Ok(RunFolder::last(path)?) } else { Ok(RunFolder::at(path)) };
    }
    let root = module_root()?;
    match name {
        None => Ok(RunFolder::last(&root)?),
        Some(name) => {
            let runs = root.join(".raceguard").join("runs");
            let path = runs.join(name);
            if path.exists() {
                return Ok(RunFolder::at(&path));
            }
            Err(CommandError::UnknownRun { name: name.to_owned(), runs })
        }
    }
}

/// The nearest folder above that is a module or has evidence. Reports need no Go, so it is not asked.
pub(crate) fn module_root() -> Result<PathBuf, CommandError> {
    let here = env::current_dir()
        .map_err(|source| CommandError::System { action: "find the current folder".to_owned(), source })?;
    let is_root =
        |folder: &&Path| folder.join(".raceguard/last").is_file() || folder.join("go.mod").is_file();
    let root = here.ancestors().find(is_root).unwrap_or(&here);
    Ok(root.to_owned())
}
