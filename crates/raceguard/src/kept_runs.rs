//! The runs that a module keeps, by their first record alone.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use raceguard_evidence::{EvidenceError, EvidenceReader, Record, Run, RunFolder};

/// A run of which only the first record was read.
#[derive(Debug)]
pub(crate) struct KeptRun {
    pub(crate) folder: RunFolder,
    pub(crate) run: Run,
}

impl KeptRun {
    /// Name of its folder.
    pub(crate) fn name(&self) -> String {
        self.folder.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}

/// The runs of the module in `root`, newest first. What has no record of a run can only be asked for by its name; a run
/// of a newer version is an error.
pub(crate) fn kept_runs(root: &Path) -> Result<Vec<KeptRun>, EvidenceError> {
    let entries = fs::read_dir(root.join(".raceguard").join("runs")).into_iter().flatten().flatten();
    let runs = entries.filter_map(|entry| kept_run(RunFolder::at(&entry.path())).transpose());
    let mut runs: Vec<KeptRun> = runs.collect::<Result<_, _>>()?;
    runs.sort_by(|a, b| (b.run.started_unix_ns, &b.run.id).cmp(&(a.run.started_unix_ns, &a.run.id)));
    Ok(runs)
}

fn kept_run(folder: RunFolder) -> Result<Option<KeptRun>, EvidenceError> {
    let Ok(file) = File::open(folder.evidence_path()) else { return Ok(None) };
    match EvidenceReader::new(BufReader::new(file)).next().transpose()? {
        Some(Record::Run(run)) => Ok(Some(KeptRun { folder, run })),
        _ => Ok(None),
    }
}
