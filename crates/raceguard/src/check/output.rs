//! Where the report of a check goes.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use raceguard_evidence::RunEvidence;

use super::filter::Report;
use super::fix::atomic::replace_file;
use super::render::{self, Format, Look, Paths, statistics};
use crate::error::{CommandError, print_hint};
use crate::report;

/// How and where to write.
#[derive(Debug)]
pub struct Options {
    /// The format.
    pub format: Format,
    /// A file instead of stdout.
    pub file: Option<PathBuf>,
    /// Counts instead of findings.
    pub statistics: bool,
    /// No summary.
    pub quiet: bool,
    /// What paths are shown relative to.
    pub paths: Paths,
}

/// Writes the report.
pub fn write(report: &Report, options: &Options) -> Result<(), CommandError> {
    let Some(file) = &options.file else { return print(report, options) };
    let mut bytes = Vec::new();
    let look = Look { quiet: options.quiet, ..Look::plain(&options.paths) };
    let failed =
        |source| CommandError::System { action: format!("write the report {}", file.display()), source };
    render_to(report, options, &look, &mut bytes).map_err(failed)?;
    replace_file(file, &bytes).map_err(failed)?;
    if !options.quiet {
        eprintln!("raceguard: {}, see {}", render::summary(report), file.display());
    }
    Ok(())
}

/// Shows the findings of a check again, as `raceguard report` does; gives the exit code.
pub fn again(
    evidence: &RunEvidence,
    format: report::Format,
    file: Option<&Path>,
) -> Result<u8, CommandError> {
    let format = match format {
        report::Format::Text => Format::Text,
        report::Format::Json => Format::Json,
        report::Format::Html => Format::Html,
        report::Format::Sarif => Format::Sarif,
        report::Format::Github => Format::Github,
    };
    let found = Report::from_evidence(evidence);
    let here = std::env::current_dir()
        .map_err(|source| CommandError::System { action: "find the current folder".to_owned(), source })?;
    let module = evidence.run.as_ref().map_or(Path::new(""), |run| Path::new(&run.module_dir));
    let paths = Paths::new(&here, module);
    print_problems(&found, &here, false);
    let file = file.map(|file| here.join(file));
    write(&found, &Options { format, file, statistics: false, quiet: false, paths })?;
    Ok(found.exit_code())
}

fn print(report: &Report, options: &Options) -> Result<(), CommandError> {
    let runtime = report::Options::for_stdout(&|_| None);
    let look = Look {
        color: runtime.color,
        width: runtime.width,
        quiet: options.quiet,
        ..Look::plain(&options.paths)
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let printed = render_to(report, options, &look, &mut out).and_then(|()| out.flush());
    match printed {
        // A reader that has seen enough (`raceguard check | head`) is no error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => {
            other.map_err(|source| CommandError::System { action: "print the report".to_owned(), source })
        }
    }
}

fn render_to(report: &Report, options: &Options, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    match (options.statistics, options.format) {
        (true, Format::Text) => statistics::render(report, look, out),
        (statistics, format) => {
            render::render(report, format, look, out)?;
            if statistics { statistics::render(report, look, &mut io::stderr().lock()) } else { Ok(()) }
        }
    }
}

/// Tells what is wrong with the sources; notices only unless `quiet`.
pub fn print_problems(report: &Report, folder: &Path, quiet: bool) {
    let shown = report.problems.iter().filter(|problem| problem.loss || !quiet);
    let paths = Paths::new(folder, folder);
    let mut last_hint = "";
    for problem in shown {
        let kind = if problem.loss { "error" } else { "note" };
        eprintln!("raceguard: {kind}: {}: {}", paths.problem(problem), render::clean(&problem.message));
        // The hint of many problems in a row is the same.
        if !problem.hint.is_empty() && problem.hint != last_hint {
            print_hint(render::clean(&problem.hint));
        }
        last_hint = &problem.hint;
    }
    if report.losses() > 0 {
        eprintln!(
            "raceguard: {} left out of the analysis, see above",
            render::counted(report.losses(), "place")
        );
    }
}
