//! Log records, read as what the program printed that they are from: race reports, crashes and goroutine dumps.
//!
//! A log record may hold a whole report or one line of it. So the records of a resource are read as one output, in the
//! order in which they come. A report that a request cuts off before it says anything goes on in the next one: its
//! lines so far are a [`LogTail`].

use crate::foreign::go_output::{Emitter, Found, GoOutput};
use crate::foreign::{ForeignError, Sink};

/// What log records are called in which nothing was found.
pub(super) const OTHERS: &str = "log records";

/// Most bytes of text that wait for the next request: what comes before the second access of a race report, or between
/// the message of a crash and its dump, is far less.
const TAIL_LIMIT: usize = 64 << 10;

/// The last log records of a program, in which a report began that the next ones may complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogTail(Vec<LogRecord>);

/// A log record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LogRecord {
    /// Nanoseconds since the Unix epoch; 0 when unknown.
    pub(super) time_unix_ns: u64,
    /// Its body; a structured one as JSON.
    pub(super) text: String,
}

impl LogTail {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of text.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|record| record.text.len()).sum()
    }
}

/// The log of one resource.
#[derive(Debug, Default)]
pub(super) struct ResourceLog {
    output: GoOutput,
    found: Vec<Found>,
    emitter: Emitter,
    /// When each record was written; a record's place in it is the tag of its lines.
    times: Vec<u64>,
    /// What was read since nothing was open.
    open: Vec<LogRecord>,
    /// Records of earlier requests.
    carried: usize,
    findings: u64,
}

impl ResourceLog {
    /// Goes on where an earlier request ended.
    pub(super) fn after(tail: LogTail) -> Self {
        let mut log = Self::default();
        for record in tail.0 {
            log.read(record);
        }
        // What these records complete was found when they came.
        log.found.clear();
        log.carried = log.times.len();
        log
    }

    /// Takes the next record.
    pub(super) fn record(&mut self, record: LogRecord, sink: &mut dyn Sink) -> Result<(), ForeignError> {
        self.read(record);
        self.emit(sink)
    }

    fn read(&mut self, record: LogRecord) {
        let tag = self.times.len();
        self.times.push(record.time_unix_ns);
        for line in record.text.lines() {
            self.output.line(line.as_bytes(), tag, &mut self.found);
        }
        if self.output.is_idle() {
            self.open.clear();
        } else {
            self.open.push(record);
        }
    }

    fn emit(&mut self, sink: &mut dyn Sink) -> Result<(), ForeignError> {
        for found in &mut self.found {
            found.default_time(&self.times);
        }
        let before = sink.source().records;
        self.emitter.emit_all(&mut self.found, |_| None, sink)?;
        self.findings += sink.source().records - before;
        Ok(())
    }

    /// Ends the log. What is open is taken as far as it goes; gives back what only the next request can complete.
    pub(super) fn finish(mut self, at: u64, sink: &mut dyn Sink) -> Result<LogTail, ForeignError> {
        self.output.finish(&mut self.found);
        let is_cut_off = !self.found.is_empty() && self.found.iter().all(Found::is_cut_off);
        self.emit(sink)?;
        if self.findings == 0 {
            for _ in self.carried..self.times.len() {
                sink.skip(OTHERS, at);
            }
        }
        let tail = LogTail(if is_cut_off { self.open } else { Vec::new() });
        Ok(if tail.bytes() <= TAIL_LIMIT { tail } else { LogTail::default() })
    }
}
