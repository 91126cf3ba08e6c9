//! Export requests of OTLP, as exporters and collectors send them to a server: one signal, many resources.

use sha2::{Digest as _, Sha256};

use super::logs::LogTail;
use super::{DAMAGED_ITEMS, DAMAGED_MESSAGES, SPANS_WITHOUT_IDS, json, logs, message, metrics};
use crate::error::EvidenceError;
use crate::foreign::{ForeignError, Sink};
use crate::hex::hex;
use crate::record::Record;
use crate::source::{Skipped, Source};

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
    /// Log records.
    Logs,
}

/// How a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Protocol buffers.
    Protobuf,
    /// JSON, with ids in hex.
    Json,
}

/// Who made what a request carries: the attributes of its resource. Empty names are unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Producer {
    /// `service.name`.
    pub service: String,
    /// `service.version`.
    pub version: String,
    /// `service.instance.id`, else the pod or host.
    pub instance: String,
    /// `deployment.environment.name`.
    pub environment: String,
}

/// What became of one resource of a request.
#[derive(Debug)]
pub struct ResourceEvidence {
    /// Who made it.
    pub producer: Producer,
    /// SHA-256 of the resource as it was sent: the same for the same resource sent again.
    pub digest: [u8; 32],
    /// Evidence, one record a line.
    pub lines: Vec<u8>,
    /// How many lines.
    pub records: u64,
    /// Spans that can't be taken as they are, because they have no ids.
    pub rejected: u64,
    /// Log records in which nothing was found, and metrics that do not bear on concurrency.
    pub dropped: u64,
    /// All that is no evidence, and why; what was rejected and dropped too.
    pub skipped: Vec<Skipped>,
    /// The beginning of a report in the log, that the next request may complete.
    pub tail: LogTail,
}

/// How much evidence a request may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Resources.
    pub resources: usize,
    /// Records, of all resources together.
    pub records: u64,
    /// Bytes of evidence, likewise. Attributes of a resource are repeated in each of its spans, so it may be several
    /// times as large as the request.
    pub bytes: usize,
}

/// Why nothing of a request can be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It is no request of this signal in this encoding.
    #[error("not an OTLP request: {0}")]
    Malformed(String),
    /// It becomes more evidence than a request may.
    #[error("the request has more than {limit} {what}; send smaller ones")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
}

/// Reads a request into evidence. `tail` gives what an earlier request of a producer left in
/// [`ResourceEvidence::tail`], for logs alone.
pub fn read_request(
    signal: Signal,
    encoding: Encoding,
    body: &[u8],
    limits: RequestLimits,
    mut tail: impl FnMut(&Producer) -> LogTail,
) -> Result<Vec<ResourceEvidence>, RequestError> {
    let mut request =
        RequestReader { signal, limits, tail: &mut tail, records: 0, bytes: 0, resources: Vec::new() };
    match encoding {
        Encoding::Protobuf => message::read_request(body, &mut request)?,
        Encoding::Json => json::read_request(body, &mut request)?,
    }
    Ok(request.resources)
}

/// Collects what the resources of a request become.
pub(super) struct RequestReader<'a> {
    pub(super) signal: Signal,
    limits: RequestLimits,
    tail: &'a mut dyn FnMut(&Producer) -> LogTail,
    records: u64,
    bytes: usize,
    resources: Vec<ResourceEvidence>,
}

impl RequestReader<'_> {
    /// Reads the next resource by `read`; `content` is what tells it from others.
    pub(super) fn resource(
        &mut self,
        content: &[&[u8]],
        producer: Producer,
        read: impl FnOnce(LogTail, &mut dyn Sink) -> Result<LogTail, ForeignError>,
    ) -> Result<(), RequestError> {
        if self.resources.len() >= self.limits.resources {
            return Err(RequestError::TooLarge { what: "resources", limit: self.limits.resources });
        }
        let mut digest = Sha256::new_with_prefix([self.signal as u8]);
        for part in content {
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        let tail = match self.signal {
            Signal::Logs => (self.tail)(&producer),
            _ => LogTail::default(),
        };
        let mut sink = RequestSink {
            source: Source { id: short(&digest), ..Source::default() },
            lines: Vec::new(),
            bytes_left: self.limits.bytes.saturating_sub(self.bytes),
            records_left: self.limits.records.saturating_sub(self.records),
            beyond: None,
        };
        let tail = read(tail, &mut sink);
        match sink.beyond {
            Some("records") => {
                let limit = usize::try_from(self.limits.records).unwrap_or(usize::MAX);
                return Err(RequestError::TooLarge { what: "records", limit });
            }
            Some(what) => return Err(RequestError::TooLarge { what, limit: self.limits.bytes }),
            None => {}
        }
        let tail = tail.map_err(|error| RequestError::Malformed(error.to_string()))?;
        if sink.source.skipped.iter().any(|skipped| skipped.what == DAMAGED_MESSAGES) {
            return Err(RequestError::Malformed("a message is cut off or damaged".to_owned()));
        }
        self.records += sink.source.records;
        self.bytes += sink.lines.len();
        let count = |names: &[&str]| {
            let skipped = &sink.source.skipped;
            let named = skipped.iter().filter(|skipped| names.contains(&skipped.what.as_str()));
            named.map(|skipped| skipped.count).sum()
        };
        self.resources.push(ResourceEvidence {
            rejected: count(&[SPANS_WITHOUT_IDS, DAMAGED_ITEMS]),
            dropped: count(&[logs::OTHERS, metrics::OTHERS]),
            producer,
            digest,
            lines: sink.lines,
            records: sink.source.records,
            skipped: sink.source.skipped,
            tail,
        });
        Ok(())
    }
}

/// The beginning of the digest, by which races of different requests are told apart.
fn short(digest: &[u8; 32]) -> String {
    hex(&digest[..6])
}

/// Writes records as lines.
struct RequestSink {
    source: Source,
    lines: Vec<u8>,
    bytes_left: usize,
    records_left: u64,
    /// What there was too much of.
    beyond: Option<&'static str>,
}

impl Sink for RequestSink {
    fn record(&mut self, record: Record) -> Result<(), ForeignError> {
        self.source.records += 1;
        record.append_line(&mut self.lines);
        if self.source.records > self.records_left {
            self.beyond = Some("records");
        } else if self.lines.len() > self.bytes_left {
            self.beyond = Some("bytes of evidence");
        } else {
            return Ok(());
        }
        // Ends the reading; `beyond` says why.
        Err(EvidenceError::LineTooLong { line: self.source.records, limit: self.bytes_left }.into())
    }

    fn source(&mut self) -> &mut Source {
        &mut self.source
    }
}
