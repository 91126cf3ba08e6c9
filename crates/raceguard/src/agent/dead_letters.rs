//! What the server will never take: kept in a file, with the reason, for people to look at.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

/// Size at which the file is put aside for a new one; the one put aside before goes.
const MAX_SIZE: u64 = 32 << 20;

/// The file.
#[derive(Debug)]
pub struct DeadLetters {
    path: PathBuf,
}

/// A line of it.
#[derive(Debug, Serialize)]
struct Letter<'a> {
    time: String,
    status: u16,
    reason: &'a str,
    stream: &'a str,
    sequence: u64,
    service: &'a str,
    line: &'a str,
}

impl DeadLetters {
    /// The file in the agent's folder.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("dead-letters.jsonl") }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line that was refused. After a crash it may be added again, with the same stream and sequence.
    pub fn add(
        &self,
        status: u16,
        reason: &str,
        (stream, sequence): (&str, u64),
        service: &str,
        line: &[u8],
    ) -> io::Result<()> {
        let line = String::from_utf8_lossy(line);
        let time = Timestamp::now().to_string();
        let letter = Letter { time, status, reason, stream, sequence, service, line: &line };
        let mut text = serde_json::to_vec(&letter)?;
        text.push(b'\n');
        if fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() > MAX_SIZE) {
            fs::rename(&self.path, self.path.with_extension("old.jsonl"))?;
        }
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        file.write_all(&text)?;
        file.sync_data()
    }
}
