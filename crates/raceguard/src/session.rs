//! One run: its folder in the module's `.raceguard`, and the records that the command itself writes there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use jiff::Timestamp;
use raceguard_evidence::{
    EvidenceError, EvidenceReader, EvidenceWriter, Record, Run, RunEnd, RunEvidence, RunFolder, RunMode,
};
use raceguard_gotool::environment::Environment;
use raceguard_gotool::module;

use crate::error::CommandError;
use crate::old_runs;

/// The environment variable that names the evidence file to the race runtime.
pub const EVIDENCE_VARIABLE: &str = "RACEGUARD_EVIDENCE";

/// A run that was started and is to be ended.
#[derive(Debug)]
pub struct Session {
    folder: RunFolder,
    writer: EvidenceWriter<File>,
    /// Keeps other commands from removing the run as an old one.
    _going_on: Option<File>,
    /// The first record that could not be written; none is tried after it.
    failure: Option<EvidenceError>,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    /// All that is in its evidence.
    pub evidence: RunEvidence,
    /// Why the evidence is not complete, when a record could not be written.
    pub failure: Option<EvidenceError>,
}

impl Session {
    /// Makes the folder of a new run and writes its first record.
    pub fn start(environment: &Environment, mode: RunMode) -> Result<Self, CommandError> {
        let root = environment.module_root();
        let unwritable = |error: EvidenceError| unwritable(root, &error);
        let keep = old_runs::kept(root)?;
        let now = Timestamp::now();
        let id = format!("{}-{}", now.strftime("%Y%m%dT%H%M%S"), process::id());
        let folder = RunFolder::create(root, &id).map_err(unwritable)?;
        keep_out_of_git(root);
        let mut writer = EvidenceWriter::append_to(&folder.evidence_path()).map_err(unwritable)?;
        let going_on = old_runs::hold(&folder.evidence_path());
        old_runs::remove_old(root, keep);
        let run = run_record(environment, mode, id, unix_ns(now));
        writer.write(&run.into()).map_err(unwritable)?;
        Ok(Self { folder, writer, _going_on: going_on, failure: None })
    }

    /// The file that the race runtime appends to.
    pub fn evidence_path(&self) -> PathBuf {
        self.folder.evidence_path()
    }

    /// Hands out the records so far, one by one: there may be more of them than fit in memory. The answer is how many lines
    /// are damaged.
    pub fn for_each_record(&self, mut action: impl FnMut(Record)) -> Result<u64, EvidenceError> {
        let path = self.evidence_path();
        let file = File::open(&path).map_err(|source| EvidenceError::Open { path, source })?;
        let mut reader = EvidenceReader::new(io::BufReader::new(file));
        for record in reader.by_ref() {
            action(record?);
        }
        Ok(reader.skipped())
    }

    /// Adds a record. Where that fails, [`Session::end`] tells.
    pub fn write(&mut self, record: impl Into<Record>) {
        if self.failure.is_none() {
            self.failure = self.writer.write(&record.into()).err();
        }
    }

    /// Whether every record so far was written.
    pub fn is_complete(&self) -> bool {
        self.failure.is_none()
    }

    /// Writes the last record, and reads the whole run back.
    pub fn end(mut self, exit_code: u8, interrupted: bool) -> Result<Ended, EvidenceError> {
        self.write(RunEnd {
            ended_unix_ns: unix_ns(Timestamp::now()),
            exit_code: exit_code.into(),
            interrupted,
            extra: serde_json::Map::new(),
        });
        Ok(Ended { evidence: RunEvidence::load(&self.folder)?, failure: self.failure })
    }
}

/// Nanoseconds since the Unix epoch.
pub fn unix_ns(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond()).unwrap_or_default()
}

fn run_record(environment: &Environment, mode: RunMode, id: String, started_unix_ns: u64) -> Run {
    let root = environment.module_root();
    let commit = module::commit_of(root);
    let go_mod = fs::read_to_string(root.join("go.mod")).unwrap_or_default();
    let words = std::env::args_os().skip(1).map(|word: OsString| word.to_string_lossy().into_owned());
    Run {
        id,
        command: std::iter::once("raceguard".to_owned()).chain(words).collect(),
        mode,
        started_unix_ns,
        module: module::module_path(&go_mod).unwrap_or_default(),
        module_dir: root.to_string_lossy().into_owned(),
        dirty: commit.as_ref().map(|commit| commit.dirty),
        commit: commit.map(|commit| commit.hash),
        go_version: environment.env.goversion.clone(),
        goos: environment.env.goos.clone(),
        goarch: environment.env.goarch.clone(),
        host: fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        raceguard_version: env!("CARGO_PKG_VERSION").to_owned(),
        extra: serde_json::Map::new(),
    }
}

/// Evidence is no source; a `.gitignore` inside keeps it out of commits without touching the user's own one.
/// Where it can't be written the evidence itself can't either, and that is reported.
pub(crate) fn keep_out_of_git(root: &Path) {
    let ignore = root.join(".raceguard").join(".gitignore");
    if !ignore.exists() {
        let _ = fs::write(ignore, "*\n");
    }
}

fn unwritable(root: &Path, error: &EvidenceError) -> CommandError {
    let reason = match error {
        EvidenceError::Open { source, .. } | EvidenceError::Write { source } => source.to_string(),
        other => other.to_string(),
    };
    CommandError::EvidenceFolder { folder: root.join(".raceguard"), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raceguard_gotool::environment::GoEnv;

    fn environment(module: &Path) -> Environment {
        let env = GoEnv {
            gomod: module.join("go.mod").to_string_lossy().into_owned(),
            goversion: "go1.26.8".into(),
            ..GoEnv::default()
        };
        Environment { go: "go".into(), folder: module.to_owned(), env }
    }

    #[test]
    fn a_run_has_a_first_and_a_last_record() {
        let module = tempfile::tempdir().unwrap();
        fs::write(module.path().join("go.mod"), "module example.com/m\n").unwrap();
        let session = Session::start(&environment(module.path()), RunMode::Test).unwrap();
        assert_eq!(RunFolder::last(module.path()).unwrap().evidence_path(), session.evidence_path());
        let evidence = session.end(1, true).unwrap().evidence;
        let run = evidence.run.unwrap();
        assert_eq!((run.module.as_str(), run.go_version.as_str()), ("example.com/m", "go1.26.8"));
        assert!(!run.host.is_empty());
        let end = evidence.end.unwrap();
        assert!(end.interrupted && end.exit_code == 1 && end.ended_unix_ns >= run.started_unix_ns);
        assert_eq!(fs::read_to_string(module.path().join(".raceguard/.gitignore")).unwrap(), "*\n");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let module = tempfile::tempdir().unwrap();
        fs::write(module.path().join(".raceguard"), "a file").unwrap();
        let error = Session::start(&environment(module.path()), RunMode::Test).unwrap_err();
        assert!(error.to_string().contains("/.raceguard: "), "{error}");
        assert!(error.hint().unwrap().contains("writable"));
    }

    #[test]
    fn a_full_disk_is_told_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("evidence.jsonl"), "").unwrap();
        let session = Session {
            folder: RunFolder::at(folder.path()),
            writer: EvidenceWriter::new(File::options().write(true).open("/dev/full").unwrap()),
            _going_on: None,
            failure: None,
        };
        let failure = session.end(0, false).unwrap().failure.unwrap().to_string();
        assert!(failure.contains("No space left on device") && failure.contains("check that there is space"));
    }
}
