//! `raceguard ingest`: evidence that other tools wrote.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write as _};
use std::path::PathBuf;

use clap::Args;
use raceguard_evidence::foreign::{self, FORMATS, ForeignError, Format};
use raceguard_evidence::{EvidenceError, Source};

use crate::error::{CommandError, print_hint};
use crate::ingest::inputs::{self, InputFile};
use crate::ingest::known::KnownFiles;
use crate::ingest::membership::{Membership, Module, Tally};
use crate::ingest::progress::ReadingProgress;
use crate::ingest::summary::{self, Kinds, Outcome};
use crate::ingest::writing::{IngestRun, last_run};

/// Flags of `raceguard ingest`.
#[derive(Debug, Args)]
pub struct IngestArgs {
    /// Files, folders, or - for stdin; compressed with gzip or not
    #[arg(value_name = "FILE", required_unless_present = "formats")]
    files: Vec<PathBuf>,

    /// Read all files as this format instead of recognising it by their content
    #[arg(long, value_name = "NAME")]
    format: Option<String>,

    /// List the formats
    #[arg(long)]
    formats: bool,

    /// Also ingest evidence of another module
    #[arg(long)]
    force: bool,

    /// Print errors only
    #[arg(long, short)]
    quiet: bool,
}

/// Reads the files into a new run. The exit code is 2 when one of them was not read.
pub fn run(arguments: &IngestArgs) -> Result<u8, CommandError> {
    if arguments.formats {
        list_formats();
        return Ok(0);
    }
    let format = arguments.format.as_deref().map(named_format).transpose()?;
    let here = std::env::current_dir()
        .map_err(|source| CommandError::System { action: "find the current folder".to_owned(), source })?;
    let module = Module::around(&here);
    let last = last_run(&module.folder);
    let run = IngestRun::start(&module).map_err(|error| evidence_folder(&module, error))?;
    let known = KnownFiles::load(&module.folder, run.id());
    let mut ingest = Ingest { module: &module, run, known, format, force: arguments.force, sources: 0 };

    let (files, unreadable) = inputs::find(&arguments.files);
    let failed = |name: String, reason: &dyn std::fmt::Display| {
        let reason = format!("{name}: can't be read: {reason}");
        Outcome::Failed { name, reason }
    };
    let mut outcomes: Vec<Outcome> =
        unreadable.into_iter().map(|missing| failed(missing.name, &missing.reason)).collect();
    for file in &files {
        outcomes.push(ingest.file(file)?);
    }
    if outcomes.is_empty() {
        outcomes.push(failed(arguments.files[0].to_string_lossy().into_owned(), &"no file is in it"));
    }
    ingest.finish(&outcomes, last, arguments.quiet)
}

fn list_formats() {
    for format in FORMATS {
        let _ = writeln!(io::stdout(), "{:<18} {}", format.name, format.title);
    }
}

fn named_format(name: &str) -> Result<&'static Format, CommandError> {
    let names = || FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", ");
    foreign::find(name)
        .ok_or_else(|| CommandError::UnknownEvidenceFormat { name: name.to_owned(), known: names() })
}

fn evidence_folder(module: &Module, error: EvidenceError) -> CommandError {
    let reason = match error {
        EvidenceError::Open { source, .. } | EvidenceError::Write { source } => source.to_string(),
        other => return other.into(),
    };
    CommandError::EvidenceFolder { folder: module.folder.join(".raceguard"), reason }
}

/// The bytes of a file, and how many there are where that is known.
fn open(file: &InputFile) -> io::Result<(Box<dyn Read>, Option<u64>)> {
    let Some(path) = &file.path else { return Ok((Box::new(io::stdin()), None)) };
    let opened = File::open(path)?;
    let size = opened.metadata().ok().filter(Metadata::is_file).map(|metadata| metadata.len());
    Ok((Box::new(opened), size))
}

/// All that the files of one run have in common.
struct Ingest<'a> {
    module: &'a Module,
    run: IngestRun,
    known: KnownFiles,
    format: Option<&'static Format>,
    force: bool,
    sources: u64,
}

