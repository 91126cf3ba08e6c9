//! Coverage profiles that the command line names, read without a run of `raceguard ingest`.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use raceguard_evidence::{Coverage, Record, Source, foreign};

use super::error::GateError;
use crate::error::print_warning;
use crate::ingest::membership::{Membership, Module};

/// Name of the format, as `raceguard ingest --formats` lists it.
const FORMAT: &str = "coverage";

/// Reads the profiles; nothing when none is named. A file that comes twice counts once.
pub fn read(files: &[PathBuf], module: &Path) -> Result<Option<Vec<Coverage>>, GateError> {
    let module = Module::around(module);
    let mut digests = HashSet::new();
    let mut profiles = Vec::new();
    for file in files {
        let (source, records) = read_one(file, &module)?;
        if !digests.insert(source.digest) {
            print_warning(format!("{}: its content was named before, so it counts once", file.display()));
            continue;
        }
        for skipped in &source.skipped {
            let at = if skipped.first_at == 0 {
                String::new()
            } else {
                format!(", from line {}", skipped.first_at)
            };
            print_warning(format!("{}: skipped {} {}{at}", file.display(), skipped.count, skipped.what));
        }
        for warning in &source.warnings {
            print_warning(format!("{}: {warning}", file.display()));
        }
        profiles.extend(records);
    }
    Ok((!files.is_empty()).then_some(profiles))
}

fn read_one(file: &Path, module: &Module) -> Result<(Source, Vec<Coverage>), GateError> {
    let mut opened = File::open(file).map_err(|source| GateError::File {
        action: "read",
        path: file.to_owned(),
        source,
    })?;
    let refused = |reason: String| GateError::Usage {
        message: format!("--coverage {}: {reason}", file.display()),
        hint: "name a file that `go test -coverprofile` of this module wrote".to_owned(),
    };
    let mut profiles = Vec::new();
    let mut membership = Membership::new(module);
    let name = file.to_string_lossy();
    let mut take = |record: Record| {
        membership.note(&record);
        if let Record::Coverage(coverage) = record {
            profiles.push(coverage);
        }
        Ok(())
    };
    let read = foreign::read("coverage", &name, &mut opened, None, &mut take, &mut |_| ());
    let source = read.map_err(|error| refused(error.to_string()))?;
    if source.format != FORMAT {
        let title = foreign::find(&source.format).map_or(source.format.as_str(), |format| format.title);
        let reason = if source.records > 0 {
            format!("it is no coverage profile, but {title}; `raceguard ingest` takes that")
        } else {
            "it is no coverage profile".to_owned()
        };
        return Err(refused(reason));
    }
    match membership.tally().refusal(module) {
        Some(reason) => Err(refused(reason)),
        None => Ok((source, profiles)),
    }
}
