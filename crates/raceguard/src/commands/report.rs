//! `raceguard report`: the findings of a run again.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use raceguard_evidence::{RunEvidence, RunFolder};

use crate::error::{CommandError, print_warning};
use crate::report::Format;
use crate::report_output::{Stream, format_of, print, write_file};

/// Flags of `raceguard report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run: its name in .raceguard/runs, its folder or its evidence file; the last one when left out
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
    for warning in &evidence.warnings {
        print_warning(warning);
    }
    match &arguments.output {
        Some(file) => {
            let format = arguments.format.map_or_else(|| format_of(file), Ok)?;
            write_file(&evidence, format, file)?;
        }
        None => print(&evidence, arguments.format.unwrap_or_default(), Stream::Stdout)?,
    }
    Ok(u8::from(has_findings(&evidence)))
}

/// Whether the run has races, or crashes that are mistakes of concurrency.
pub fn has_findings(evidence: &RunEvidence) -> bool {
    !evidence.findings.is_empty()
        || evidence.crashes.iter().any(|found| crate::crashes::is_finding(&found.crash))
}

fn find_run(name: Option<&Path>) -> Result<RunFolder, CommandError> {
    if let Some(path) = name.filter(|path| path.exists()) {
        return Ok(RunFolder::at(path));
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
fn module_root() -> Result<PathBuf, CommandError> {
    let here = env::current_dir()
        .map_err(|source| CommandError::System { action: "find the current folder".to_owned(), source })?;
    let is_root =
        |folder: &&Path| folder.join(".raceguard/last").is_file() || folder.join("go.mod").is_file();
    let root = here.ancestors().find(is_root).unwrap_or(&here);
    Ok(root.to_owned())
}
