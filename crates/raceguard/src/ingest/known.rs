//! Files that were ingested before: they are counted once.
//!
//! `.raceguard/ingested.jsonl` has a line for each. A line holds as long as the run that read the file is kept.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use raceguard_evidence::Source;
use serde::{Deserialize, Serialize};

/// What is kept of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFile {
    /// SHA-256 of its content.
    pub digest: String,
    /// The run that read it.
    pub run: String,
    /// Its name then.
    pub path: String,
}

/// The files of a module that are known.
#[derive(Debug, Default)]
pub struct KnownFiles {
    list: PathBuf,
    run: String,
    by_digest: HashMap<String, KnownFile>,
}

impl KnownFiles {
    /// Reads the list of the module in `module_dir`, for the run `run`.
    pub fn load(module_dir: &Path, run: &str) -> Self {
        let folder = module_dir.join(".raceguard");
        let list = folder.join("ingested.jsonl");
        let mut known = Self { list, run: run.to_owned(), by_digest: HashMap::new() };
        let Ok(file) = File::open(&known.list) else { return known };
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            // A damaged line only lets a file be read again.
            let Ok(file) = serde_json::from_str::<KnownFile>(&line) else { continue };
            if folder.join("runs").join(&file.run).join("evidence.jsonl").is_file() {
                known.by_digest.insert(file.digest.clone(), file);
            }
        }
        known
    }

    /// The same content under another name or in another run.
    pub fn find(&self, digest: &str) -> Option<&KnownFile> {
        self.by_digest.get(digest)
    }

    /// Whether it was read in this run.
    pub fn is_of_this_run(&self, file: &KnownFile) -> bool {
        file.run == self.run
    }

    /// Notes a file that was read.
    pub fn add(&mut self, source: &Source) {
        let file =
            KnownFile { digest: source.digest.clone(), run: self.run.clone(), path: source.path.clone() };
        self.by_digest.insert(file.digest.clone(), file);
    }

    /// Keeps what was noted in this run.
    pub fn save(&self) -> io::Result<()> {
        let mut lines = String::new();
        for file in self.by_digest.values().filter(|file| self.is_of_this_run(file)) {
            lines.push_str(&serde_json::to_string(file)?);
            lines.push('\n');
        }
        if lines.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(self.list.parent().unwrap_or(Path::new(".")))?;
        OpenOptions::new().append(true).create(true).open(&self.list)?.write_all(lines.as_bytes())
    }
}
