//! Where the report of a run goes: to the terminal, into files, in which formats.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use raceguard_evidence::RunEvidence;

use crate::error::{CommandError, print_warning};
use crate::report::{Format, Options, read_source_file, render};

/// The flags on the report of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct ReportOptions {
    /// Format of the report: text, json, html, sarif or github
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub format: Format,

    /// Also write the report to FILE, as its name ends: .txt, .json, .html or .sarif (may be repeated)
    #[arg(long = "report", value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Print no report; evidence is kept for `raceguard report`
    #[arg(long)]
    pub no_report: bool,
}

/// Which stream a report is printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// stdout
    Stdout,
    /// stderr
    Stderr,
}

impl ReportOptions {
    /// Checks what can be checked before a run.
    pub fn check(&self) -> Result<(), CommandError> {
        self.files.iter().try_for_each(|file| format_of(file).map(|_| ()))
    }

    /// Whether the report is for a program, so that nothing else may be on its stream.
    pub fn is_for_a_program(&self) -> bool {
        !self.no_report && matches!(self.format, Format::Json | Format::Html | Format::Sarif)
    }

    /// Whether people get to read a report, so that the runtime's own text need not be shown.
    pub fn is_for_people(&self) -> bool {
        !self.no_report && self.format == Format::Text
    }

    /// Prints what is wrong with the evidence, unless the report that is printed says it.
    pub fn warn(&self, evidence: &RunEvidence) {
        if self.no_report || !shows_warnings(self.format) {
            evidence.warnings.iter().for_each(print_warning);
        }
    }

    /// Prints the report and writes the files.
    pub fn write(&self, evidence: &RunEvidence, stream: Stream) -> Result<(), CommandError> {
        for file in &self.files {
            write_file(evidence, format_of(file)?, file)?;
        }
        if self.no_report { Ok(()) } else { print(evidence, self.format, stream) }
    }
}

/// Prints a report.
pub fn print(evidence: &RunEvidence, format: Format, stream: Stream) -> Result<(), CommandError> {
    let root = repository_root(evidence);
    let with_root = |options| Options { repository_root: root.as_deref(), ..options };
    let printed = match stream {
        Stream::Stdout => {
            let options = with_root(Options::for_stdout(&read_source_file));
            render_to(evidence, format, &options, io::stdout().lock())
        }
        Stream::Stderr => {
            let options = with_root(Options::for_stderr(&read_source_file));
            render_to(evidence, format, &options, io::stderr().lock())
        }
    };
    match printed {
        // A reader that has seen enough (`raceguard report | head`) is no error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => {
            other.map_err(|source| CommandError::System { action: "print the report".to_owned(), source })
        }
    }
}

/// Writes a report to a file.
pub fn write_file(evidence: &RunEvidence, format: Format, file: &Path) -> Result<(), CommandError> {
    let failed =
        |source| CommandError::System { action: format!("write the report {}", file.display()), source };
    let out = File::create(file).map_err(failed)?;
    let root = repository_root(evidence);
    let options = Options { repository_root: root.as_deref(), ..Options::new(&read_source_file) };
    render_to(evidence, format, &options, out).map_err(failed)
}

/// The repository that the module of the run lies in, which need not be at its top.
fn repository_root(evidence: &RunEvidence) -> Option<PathBuf> {
    let module = Path::new(&evidence.run.as_ref()?.module_dir);
    module.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned)
}

/// Whether a report in this format tells people what is wrong with the evidence, so that it need not be said twice.
pub fn shows_warnings(format: Format) -> bool {
    matches!(format, Format::Text | Format::Github)
}

/// The format that a file's name asks for.
pub fn format_of(file: &Path) -> Result<Format, CommandError> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("txt") => Ok(Format::Text),
        Some("json") => Ok(Format::Json),
        Some("html" | "htm") => Ok(Format::Html),
        Some("sarif") => Ok(Format::Sarif),
        _ => Err(CommandError::UnknownReportFormat { path: file.to_owned() }),
    }
}

fn render_to(
    evidence: &RunEvidence,
    format: Format,
    options: &Options<'_>,
    out: impl Write,
) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    render(evidence, format, options, &mut out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_say_their_format() {
        assert_eq!(format_of(Path::new("a/race.html")).unwrap(), Format::Html);
        assert_eq!(format_of(Path::new("race.sarif")).unwrap(), Format::Sarif);
        let error = format_of(Path::new("race.pdf")).unwrap_err();
        assert!(error.to_string().contains("race.pdf") && error.hint().unwrap().contains(".html"));
    }
}
