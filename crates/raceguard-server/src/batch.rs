//! A batch: the lines of one request, checked, each with its place in its stream.

use std::io::Read as _;
use std::ops::Range;

use memchr::{memchr, memchr3_iter};
use raceguard_evidence::{EvidenceError, EvidenceReader, FindingSummary, Fingerprint, RecordSummary};
use serde::Serialize;

use crate::digest::Digest;
use crate::origin::{Origin, StreamName};

/// What a request carries.
#[derive(Debug)]
pub struct Batch {
    /// Which program it is from.
    pub origin: Origin,
    /// The stream.
    pub stream: StreamName,
    /// The lines, as they came.
    pub body: Vec<u8>,
    /// The records, in the order of their lines.
    pub records: Vec<BatchRecord>,
    /// Lines that are no records.
    pub rejected: Vec<Rejected>,
}

/// A record of a batch.
#[derive(Debug)]
pub struct BatchRecord {
    /// Its place in the stream: that of the batch, and the lines before it.
    pub sequence: u64,
    /// Where its line lies in [`Batch::body`], without the newline.
    pub line: Range<usize>,
    /// When it happened, in nanoseconds since the Unix epoch; 0 when it does not say.
    pub time_unix_ns: u64,
    /// What it says of findings.
    pub sighting: Option<Sighting>,
    /// What it says beside them.
    pub digest: Option<Digest>,
}

/// What a record says of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// A race with its id in the run, a crash, or a static finding: the full record of one occurrence.
    Full {
        /// What was found.
        fingerprint: Fingerprint,
        /// `race`, `crash`, `static_finding`.
        kind: &'static str,
        /// How the run calls it, so that repeats can name it.
        race_id: Option<String>,
        /// One line for people.
        title: String,
    },
    /// One more occurrence of a race that an earlier record of the stream describes.
    Repeat {
        /// The race's id in the run.
        race_id: String,
    },
}

/// A line that is no record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Its line in the body, from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// Why nothing of a body can be taken.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A line is of a newer schema: nothing may be guessed about its neighbours either.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// More lines than a batch may have.
    #[error("the batch has more than {limit} lines; send smaller batches")]
    TooManyLines {
        /// Lines that are allowed.
        limit: usize,
    },
    /// The numbers of the records would not fit.
    #[error("the sequence number {0} is too large")]
    Sequence(u64),
}

/// Furthest ahead of ours that the clock of a sender may be, in nanoseconds.
const CLOCK_SKEW: u64 = 60 * 1_000_000_000;

/// How old evidence may be when it comes, in nanoseconds: a year. What says that it is older comes from a clock that was not
/// set, more often than not, and nothing is kept that long.
const OLDEST: u64 = 366 * 24 * 3600 * 1_000_000_000;

/// Most values in a record that has to be built to be read: each may take a hundred bytes of memory, however few it has in
/// the line.
const LARGEST_RECORD: usize = 500_000;

/// Records whose time could not be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MendedTimes {
    /// Dated as of now.
    pub future: u64,
    /// Dated as of a year ago.
    pub past: u64,
}

impl Batch {
    /// Dates records as of now that say that they are of the future, and as of a year ago that say that they are older. The
    /// lines themselves stay as they came.
    pub fn mend_times(&mut self, now_unix_ns: u64) -> MendedTimes {
        let mut mended = MendedTimes::default();
        let oldest = now_unix_ns.saturating_sub(OLDEST);
        for record in &mut self.records {
            match record.time_unix_ns {
                0 => {}
                time if time > now_unix_ns => {
                    mended.future += u64::from(time > now_unix_ns.saturating_add(CLOCK_SKEW));
                    record.time_unix_ns = now_unix_ns;
                }
                time if time < oldest => {
                    mended.past += 1;
                    record.time_unix_ns = oldest;
                }
                _ => {}
            }
        }
        mended
    }

    /// Reads the lines of `body`; the first of them is number `first` of the stream.
    pub fn read(
        origin: Origin,
        stream: StreamName,
        first: u64,
        body: Vec<u8>,
        line_limit: usize,
    ) -> Result<Self, BatchError> {
        if first > (i64::MAX / 2).unsigned_abs() {
            return Err(BatchError::Sequence(first));
        }
        let mut batch = Self { origin, stream, body, records: Vec::new(), rejected: Vec::new() };
        let mut start = 0;
        for number in 0_u64.. {
            let Some(rest) = batch.body.get(start..).filter(|rest| !rest.is_empty()) else { break };
            if number >= line_limit as u64 {
                return Err(BatchError::TooManyLines { limit: line_limit });
            }
            let end = start + memchr(b'\n', rest).unwrap_or(rest.len());
            batch.add(number, first + number, start..end)?;
            start = end + 1;
        }
        Ok(batch)
    }

    /// The line of a record.
    pub fn line(&self, record: &BatchRecord) -> &[u8] {
        &self.body[record.line.clone()]
    }

    fn add(&mut self, number: u64, sequence: u64, line: Range<usize>) -> Result<(), BatchError> {
        let text = &self.body[line.clone()];
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        if let Some(summary) = RecordSummary::of_line(text) {
            // Of the records that are summarised so, spans alone show no finding.
            let digest = summary.finding.is_none().then(|| Digest::of("span", text)).flatten();
            self.records.push(BatchRecord::new(sequence, line, summary, digest));
            return Ok(());
        }
        if memchr3_iter(b'{', b'[', b',', text).count() > LARGEST_RECORD {
            let reason = format!("it has more than {LARGEST_RECORD} values");
            self.rejected.push(Rejected { line: number + 1, reason });
            return Ok(());
        }
        // With its newline, so that what ends early is told by what is missing.
        let mut reader = EvidenceReader::new(text.chain(b"\n".as_slice()));
        match reader.next() {
            Some(Ok(record)) if reader.skipped() == 0 => {
                let (summary, digest) = (RecordSummary::of_record(&record), Digest::of(record.kind(), text));
                self.records.push(BatchRecord::new(sequence, line, summary, digest));
            }
            Some(Err(error)) => return Err(error.into()),
            _ => {
                let reason = reader.warnings().first().map(|warning| warning.cause.clone());
                self.rejected.push(Rejected {
                    line: number + 1,
                    reason: match reason {
                        Some(raceguard_evidence::WarningCause::Malformed(what)) => what,
                        _ => "it ends in the middle of a record".to_owned(),
                    },
                });
            }
        }
        Ok(())
    }
}

impl BatchRecord {
    fn new(sequence: u64, line: Range<usize>, summary: RecordSummary, digest: Option<Digest>) -> Self {
        let sighting = summary.finding.and_then(sighting);
        Self { sequence, line, time_unix_ns: summary.time_unix_ns, sighting, digest }
    }
}

fn sighting(finding: FindingSummary) -> Option<Sighting> {
    Some(match finding {
        FindingSummary::Race { id, fingerprint, accesses } => {
            let [later, earlier] = accesses.map(|access| {
                let function = access.function.as_deref().unwrap_or("an unknown place");
                format!("{} in {function}", access.op.as_str())
            });
            let title = format!("{later} against {earlier}");
            Sighting::Full { fingerprint, kind: "race", race_id: Some(id), title }
        }
        FindingSummary::Repeat { race } => Sighting::Repeat { race_id: race },
        FindingSummary::Crash { fingerprint, message } => {
            Sighting::Full { fingerprint, kind: "crash", race_id: None, title: message }
        }
        FindingSummary::Static { fingerprint, rule, message } => {
            let title = format!("{rule}: {message}");
            Sighting::Full { fingerprint, kind: "static_finding", race_id: None, title }
        }
        _ => return None,
    })
}
