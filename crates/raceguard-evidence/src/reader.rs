//! Reads evidence line by line, in memory bounded by the longest line allowed.
//!
//! Evidence is written by processes that may die at any moment, so damage is expected: a torn last line, or a
//! line in the middle that is not a record, is skipped, counted and reported as a [`ReadWarning`]. Only a newer
//! schema, an overlong line and a failing read end the reading.

use std::fmt;
use std::io::BufRead;

use crate::error::EvidenceError;
use crate::record::{Record, RecordError, SCHEMA_VERSION};

/// Longest line a reader takes by default, in bytes. The deepest stacks Go allows stay far below.
pub const DEFAULT_LINE_LIMIT: usize = 64 << 20;

/// Warnings kept with their text; later ones are only counted.
const KEPT_WARNINGS: usize = 100;

/// How every record begins that raceguard writes; used to find a record behind a torn one.
const RECORD_START: &[u8] = b"{\"schema\":";

/// A part of the evidence that was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadWarning {
    /// Line number, from 1.
    pub line: u64,
    /// What was wrong.
    pub cause: WarningCause,
}

/// Why a part of the evidence was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningCause {
    /// The last line ends in the middle of a record: its writer died or the disk was full.
    TornLastLine,
    /// A line is not a record; the text says what is wrong with it.
    Malformed(String),
}

impl fmt::Display for ReadWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            WarningCause::TornLastLine => write!(
                f,
                "line {} of the evidence ends in the middle of a record and was skipped; \
                 its writer was killed or the disk was full",
                self.line
            ),
            WarningCause::Malformed(what) => {
                write!(f, "line {} of the evidence is not a record and was skipped: {what}", self.line)
            }
        }
    }
}

/// An iterator over the records of a stream of evidence.
///
/// After an error it yields nothing more. Look at [`EvidenceReader::warnings`] when it is through.
#[derive(Debug)]
pub struct EvidenceReader<R> {
    input: R,
    line: u64,
    buffer: Vec<u8>,
    line_limit: usize,
    warnings: Vec<ReadWarning>,
    skipped: u64,
    ended: bool,
}

impl<R: BufRead> EvidenceReader<R> {
    /// A reader with the default limit on the length of a line.
    pub fn new(input: R) -> Self {
        Self::with_line_limit(input, DEFAULT_LINE_LIMIT)
    }

    /// A reader that takes lines of at most `line_limit` bytes.
    pub fn with_line_limit(input: R, line_limit: usize) -> Self {
        Self {
            input,
            line: 0,
            buffer: Vec::new(),
            line_limit,
            warnings: Vec::new(),
            skipped: 0,
            ended: false,
        }
    }

    /// What was skipped so far: the first hundred, in order.
    pub fn warnings(&self) -> &[ReadWarning] {
        &self.warnings
    }

    /// How many lines were skipped so far, in whole or in part.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Reads the next line into the buffer, without its newline. `None` at the end of the input, else whether
    /// the line had a newline.
    fn read_line(&mut self) -> Result<Option<bool>, EvidenceError> {
        self.buffer.clear();
        self.line += 1;
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(EvidenceError::Read { line: self.line, source }),
            };
            if available.is_empty() {
                return Ok((!self.buffer.is_empty()).then_some(false));
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let taken = newline.unwrap_or(available.len());
            if self.buffer.len() + taken > self.line_limit {
                return Err(EvidenceError::LineTooLong { line: self.line, limit: self.line_limit });
            }
            self.buffer.extend_from_slice(&available[..taken]);
            self.input.consume(newline.map_or(taken, |at| at + 1));
            if newline.is_some() {
                return Ok(Some(true));
            }
        }
    }

    fn warn(&mut self, cause: WarningCause) {
        self.skipped += 1;
        if self.warnings.len() < KEPT_WARNINGS {
            self.warnings.push(ReadWarning { line: self.line, cause });
        }
    }

    /// A whole record behind a torn one: a writer was killed inside its line, and another went on behind it.
    fn record_behind_torn_one(&self) -> Result<Option<Record>, EvidenceError> {
        let start = self.buffer.windows(RECORD_START.len()).rposition(|window| window == RECORD_START);
        match start {
            None | Some(0) => Ok(None),
            Some(start) => match Record::from_line(&self.buffer[start..]) {
                Ok(record) => Ok(Some(record)),
                Err(RecordError::NewerSchema(found)) => Err(self.newer_schema(found)),
                Err(RecordError::Malformed(_)) => Ok(None),
            },
        }
    }

    fn next_record(&mut self) -> Result<Option<Record>, EvidenceError> {
        while let Some(ended_by_newline) = self.read_line()? {
            if self.buffer.trim_ascii().is_empty() {
                continue;
            }
            match Record::from_line(&self.buffer) {
                Ok(record) => return Ok(Some(record)),
                Err(RecordError::NewerSchema(found)) => return Err(self.newer_schema(found)),
                Err(RecordError::Malformed(what)) => {
                    let behind = self.record_behind_torn_one()?;
                    let torn = !ended_by_newline && behind.is_none();
                    self.warn(if torn { WarningCause::TornLastLine } else { WarningCause::Malformed(what) });
                    if behind.is_some() {
                        return Ok(behind);
                    }
                }
            }
        }
        Ok(None)
    }

    fn newer_schema(&self, found: u64) -> EvidenceError {
        EvidenceError::NewerSchema { line: self.line, found, supported: SCHEMA_VERSION }
    }
}

impl<R: BufRead> Iterator for EvidenceReader<R> {
    type Item = Result<Record, EvidenceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_record().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
