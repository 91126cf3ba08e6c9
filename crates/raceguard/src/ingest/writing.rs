//! The run that foreign evidence is kept in.
//!
//! A file is known to be a duplicate, or of another module, only when it was read to its end. What was written of it is
//! then taken back, which can be done because nobody else writes to this run.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process;

use jiff::Timestamp;
use raceguard_evidence::{EvidenceError, Record, Run, RunEnd, RunFolder, RunMode};
use raceguard_gotool::module;
use serde_json::Map;

use super::membership::Module;
use crate::session::{keep_out_of_git, unix_ns};

/// A run that is being written.
#[derive(Debug)]
pub struct IngestRun {
    folder: RunFolder,
    id: String,
    output: BufWriter<File>,
    written: u64,
    /// The line that is being written, kept for its memory.
    line: Vec<u8>,
}

impl IngestRun {
    /// Makes the run and writes its first record.
    pub fn start(module: &Module) -> Result<Self, EvidenceError> {
        let now = Timestamp::now();
        let id = format!("{}-{}", now.strftime("%Y%m%dT%H%M%S"), process::id());
        let folder = RunFolder::create(&module.folder, &id)?;
        keep_out_of_git(&module.folder);
        let path = folder.evidence_path();
        let open = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
        let file = open.map_err(|source| EvidenceError::Open { path, source })?;
        let output = BufWriter::with_capacity(1 << 20, file);
        let mut run = Self { folder, id, output, written: 0, line: Vec::new() };
        let record = run_record(module, run.id.clone(), unix_ns(now));
        run.write(&record.into())?;
        Ok(run)
    }

    /// Name of the run.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where its evidence is.
    pub fn path(&self) -> std::path::PathBuf {
        self.folder.evidence_path()
    }

    /// Adds a record.
    pub fn write(&mut self, record: &Record) -> Result<(), EvidenceError> {
        self.line.clear();
        record.append_line(&mut self.line);
        self.written += self.line.len() as u64;
        self.output.write_all(&self.line).map_err(|source| EvidenceError::Write { source })
    }

    /// The place to go back to.
    pub fn mark(&self) -> u64 {
        self.written
    }

    /// Takes back all records since `mark`.
    pub fn take_back(&mut self, mark: u64) -> Result<(), EvidenceError> {
        let failed = |source| EvidenceError::Write { source };
        self.output.flush().map_err(failed)?;
        let file = self.output.get_mut();
        file.set_len(mark).and_then(|()| file.seek(SeekFrom::Start(mark))).map_err(failed)?;
        self.written = mark;
        Ok(())
    }

    /// Writes the last record.
    pub fn end(mut self, exit_code: u8) -> Result<(), EvidenceError> {
        let ended_unix_ns = unix_ns(Timestamp::now());
        let end =
            RunEnd { ended_unix_ns, exit_code: exit_code.into(), interrupted: false, extra: Map::new() };
        self.write(&end.into())?;
        self.output.flush().map_err(|source| EvidenceError::Write { source })
    }

    /// Removes the run: there is nothing in it. The run before is the last one again.
    pub fn discard(self, module: &Module, last: Option<String>) {
        let _ = fs::remove_dir_all(self.folder.path());
        let name = module.folder.join(".raceguard").join("last");
        let _ = match last {
            Some(last) => fs::write(name, last),
            None => fs::remove_file(name),
        };
    }
}

/// What `.raceguard/last` says, to be put back when a run is discarded.
pub fn last_run(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join(".raceguard").join("last")).ok()
}

fn run_record(module: &Module, id: String, started_unix_ns: u64) -> Run {
    let commit = module::commit_of(&module.folder);
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    Run {
        id,
        command: std::iter::once("raceguard".to_owned()).chain(words).collect(),
        mode: RunMode::Ingest,
        started_unix_ns,
        module: module.path.clone(),
        module_dir: module.folder.to_string_lossy().into_owned(),
        dirty: commit.as_ref().map(|commit| commit.dirty),
        commit: commit.map(|commit| commit.hash),
        // Of the machine that ingests; evidence says itself what it was made by.
        go_version: String::new(),
        goos: String::new(),
        goarch: String::new(),
        host: fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        raceguard_version: env!("CARGO_PKG_VERSION").to_owned(),
        extra: Map::new(),
    }
}
