//! `raceguard explain`: from scattered evidence to one diagnosis.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use raceguard_diagnosis::comparison::compare;
use raceguard_diagnosis::top_causes::TopOptions;
use raceguard_diagnosis::{Diagnosis, Evidence};

use crate::error::CommandError;
use crate::explain::{Explanation, Format, render, runs};
use crate::report::{Options, read_source_file};

/// Flags of `raceguard explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The runs: names in .raceguard/runs, folders or evidence files; left out, those that describe the module now
    #[arg(value_name = "RUN")]
    runs: Vec<PathBuf>,

    /// Take every run that is kept, also those that a newer one restates
    #[arg(long)]
    all: bool,

    /// Format: text, json, markdown or html; with --output, by default as the file's name ends
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Write to FILE instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// How many root causes are shown
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,

    /// Compare with the runs of this commit, branch or run: which causes are new, gone, still there
    #[arg(long, value_name = "BASE")]
    since: Option<String>,

    /// How many operations that hurt are named
    #[arg(long, value_name = "K", default_value_t = 3)]
    operations: usize,

    /// Group spans by this attribute too (may be repeated)
    #[arg(long = "by", value_name = "ATTRIBUTE")]
    attributes: Vec<String>,
}

/// Diagnoses. The exit code is 1 when there is a root cause.
pub fn run(arguments: &ExplainArgs) -> Result<u8, CommandError> {
    let root = super::report::module_root()?;
    let evidence = runs::load(&root, &arguments.runs, arguments.all)?;
    if evidence.runs.is_empty() {
        return Err(CommandError::NoEvidence { path: root.join(".raceguard").join("runs") });
    }
    let top_options = TopOptions { count: arguments.operations, attributes: arguments.attributes.clone() };
    let (older, newer) = match &arguments.since {
        Some(base) => {
            let (older, newer) = runs::split(&root, base, evidence, arguments.all)?;
            (Some(older), newer)
        }
        None => (None, evidence),
    };
    let diagnose = |evidence: &Evidence| Diagnosis::of(evidence, &top_options, &read_source_file);
    let diagnosis = diagnose(&newer);
    let comparison = older.map(|older| compare(&diagnose(&older).clusters, &diagnosis.clusters));
    let options = Options::for_stdout(&read_source_file);
    let explanation = Explanation {
        diagnosis: &diagnosis,
        comparison: arguments.since.as_deref().zip(comparison),
        top: arguments.top,
        paths: &newer.module_paths(),
        read_source: &read_source_file,
        color: options.color && arguments.output.is_none(),
        width: options.width,
    };
    write(&explanation, arguments)?;
    Ok(u8::from(!diagnosis.clusters.is_empty()))
}

fn write(explanation: &Explanation<'_>, arguments: &ExplainArgs) -> Result<(), CommandError> {
    let Some(file) = &arguments.output else {
        let format = arguments.format.unwrap_or_default();
        return written(
            render(explanation, format, &mut BufWriter::new(io::stdout().lock())),
            Path::new("stdout"),
        );
    };
    let format = arguments.format.or_else(|| Format::of_file(file));
    let format = format.ok_or_else(|| CommandError::UnknownReportFormat { path: file.clone() })?;
    let made = File::create(file).and_then(|made| {
        let mut out = BufWriter::new(made);
        render(explanation, format, &mut out)?;
        out.flush()
    });
    written(made, file)
}

/// A reader that has gone, as `head` does, is no error.
fn written(result: io::Result<()>, path: &Path) -> Result<(), CommandError> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(source) => Err(CommandError::System { action: format!("write {}", path.display()), source }),
        Ok(()) => Ok(()),
    }
}
