//! What can go wrong with evidence, and what the user can do about it.

use std::io;
use std::path::PathBuf;

/// An error of reading or writing evidence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The evidence was written by a newer raceguard.
    #[error(
        "line {line} of the evidence has schema {found}, but this raceguard reads schemas up to {supported}; \
         upgrade raceguard to the version that wrote it, or run the program again under this one"
    )]
    NewerSchema {
        /// Line number, from 1.
        line: u64,
        /// Schema version of the record.
        found: u64,
        /// Newest schema version that this crate reads.
        supported: u64,
    },

    /// A line is longer than the reader takes.
    #[error(
        "line {line} of the evidence is longer than {limit} bytes; no producer writes such a record: \
         the file is damaged or not evidence"
    )]
    LineTooLong {
        /// Line number, from 1.
        line: u64,
        /// The limit, in bytes.
        limit: usize,
    },

    /// Reading failed.
    #[error("can't read the evidence at line {line}: {source}")]
    Read {
        /// Line number, from 1.
        line: u64,
        /// The operating system's error.
        source: io::Error,
    },

    /// Writing failed.
    #[error(
        "can't write evidence: {source}; check that there is space on the disk and that .raceguard is writable"
    )]
    Write {
        /// The operating system's error.
        source: io::Error,
    },

    /// A file or folder can't be opened.
    #[error("can't open {}: {source}", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },

    /// The module has no run to report.
    #[error("no run is recorded in {}; start one with `raceguard test ./...`", module_dir.display())]
    NoRun {
        /// Folder of the module.
        module_dir: PathBuf,
    },
}