impl Ingest<'_> {
    /// Reads one file. An error is one of writing evidence: going on would make no sense.
    fn file(&mut self, file: &InputFile) -> Result<Outcome, CommandError> {
        let name = file.name.clone();
        let (mut raw, size) = match open(file) {
            Ok(opened) => opened,
            Err(error) => {
                return Ok(Outcome::Failed { reason: format!("{name}: can't be read: {error}"), name });
            }
        };
        let id = format!("s{}", self.sources + 1);
        let mark = self.run.mark();
        let mut kinds = Kinds::new();
        let mut membership = Membership::new(self.module);
        let mut progress = ReadingProgress::new(&name, size);
        let run = &mut self.run;
        let read = foreign::read(
            &id,
            &name,
            &mut *raw,
            self.format,
            &mut |record| {
                membership.note(&record);
                summary::count(&mut kinds, &record);
                Ok(run.write(&record)?)
            },
            &mut |bytes| progress.update(bytes),
        );
        progress.finish();
        let tally = membership.tally();
        match read {
            Ok(source) => self.settle(file, mark, source, kinds, &tally),
            Err(error) => {
                self.run.take_back(mark)?;
                self.not_read(file, error)
            }
        }
    }

    /// Keeps what was read of a file, or takes it back: only its end shows what it is.
    fn settle(
        &mut self,
        file: &InputFile,
        mark: u64,
        source: Source,
        kinds: Kinds,
        tally: &Tally,
    ) -> Result<Outcome, CommandError> {
        let name = file.name.clone();
        let outcome = if let Some(known) = self.known.find(&source.digest).cloned() {
            let run = (!self.known.is_of_this_run(&known)).then_some(known.run);
            Outcome::Duplicate { name, first: known.path, run }
        } else if let Some(reason) = tally.refusal(self.module).filter(|_| !self.force) {
            let reason = format!("{name}: {reason}; --force ingests it nevertheless");
            Outcome::Failed { name, reason }
        } else if file.walked && kinds.is_empty() {
            Outcome::NoEvidence { name }
        } else {
            self.sources += 1;
            self.known.add(&source);
            self.run.write(&source.clone().into())?;
            return Ok(Outcome::Read { source: Box::new(source), kinds });
        };
        self.run.take_back(mark)?;
        Ok(outcome)
    }

    fn not_read(&self, file: &InputFile, error: ForeignError) -> Result<Outcome, CommandError> {
        let name = file.name.clone();
        match error {
            ForeignError::Sink(error @ EvidenceError::Write { .. }) => {
                Err(evidence_folder(self.module, error))
            }
            ForeignError::Unrecognised { .. } | ForeignError::Empty { .. } if file.walked => {
                Ok(Outcome::NoEvidence { name })
            }
            ForeignError::Sink(error) => Ok(Outcome::Failed { reason: format!("{name}: {error}"), name }),
            error => Ok(Outcome::Failed { reason: error.to_string(), name }),
        }
    }

    fn finish(self, outcomes: &[Outcome], last: Option<String>, quiet: bool) -> Result<u8, CommandError> {
        let Self { module, run, known, sources, .. } = self;
        let failures = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Failed { reason, .. } => Some(reason),
            _ => None,
        });
        let exit_code = if failures.clone().next().is_some() { 2 } else { 0 };
        let id = (sources > 0).then(|| run.id().to_owned());
        if sources > 0 {
            run.end(exit_code)?;
            known.save().map_err(|source| CommandError::System {
                action: "note which files were ingested".to_owned(),
                source,
            })?;
        } else {
            run.discard(module, last);
        }
        if !quiet {
            // A reader that went away wants to read no more; the run is kept.
            let _ = write!(io::stdout(), "{}", summary::text(outcomes, id.as_deref()));
        }
        for reason in failures {
            eprintln!("raceguard: {reason}");
        }
        if id.is_none() && exit_code == 0 && !quiet {
            print_hint("nothing new was ingested, so no run was made");
        }
        Ok(exit_code)
    }
}
