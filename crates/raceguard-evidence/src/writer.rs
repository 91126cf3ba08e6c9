//! Appends records to evidence, one write per record, so that many processes can share a file.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::EvidenceError;
use crate::record::Record;

/// Writes records to a stream. Nothing is buffered across records.
#[derive(Debug)]
pub struct EvidenceWriter<W> {
    output: W,
    /// Whether a torn line of a killed process must be ended first.
    ends_torn_line: bool,
}

impl<W: Write> EvidenceWriter<W> {
    /// A writer to `output`, which must stand at the start of a line.
    pub fn new(output: W) -> Self {
        Self { output, ends_torn_line: false }
    }

    /// Writes one record with one call of `write` (more only when the system takes a part of it).
    pub fn write(&mut self, record: &Record) -> Result<(), EvidenceError> {
        let mut line = record.to_line();
        if self.ends_torn_line {
            line.insert(0, '\n');
        }
        self.output.write_all(line.as_bytes()).map_err(|source| EvidenceError::Write { source })?;
        self.ends_torn_line = false;
        Ok(())
    }
}

impl EvidenceWriter<File> {
    /// Opens `path` for appending, making the file when it is not there.
    pub fn append_to(path: &Path) -> Result<Self, EvidenceError> {
        let open_error = |source| EvidenceError::Open { path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).open(path).map_err(open_error)?;
        let ends_torn_line = !ends_with_newline(&mut file).map_err(open_error)?;
        Ok(Self { output: file, ends_torn_line })
    }
}

/// Whether the file is empty or ends with a newline.
fn ends_with_newline(file: &mut File) -> std::io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
